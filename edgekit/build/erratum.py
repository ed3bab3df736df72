"""
Erratum 843419 of the Cortex-A53: find, in finished code, the instructions that may compute a wrong address.

Source: Arm, "Cortex-A53 MPCore Software Developers Errata Notice" (ARM-EPM-048406), erratum 843419. The sequence is
    1. ADRP to a register Xn, at an address that ends in 0xff8 or 0xffc;
    2. a load or store of one register, a store of a pair or ST1, that does not write Xn;
    3. at most one other instruction, no branch;
    4. a load or store with an unsigned offset from Xn.
A linker that works around it leaves no such sequence, so the code itself is the evidence.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAGE_BYTES = 4096
_PLACES = (0xFF8, 0xFFC)
_INSTRUCTION_BYTES = 4


def sequences(code: bytes, address: int) -> Iterator[int]:
    """Yield the address of each ADRP that begins the sequence in little-endian AArch64 `code` at an `address`."""
    first_page = address - address % _PAGE_BYTES
    for page in range(first_page, address + len(code), _PAGE_BYTES):
        for place in _PLACES:
            offset = page + place - address
            if 0 <= offset <= len(code) - 3 * _INSTRUCTION_BYTES and _begins_at(code, offset):
                yield page + place


def _begins_at(code: bytes, offset: int) -> bool:
    adrp, access, third = struct.unpack_from("<3I", code, offset)
    register = adrp & 0x1F
    if not _matches(adrp, 0x9F000000, 0x90000000) or not _is_access(access):
        return False
    if _access_writes(access, register):
        return False
    if _uses_as_base(third, register):
        return True
    fourth_at = offset + 3 * _INSTRUCTION_BYTES
    if fourth_at + _INSTRUCTION_BYTES > len(code) or _is_branch(third):
        return False
    (fourth,) = struct.unpack_from("<I", code, fourth_at)
    return _uses_as_base(fourth, register)


def _matches(word: int, mask: int, value: int) -> bool:
    """Whether an instruction has the bits of an encoding (Arm Architecture Reference Manual, C4.1)."""
    return word & mask == value


def _is_single(word: int) -> bool:
    """Load or store of one register, all ways to address."""
    return _matches(word, 0x3A000000, 0x38000000)


def _is_structure_store(word: int) -> bool:
    """ST1, of one to four registers or of one lane."""
    several = _matches(word, 0xBF600000, 0x0C000000) or _matches(word, 0xBFE00000, 0x0C800000)
    lane = _matches(word, 0xBF602000, 0x0D000000)
    return (several and word >> 12 & 0xF in {0b0010, 0b0110, 0b0111, 0b1010}) or lane


def _is_access(word: int) -> bool:
    """Whether it is one of the loads and stores that can be second."""
    exclusive = _matches(word, 0x3F000000, 0x08000000)
    literal = _matches(word, 0x3B000000, 0x18000000)
    pair_store = _matches(word, 0x3A400000, 0x28000000)
    return exclusive or literal or _is_single(word) or pair_store or _is_structure_store(word)


def _access_writes(word: int, register: int) -> bool:
    """Whether a load or store writes a general register: by loading it, or as the base that moves on."""
    is_vector = word & 0x04000000 != 0
    loads_one = _is_single(word) and word & 0x00C00000 != 0 and not is_vector
    prefetches = _matches(word, 0xFEC00000, 0xF8800000)
    loads_exclusive = _matches(word, 0x3F400000, 0x08400000)
    loads_literal = _matches(word, 0xBF000000, 0x18000000)
    loads = (loads_one and not prefetches) or loads_exclusive or loads_literal
    moves_base = (
        _matches(word, 0x3B200400, 0x38000400)  # one register, pre- or post-indexed
        or _matches(word, 0x3A800000, 0x28800000)  # a pair, likewise
        or _matches(word, 0x3E800000, 0x0C800000)  # a structure, post-indexed
    )
    return (loads and word & 0x1F == register) or (moves_base and word >> 5 & 0x1F == register)


def _uses_as_base(word: int, register: int) -> bool:
    """Whether it is LDR or STR (unsigned offset), integer or vector, from that base."""
    return _matches(word, 0x3B000000, 0x39000000) and word >> 5 & 0x1F == register


def _is_branch(word: int) -> bool:
    """B, BL, CBZ, CBNZ, TBZ, TBNZ, B.cond, BR, BLR, RET; a NOP is none."""
    return (
        _matches(word, 0x7C000000, 0x14000000)
        or _matches(word, 0x7C000000, 0x34000000)
        or _matches(word, 0xFF000000, 0x54000000)
        or _matches(word, 0xFE000000, 0xD6000000)
    )
