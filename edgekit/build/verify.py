"""A device wheel, verified and not assumed: what its library really is, and what that means for a board."""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_agent.manifest import version_tuple
from edgekit.board import GENERIC_CPU
from edgekit.build.elf import LibraryFacts, library_facts
from edgekit.errors import OverBudget, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from edgekit.board import Board, Release

_TAGS = re.compile(r"^Tag: cp3(\d+)-(\w+)-\S+$", re.MULTILINE)
_EVERYWHERE = re.compile(r"(?:libc|libm|libpthread|libdl|librt|libgcc_s|ld-linux-[\w-]+)\.so\.\d+")
"""Libraries that every system with glibc has."""
_ERRATUM_CPU = "cortex-a53"


@dataclass(frozen=True, kw_only=True)
class WheelFacts:
    """What a wheel holds."""

    python: str
    """The oldest Python that imports it."""
    library: LibraryFacts


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Whether something built runs on one system of one board."""

    board: Board
    release: Release
    reason: str | None
    """What is in the way; None: it runs."""


def wheel_facts(wheel: Path) -> WheelFacts:
    """Read a wheel. Raises VerificationFailed if it is none of the engine's, ToolError without pyelftools."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            libraries = [name for name in names if name.endswith(".so")]
            tags = [name for name in names if name.endswith(".dist-info/WHEEL")]
            if len(libraries) != 1 or len(tags) != 1:
                raise VerificationFailed(
                    f"`{wheel.name}` has {len(libraries)} native modules: must have one"
                )
            stated = _TAGS.findall(archive.read(tags[0]).decode(errors="replace"))
            library = library_facts(archive.read(libraries[0]))
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise VerificationFailed(f"`{wheel}` is no wheel: {error}") from error
    if not stated or any(abi != "abi3" for _, abi in stated):
        raise VerificationFailed(f"`{wheel.name}` is for one Python alone: its tag must be `abi3`")
    return WheelFacts(python=f"3.{max(int(minor) for minor, _ in stated)}", library=library)


def check_wheel(facts: WheelFacts, board: Board) -> None:
    """
    Hold a wheel against the board that it was made for.

    Raises VerificationFailed if it is not what it should be, OverBudget if none of the board's systems can run it.
    """
    library = facts.library
    if library.machine != board.architecture:
        raise VerificationFailed(
            f"the engine was built for {library.machine}: board `{board.id}` is {board.architecture}"
        )
    foreign = [name for name in library.needed if not _EVERYWHERE.fullmatch(name)]
    if foreign:
        raise VerificationFailed(
            f"the engine needs `{foreign[0]}`, which not every system has",
            hint="build it with `--toolchain zig`",
        )
    if board.page_size_bytes is not None and library.page_size_bytes < board.page_size_bytes:
        raise VerificationFailed(
            f"the engine is aligned to pages of {library.page_size_bytes} bytes: board `{board.id}` has kernels with {board.page_size_bytes}"
        )
    if _has_erratum(library, board):
        raise VerificationFailed(
            f"the engine has {library.erratum_843419} sequences of erratum 843419: board `{board.id}`'s Cortex-A53 may compute wrong addresses",
            hint="build it with `--toolchain gcc`, whose linker works around it",
        )
    _check_systems(facts, board)


def fits(facts: WheelFacts, target: str, cpu: str, boards: Iterable[Board]) -> Iterator[Fit]:
    """Say for each system of each board with such a CPU whether the wheel runs on it."""
    library = facts.library
    for board in boards:
        if board.target != target or cpu not in (board.cpu, GENERIC_CPU):
            continue
        page = board.page_size_bytes or 0
        for release in board.releases:
            reason = release.too_old or release.lacks(glibc=library.glibc, python=facts.python)
            if _has_erratum(library, board):
                reason = "the engine has erratum 843419 of its CPU"
            elif library.page_size_bytes < page:
                reason = f"its kernel may have pages of {page} bytes"
            yield Fit(board=board, release=release, reason=reason)


def _has_erratum(library: LibraryFacts, board: Board) -> bool:
    return board.cpu == _ERRATUM_CPU and library.erratum_843419 > 0


def _check_systems(facts: WheelFacts, board: Board) -> None:
    usable = [release for release in board.releases if release.too_old is None]
    reasons = [release.lacks(glibc=facts.library.glibc, python=facts.python) for release in usable]
    if not usable or None in reasons:
        return
    newest = max(usable, key=lambda release: version_tuple(release.glibc))
    raise OverBudget(
        f"the engine needs glibc {facts.library.glibc}: the newest system of board `{board.id}`, {newest.title}, has {newest.glibc}",
        hint="build it with `--toolchain zig`, which links for older systems",
    )
