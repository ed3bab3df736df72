"""A shared library's facts, read from the file itself with pyelftools."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekit.build import erratum
from edgekit.build.package import require
from edgekit.errors import VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

_MACHINES = {"EM_AARCH64": "aarch64", "EM_X86_64": "x86_64", "EM_ARM": "arm", "EM_386": "i686"}
_EXECUTABLE = 0x1  # PF_X


@dataclass(frozen=True, kw_only=True)
class LibraryFacts:
    """What a shared library says of itself."""

    machine: str
    """Architecture, as Rust's triples name it."""
    glibc: str | None
    """Highest version among its GLIBC_ symbols; None if it uses none."""
    needed: tuple[str, ...]
    """Libraries that it loads."""
    page_size_bytes: int
    """Alignment of its segments: the largest page that it loads on."""
    stripped: bool
    """Whether the symbol table was removed."""
    erratum_843419: int
    """How many sequences of that Cortex-A53 erratum its code has."""
    size_bytes: int


def library_facts(data: bytes) -> LibraryFacts:
    """Read a shared library. Raises VerificationFailed if it is none, ToolError without pyelftools."""
    require("elftools", "pyelftools")
    from elftools.common.exceptions import ELFError  # noqa: PLC0415 (an extra: only where it is needed)
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415 (as above)

    try:
        elf = ELFFile(io.BytesIO(data))
        machine = _MACHINES.get(elf["e_machine"], str(elf["e_machine"]))
        segments = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
        return LibraryFacts(
            machine=machine,
            glibc=_glibc(elf),
            needed=tuple(sorted(_needed(elf))),
            page_size_bytes=min((segment["p_align"] for segment in segments), default=0),
            stripped=elf.get_section_by_name(".symtab") is None,
            erratum_843419=_erratum(segments) if machine == "aarch64" else 0,
            size_bytes=len(data),
        )
    except (ELFError, ValueError, KeyError, IndexError, AssertionError) as error:
        raise VerificationFailed(f"it is no shared library: {str(error) or 'cut off'}") from error


def _glibc(elf: Any) -> str | None:
    section = elf.get_section_by_name(".gnu.version_r")
    if section is None:
        return None
    names = [entry.name for _, entries in section.iter_versions() for entry in entries]
    found = [re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", name) for name in names]
    versions = [(int(match[1]), int(match[2])) for match in found if match is not None]
    return ".".join(map(str, max(versions))) if versions else None


def _needed(elf: Any) -> Iterator[str]:
    section = elf.get_section_by_name(".dynamic")
    if section is not None:
        for tag in section.iter_tags("DT_NEEDED"):
            yield tag.needed


def _erratum(segments: list[Any]) -> int:
    return sum(
        1
        for segment in segments
        if segment["p_flags"] & _EXECUTABLE
        for _ in erratum.sequences(segment.data(), segment["p_vaddr"])
    )
