"""Frames of bytes, found in what was captured: where they begin, how long they are, and how their values are packed."""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

from edge_agent.sources.framing.checksum import CHECKSUMS
from edge_agent.sources.framing.cobs import decode

LEAST_FRAMES = 8
LONGEST_FRAME = 256
LOOKED_AT_BYTES = 4096
"""Every length is tried on so much."""
ALIKE_SHARE = 0.8
CONSTANT_SHARE = 0.97
"""So many of the bytes at one place in the frame are the same: a sync, or a value that rests."""
LEAST_FLOAT, MOST_FLOAT = 1e-5, 1e7
"""What a sensor measures lies between, in any unit; what is no float32 seldom does."""
USUAL_SYNCS = ("aa55", "55aa", "a55a", "5aa5", "aaaa", "5555", "fefe", "7e7e", "abcd", "cafe")


class Frames(NamedTuple):
    """Frames of one kind."""

    frame: str
    samples: int
    last: tuple[float, ...]
    sync: str | None = None
    crc: str | None = None
    notes: tuple[str, ...] = ()


def find_cobs(data: bytes) -> Frames | None:
    """Find COBS frames whose checksum is right."""
    plain = [decode(frame) for frame in data.split(b"\0")[1:-1] if frame]
    whole = [payload for payload in plain if payload]
    if len(whole) < LEAST_FRAMES or len(whole) < ALIKE_SHARE * len(plain):
        return None
    for crc, (checksum, size) in CHECKSUMS.items():
        good = [
            payload[:-size]
            for payload in whole
            if len(payload) > size and checksum(payload[:-size]) == payload[-size:]
        ]
        if len(good) >= ALIKE_SHARE * len(plain):
            length = len(good[-1])
            alike = [payload for payload in good if len(payload) == length]
            packed = _packing(alike)
            return Frames(packed, len(alike), _last(packed, alike), crc=crc, notes=_doubt(packed))
    return None


def find_synced(data: bytes) -> Frames | None:
    """Find frames of one length that begin with the same two bytes: by the last of the data, then in all of it."""
    captured, data = data, data[-LOOKED_AT_BYTES:]
    for length in range(3, LONGEST_FRAME + 1):
        count = len(data) // length
        if count < LEAST_FRAMES:
            return None
        same = [
            sum(map(int.__eq__, column, column[1:])) >= CONSTANT_SHARE * (len(column) - 1)
            for column in (data[offset : count * length : length] for offset in range(length))
        ]
        starts = [at for at in range(length) if same[at] and same[(at + 1) % length]]
        if not starts or sum(same) > length - 1:
            continue
        begin = max(starts, key=lambda at: _likeness(_two(data, at, length)))
        sync = _two(data, begin, length)
        if not any(sync):
            continue
        return _synced(captured, sync, length)
    return None


def _synced(data: bytes, sync: bytes, length: int) -> Frames | None:
    payloads = []
    at = data.find(sync)
    while at >= 0 and at + length + len(sync) <= len(data):
        if data.startswith(sync, at + length):
            payloads.append(data[at + len(sync) : at + length])
            at += length
        else:
            at = data.find(sync, at + 1)
    if len(payloads) < LEAST_FRAMES:
        return None
    packed = _packing(payloads)
    return Frames(
        packed, len(payloads), _last(packed, payloads), sync=sync.hex(), notes=_doubt(packed)
    )


def _two(data: bytes, at: int, length: int) -> bytes:
    """Return the two bytes that frames which begin at `at` begin with, from the middle of the data."""
    start = at + length * (len(data) // length // 2)
    return data[start : start + 2]


def _likeness(sync: bytes) -> int:
    """Return how much two bytes look like a sync: values that rest have zeros and ones in their upper bytes."""
    if sync.hex() in USUAL_SYNCS:
        return 3
    return sum(byte not in {0x00, 0xFF} for byte in sync)


def _packing(payloads: list[bytes]) -> str:
    """Return the struct string that makes most sense of frames: floats that could be measured, else integers."""
    size = len(payloads[0])
    if size % 4 == 0:
        values = [value for each in payloads for value in struct.unpack(f"<{size // 4}f", each)]
        likely = sum(
            value == 0.0 or (math.isfinite(value) and LEAST_FLOAT < abs(value) < MOST_FLOAT)
            for value in values
        )
        if likely >= CONSTANT_SHARE * len(values) and any(values):
            return f"<{size // 4}f"
    if size % 2 == 0:
        return f"<{size // 2}h"
    return f"<{size}B"


def _last(packed: str, payloads: list[bytes]) -> tuple[float, ...]:
    return tuple(map(float, struct.unpack(packed, payloads[-1])))


def _doubt(packed: str) -> tuple[str, ...]:
    return (
        f"`frame = \"{packed}\"` is a guess from the frame's length and its values: put down what the sensor's program packs",
    )
