"""
Records of the spool as bytes, and names of its segments.

A record: `u16 magic, u8 version, u8 kind, u32 length, u32 crc, u64 seq`, little-endian, and `length` bytes of JSON.
The CRC-32 covers everything behind it, the kind and the length, and begins with the boot, so that a record
is valid in segments of its own boot only.

A segment: `<counter>-<salt>-<number>.seg`. The boot is counted up each time a writer opens the spool; the salt is
drawn when a spool begins, so that no id comes twice, even when the whole folder is lost.
"""

from __future__ import annotations

import enum
import json
import re
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC = b"\xed\x5b"
VERSION = 1
LARGEST_PAYLOAD_BYTES = 256 * 1024
CURSOR = "cursor"
BOOT = "boot"

_HEADER = struct.Struct("<2sBBIIQ")
HEADER_BYTES = _HEADER.size
_CHECKED = struct.Struct("<BBIQ")
_BOOT = struct.Struct("<QI")
_NAME = re.compile(r"(\d{10,18})-([0-9a-f]{8})-(\d{8})\.seg", re.ASCII)


class Kind(enum.IntEnum):
    """What a record is about; drops are counted by kind."""

    PREDICTION = 0
    EVENT = 1
    NOTICE = 2
    """From the spool itself: what was dropped."""


class Boot(NamedTuple):
    """One opening of the spool by its writer."""

    counter: int
    salt: int

    def __str__(self) -> str:
        return f"{self.counter}-{self.salt:08x}"

    @property
    def seed(self) -> int:
        """What the CRC of this boot's records begins with."""
        return zlib.crc32(_BOOT.pack(self.counter, self.salt))


class Segment(NamedTuple):
    """One file of the log; segments compare in the order in which they were written."""

    counter: int
    number: int
    salt: int

    @property
    def boot(self) -> Boot:
        """The boot that wrote it."""
        return Boot(self.counter, self.salt)

    @property
    def name(self) -> str:
        """Its file name."""
        return f"{self.counter:010}-{self.salt:08x}-{self.number:08}.seg"


class Record(NamedTuple):
    """One record as it was read."""

    boot: Boot
    seq: int
    """Counts from 1 in each boot."""
    kind: int
    payload: bytes
    """A JSON object."""
    end: int
    """Where it ends in its segment, in bytes."""


class Scan(NamedTuple):
    """What a piece of a segment holds."""

    records: list[Record]
    end: int
    """Up to where it was understood; the next piece begins here."""
    corrupt: int
    """Damaged stretches with a good record behind them."""
    torn: bool
    """Whether what follows the last good record is no record (`final` only)."""


class Cursor(NamedTuple):
    """Up to where everything was acknowledged."""

    segment: Segment
    offset: int
    seq: int

    def pack(self) -> bytes:
        """Return it as the bytes of the cursor file."""
        body = f"{self.segment.name} {self.offset} {self.seq}"
        return f"{body} {zlib.crc32(body.encode()):08x}\n".encode()


def pack(boot: Boot, seq: int, kind: Kind, payload: bytes) -> bytes:
    """Return a record as bytes."""
    crc = _crc(boot.seed, kind, seq, payload)
    return _HEADER.pack(MAGIC, VERSION, kind, len(payload), crc, seq) + payload


def scan(data: bytes, segment: Segment, *, start: int = 0, final: bool) -> Scan:
    """
    Read the records in `data`, which stands at `start` of its segment.

    `final`: nothing will be appended any more, so an incomplete record is a damaged one. Damage is skipped: the
    next record is searched by its magic and believed by its CRC.
    """
    boot = segment.boot
    seed = boot.seed
    records: list[Record] = []
    corrupt = offset = good_end = 0
    damaged = False
    while offset + HEADER_BYTES <= len(data):
        magic, version, kind, length, crc, seq = _HEADER.unpack_from(data, offset)
        end = offset + HEADER_BYTES + length
        sound = magic == MAGIC and version == VERSION and length <= LARGEST_PAYLOAD_BYTES
        if sound and end > len(data) and not final and not damaged:
            break  # it may still be on its way
        if sound and end <= len(data):
            payload = data[offset + HEADER_BYTES : end]
            if crc == _crc(seed, kind, seq, payload):
                records.append(Record(boot, seq, kind, payload, start + end))
                corrupt += damaged
                damaged = False
                offset = good_end = end
                continue
        damaged = True
        found = data.find(MAGIC, offset + 1)
        offset = len(data) if found < 0 else found
    if final:
        return Scan(records, start + len(data), corrupt, good_end < len(data))
    # Damage at the end is judged again with what comes behind it, or once the segment is final.
    return Scan(records, start + good_end, corrupt, torn=False)


def parse_segment(name: str) -> Segment | None:
    """Return the segment of a file name; None for another file."""
    matched = _NAME.fullmatch(name)
    return matched and Segment(int(matched[1]), int(matched[3]), int(matched[2], 16))


def segments_of(names: list[str]) -> list[Segment]:
    """Return the segments among file names, oldest first."""
    return sorted(segment for name in names if (segment := parse_segment(name)) is not None)


def parse_cursor(data: bytes) -> Cursor | None:
    """Return the cursor in the bytes of its file; None if it is damaged."""
    body, _, crc = data.decode("ascii", "replace").rstrip("\n").rpartition(" ")
    words = body.split(" ")
    if crc != f"{zlib.crc32(body.encode()):08x}" or len(words) != len(Cursor._fields):
        return None
    segment = parse_segment(words[0])
    if segment is None or not all(word.isdecimal() for word in words[1:]):  # of another version
        return None
    return Cursor(segment, int(words[1]), int(words[2]))


def pack_boot(boot: Boot) -> bytes:
    """Return the boot as the bytes of its file."""
    return f"{boot.counter} {boot.salt:08x} {boot.seed:08x}\n".encode()


def parse_boot(data: bytes) -> Boot | None:
    """Return the boot in the bytes of its file; None if it is damaged."""
    matched = re.fullmatch(rb"(\d+) ([0-9a-f]{8}) ([0-9a-f]{8})\n", data)
    if matched is None:
        return None
    boot = Boot(int(matched[1]), int(matched[2], 16))
    return boot if boot.seed == int(matched[3], 16) else None


def encode(document: Mapping[str, object]) -> bytes:
    """Return a JSON object as the payload of a record."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def _crc(seed: int, kind: int, seq: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_CHECKED.pack(VERSION, kind, len(payload), seq), seed))
