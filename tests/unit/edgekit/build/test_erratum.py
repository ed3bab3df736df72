"""Erratum 843419: the sequence is found where it is, and only there."""

from __future__ import annotations

import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from edgekit.build import erratum
from edgekit.build.elf import library_facts

if TYPE_CHECKING:
    from pathlib import Path

NOP = 0xD503201F
ADRP_X0 = 0x90000000
LDR_X1_X2 = 0xF9400041
LDR_X0_X2 = 0xF9400040
LDP_X1_X4 = 0xA9401041
STP_X1_X4 = 0xA9001041
LDR_X3_X0 = 0xF9400003
STR_Q3_X0 = 0x3D800003
LDR_X3_X5 = 0xF94000A3
BRANCH = 0x14000000
STR_X1_X0_POST = 0xF8008401  # str x1, [x0], #8
PRFM_X2 = 0xF9800040


def _page(*words: int, place: int = 0xFF8) -> bytes:
    """Return a page of NOPs with instructions at a place in it, and a little of the next page."""
    code = [NOP] * (0x1000 // 4 + 8)
    code[place // 4 : place // 4 + len(words)] = words
    return struct.pack(f"<{len(code)}I", *code)


@pytest.mark.parametrize(
    "words",
    [
        (ADRP_X0, LDR_X1_X2, LDR_X3_X0),
        (ADRP_X0, LDR_X1_X2, NOP, LDR_X3_X0),
        (ADRP_X0, STP_X1_X4, STR_Q3_X0),
        (ADRP_X0, PRFM_X2, LDR_X3_X0),
    ],
)
@pytest.mark.parametrize("place", [0xFF8, 0xFFC])
def test_a_sequence_is_found(words: tuple[int, ...], place: int) -> None:
    """At the end of a page, over its border too; the address of the ADRP is named."""
    code = _page(*words, place=place)

    assert list(erratum.sequences(code, 0x40000)) == [0x40000 + place]


@pytest.mark.parametrize(
    "words",
    [
        (ADRP_X0, LDR_X0_X2, LDR_X3_X0),
        (ADRP_X0, LDP_X1_X4, LDR_X3_X0),
        (ADRP_X0, STR_X1_X0_POST, LDR_X3_X0),
        (ADRP_X0, LDR_X1_X2, BRANCH, LDR_X3_X0),
        (ADRP_X0, LDR_X1_X2, LDR_X3_X5),
        (ADRP_X0, NOP, LDR_X3_X0),
        (NOP, LDR_X1_X2, LDR_X3_X0),
    ],
)
def test_what_breaks_a_sequence(words: tuple[int, ...]) -> None:
    """Another base, a branch, a pair that is loaded, a base that was written in between."""
    assert not list(erratum.sequences(_page(*words), 0))


def test_elsewhere_in_a_page_it_is_harmless() -> None:
    """The erratum is about the last two instructions of a page."""
    assert not list(erratum.sequences(_page(ADRP_X0, LDR_X1_X2, LDR_X3_X0, place=0xFF4), 0))


def test_the_end_of_the_code_is_no_sequence() -> None:
    """Code that stops in the middle is read to its end and no further."""
    whole = _page(ADRP_X0, LDR_X1_X2, NOP, LDR_X3_X0)

    assert not list(erratum.sequences(whole[: 0xFF8 + 12], 0))
    assert not list(erratum.sequences(whole[: 0xFF8 + 6], 0))


ASSEMBLER = """
    .text
    .globl f
    .balign 4096
f:  .space 4096 - 8
    adrp x0, d
    ldr x1, [x2]
    ldr x3, [x0, :lo12:d]
    ret
    .data
d:  .quad 0
"""


@pytest.mark.skipif(
    shutil.which("aarch64-linux-gnu-gcc") is None, reason="needs the cross gcc for aarch64"
)
def test_what_the_gnu_linker_repairs_is_no_longer_there(tmp_path: Path) -> None:
    """The flag that the toolchain gives takes the sequence out of a real library."""
    source = tmp_path / "f.s"
    source.write_text(ASSEMBLER)
    found = {}
    for name, flags in {
        "plain": ["-mno-fix-cortex-a53-843419"],
        "fixed": ["-Wl,--fix-cortex-a53-843419"],
    }.items():
        library = tmp_path / f"{name}.so"
        command = [
            "aarch64-linux-gnu-gcc",
            "-shared",
            "-nostdlib",
            *flags,
            "-o",
            str(library),
            str(source),
        ]
        subprocess.run(command, check=True)
        found[name] = library_facts(library.read_bytes()).erratum_843419

    assert found == {"plain": 1, "fixed": 0}
