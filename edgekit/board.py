"""
Boards: hardware as data, one TOML file each in `boards/`, whose README.md explains every key.

A project's own `boards/` comes first, then the user's ($XDG_CONFIG_HOME/edgekit/boards), then those that ship.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

from edge_agent.config.checks import STRICT, check
from edge_agent.manifest import LEAST_PYTHON, version_tuple
from edgekit.catalog import ID_PATTERN, Catalog, nearest
from edgekit.errors import ConfigError
from edgekit.resources import data_folder

HOST = "host"
GENERIC_CPU = "generic"
"""The `target-cpu` whose code every CPU of its architecture runs."""
_ANY_AARCH64 = "aarch64-linux"

_VERSION = r"\d{1,4}\.\d{1,4}"

_TRIPLES = ("aarch64-unknown-linux-gnu",)
"""What boards other than `host` may have: what the engine is built and tested for."""

_ARCHITECTURES = {
    "aarch64": _ANY_AARCH64,
    "arm64": _ANY_AARCH64,
    **dict.fromkeys(_TRIPLES, _ANY_AARCH64),
}
"""Names of an architecture that `-t` takes, and the board that stands for it."""

_REFUSED = (
    (r"(arm|armhf|armel|armv[67].*|arm-.*)", "is 32-bit ARM: EdgeKit makes code for 64-bit ARM"),
    (r"aarch64.*-musl", "needs a Python built with musl: EdgeKit makes code for glibc"),
    (
        r"(riscv|mips|powerpc|ppc|s390x|loong).*",
        "is an architecture that EdgeKit makes no code for",
    ),
)
"""Architectures and triples that people ask for, and what is in the way."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """A system that a board runs."""

    __pydantic_config__ = STRICT

    id: str
    """Short name, such as `bookworm`."""
    title: str
    """Name as people know it."""
    glibc: str
    """Version of its C library."""
    python: str
    """Version of its `python3`."""
    suite: str | None = None
    """The distribution's suite whose arm64 packages have that glibc and Python; tests take the Python from there."""

    def __post_init__(self) -> None:
        for key in ("glibc", "python"):
            value = getattr(self, key)
            check(
                re.fullmatch(_VERSION, value) is not None,
                f"`{key}` is `{value}`: must be like `3.11`",
            )

    @property
    def too_old(self) -> str | None:
        """Why nothing of EdgeKit can run on it; None if it can."""
        if version_tuple(self.python) >= version_tuple(LEAST_PYTHON):
            return None
        return f"its Python is {self.python}: the agent needs {LEAST_PYTHON}"

    def lacks(self, *, glibc: str | None, python: str) -> str | None:
        """Say why code that needs these versions does not run on it; None if it does."""
        if version_tuple(self.python) < version_tuple(python):
            return f"its Python is {self.python}: {python} is needed"
        if glibc is not None and version_tuple(self.glibc) < version_tuple(glibc):
            return f"its glibc is {self.glibc}: {glibc} is needed"
        return None


@dataclass(frozen=True, kw_only=True)
class Power:
    """What a board draws, and what can measure it. A figure that has no source is left out."""

    __pydantic_config__ = STRICT

    meter: Literal["none", "auto", "pmic", "ina3221", "rapl"]
    """What measures on the board itself; `auto`: not known here, the agent looks."""
    idle_mw: int | None = None
    """Drawn by the idle board, in milliwatts."""
    core_mw: int | None = None
    """Drawn on top of that by one busy core."""
    uncertainty_percent: int | None = None
    """How far off the figures may be for another board of the type."""
    source: str | None = None
    """Who measured, when and how."""

    def __post_init__(self) -> None:
        _check_positive(self, "idle_mw", "core_mw", "uncertainty_percent")
        figures = self.idle_mw is not None or self.core_mw is not None
        for key in ("uncertainty_percent", "source"):
            check(
                not figures or getattr(self, key) is not None,
                f"`{key}` is missing: a figure goes with its source",
            )


@dataclass(frozen=True, kw_only=True)
class Emulate:
    """How the board is emulated in tests."""

    __pydantic_config__ = STRICT

    cpu: str
    """QEMU's name of the CPU, or of the nearest that it has."""
    kernels: Literal["a53", "a55", "a72", "generic"]
    """The engine's set of kernels on this CPU."""
    release: str
    """Id of the release whose Python is taken."""


@dataclass(frozen=True, kw_only=True)
class BoardFile:
    """What a file says of one kind of board."""

    __pydantic_config__ = STRICT

    title: str
    """Name as people know it."""
    target: str
    """Rust target triple; `host`: this machine."""
    cpu: str
    """Rust `target-cpu`."""
    toolchain: Literal["zig", "gcc", "cross", "host"]
    """Kind of toolchain that makes its code unless another is asked for."""
    features: tuple[str, ...] = ()
    """Features of the CPU that matter: `crc`, `dotprod`, `fp16`."""
    cores: int | None = None
    """Number of cores."""
    memory_mib: int | None = None
    """Memory of the smallest variant."""
    page_size_bytes: int | None = None
    """Largest page of any kernel for it; shared libraries must be aligned to it."""
    releases: tuple[Release, ...] = ()
    """Systems that it runs, the most usual one first."""
    power: Power
    emulate: Emulate | None = None

    def __post_init__(self) -> None:
        known = self.target in {HOST, *_TRIPLES}
        check(known, f"`target` is `{self.target}`: must be `{_TRIPLES[0]}`")
        _check_positive(self, "cores", "memory_mib", "page_size_bytes")
        names = [release.id for release in self.releases]
        twice = next((name for name in names if names.count(name) > 1), None)
        check(twice is None, f"`releases` has `{twice}` twice")
        if self.emulate is not None:
            check(
                self.emulate.release in names,
                f"`emulate.release` is `{self.emulate.release}`: must be one of {', '.join(names) or '`releases`'}",
            )


@dataclass(frozen=True, kw_only=True)
class Board(BoardFile):
    """One kind of board."""

    id: str
    """Name of its file."""

    def __post_init__(self) -> None:
        """Check nothing: the file was checked when it was read, and `host` has the machine's own triple."""

    @property
    def is_host(self) -> bool:
        """Whether it is this machine."""
        return self.id == HOST

    @property
    def architecture(self) -> str:
        """The first part of the triple, such as `aarch64`."""
        return self.target.partition("-")[0]

    def release(self, name: str) -> Release:
        """Return a release by its id. Raises ConfigError that names those there are."""
        for release in self.releases:
            if release.id == name:
                return release
        known = ", ".join(f"`{release.id}`" for release in self.releases) or "none"
        raise ConfigError(f"board `{self.id}` has no release `{name}`", hint=f"it has {known}")


@dataclass(frozen=True, kw_only=True)
class UnsupportedBoard:
    """A board that people have and EdgeKit cannot serve."""

    __pydantic_config__ = STRICT

    title: str
    """Name as people know it."""
    reason: str
    """What is in the way."""
    instead: str
    """What to do now."""


def boards(project_folder: Path | None) -> dict[str, Board]:
    """Read all boards of a project by id: its own, the user's, those that ship. Raises ConfigError at the first bad file."""
    known = _catalog(project_folder)
    return {name: _board(known, name) for name in known.paths}


def unsupported_boards() -> dict[str, UnsupportedBoard]:
    """Read the boards that are known by name only, by id."""
    return _unsupported().all()


def find_board(text: str, project_folder: Path | None) -> Board:
    """
    Return the board that `-t` or `[deploy] board` names: by id, architecture or triple.

    Raises ConfigError with the near name, or with the reason why that board or architecture cannot be served.
    """
    known = _catalog(project_folder)
    if text in known.paths:
        return _board(known, text)
    unsupported = _unsupported()
    if text in unsupported.paths:
        board = unsupported.read(text)
        raise ConfigError(
            f"board `{text}` ({board.title}) is not supported: {board.reason}", hint=board.instead
        )
    machine = _machine_triple()
    if text in {machine, machine.partition("-")[0]} and text not in _ARCHITECTURES:
        return _board(known, HOST)
    if text in _ARCHITECTURES:
        return _board(known, _ARCHITECTURES[text])
    if re.fullmatch(ID_PATTERN, text):
        _refuse_release(text, boards(project_folder))
    raise _unknown(text, [*known.paths, *_ARCHITECTURES], list(unsupported.paths))


def _refuse_release(text: str, known: dict[str, Board]) -> None:
    """Raise ConfigError if a system is named where a board should be."""
    for board in known.values():
        for release in board.releases:
            if release.id == text:
                reason = release.too_old or "it is no board, but a system"
                raise ConfigError(
                    f"`{text}` ({release.title}): {reason}",
                    hint=f"name the board, such as `{board.id}`",
                )


def _unknown(text: str, names: list[str], unsupported: list[str]) -> ConfigError:
    for pattern, reason in _REFUSED:
        if re.fullmatch(pattern, text):
            return ConfigError(f"target `{text}` {reason}", hint="see `edgekit boards`")
    near = nearest(text, names) or nearest(text, unsupported)
    hint = f"did you mean `{near}`? `edgekit boards` shows all" if near else "see `edgekit boards`"
    return ConfigError(f"there is no board or architecture `{text}`", hint=hint)


def _board(known: Catalog[BoardFile], name: str) -> Board:
    file = known.read(name)
    board = Board(id=name, **{item.name: getattr(file, item.name) for item in fields(file)})
    if board.target != HOST:
        return board
    if name != HOST:
        raise ConfigError(
            f"`{known.paths[name]}`: `target` is `host`: only the board `host` is this machine",
            hint=f'write `target = "{_TRIPLES[0]}"`',
        )
    page_size_bytes = os.sysconf("SC_PAGE_SIZE")
    return replace(
        board,
        target=_machine_triple(),
        cores=os.cpu_count(),
        memory_mib=os.sysconf("SC_PHYS_PAGES") * page_size_bytes >> 20,
        page_size_bytes=page_size_bytes,
    )


def _catalog(project_folder: Path | None) -> Catalog[BoardFile]:
    own = () if project_folder is None else (project_folder / "boards",)
    return Catalog(BoardFile, (*own, _user_folder(), data_folder("boards")))


def _check_positive(section: Power | BoardFile, *keys: str) -> None:
    for key in keys:
        value = getattr(section, key)
        check(value is None or value > 0, f"`{key}` is {value}: must be positive")


def _unsupported() -> Catalog[UnsupportedBoard]:
    return Catalog(UnsupportedBoard, (data_folder("boards") / "unsupported",))


def _user_folder() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "edgekit" / "boards"


def _machine_triple() -> str:
    machine = platform.machine().lower().replace("arm64", "aarch64").replace("amd64", "x86_64")
    return (
        f"{machine}-apple-darwin"
        if platform.system() == "Darwin"
        else f"{machine}-unknown-linux-gnu"
    )
