"""
COBS frames: a struct and its checksum, without a zero byte inside, and a zero byte after each.

Consistent Overhead Byte Stuffing: Cheshire and Baker, IEEE/ACM Transactions on Networking 7 (2), 1999. Every zero
byte is the end of a frame, so damage costs the frame that it is in, and the next one if it hit the zero between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.sources.framing import Run, unpack
from edge_agent.sources.framing.checksum import CHECKSUMS

if TYPE_CHECKING:
    import struct

_LONGEST_GROUP = 255
"""The code of a group of 254 bytes that no zero follows."""


class CobsDecoder:
    """Decodes COBS frames of `layout` and a checksum (`crc`: a name in CHECKSUMS)."""

    def __init__(self, layout: struct.Struct, crc: str) -> None:
        self._layout = layout
        self._checksum, self._checksum_size = CHECKSUMS[crc]
        plain = layout.size + self._checksum_size
        self._shortest = plain + 1
        self._longest = plain + 1 + plain // (_LONGEST_GROUP - 1)
        self._tail = bytearray()
        """The frame that is still coming; longer than the longest, it is damaged and not kept."""
        self._lost = 0
        self.frames = 0
        self.bad_frames = 0
        self.resyncs = 0
        self.skipped_bytes = 0

    def feed(self, data: bytes) -> list[Run]:
        """Take the next bytes; return what they complete."""
        self._tail += data
        *frames, tail = self._tail.split(b"\0")
        runs: list[Run] = []
        payloads: list[bytes] = []
        for frame in frames:
            if not frame:
                continue  # zeros in a row: a line that idles, or a sender that begins with one
            payload = self._payload(bytes(frame))
            if payload is not None:
                payloads.append(payload)
                continue
            self._end_run(runs, payloads)
            self._lose(len(frame))
        self._end_run(runs, payloads)
        excess = len(tail) - self._longest - 1
        if excess > 0:  # one byte too many stays, so that it is still known to be too long
            self.skipped_bytes += excess
            tail = tail[:-excess]
        self._tail = tail
        return runs

    def restart(self) -> None:
        """Forget half a frame."""
        self._tail.clear()
        self._lost = 0

    def _payload(self, frame: bytes) -> bytes | None:
        """Return the struct in a frame, None if the frame is damaged."""
        if not self._shortest <= len(frame) <= self._longest:
            return None
        plain = decode(frame)
        if plain is None or len(plain) != self._layout.size + self._checksum_size:
            return None
        payload = plain[: self._layout.size]
        return payload if self._checksum(payload) == plain[self._layout.size :] else None

    def _lose(self, length: int) -> None:
        self.skipped_bytes += length
        # Before the first good frame it may be half of one, or a bootloader's words.
        if self.frames:
            self._lost += 1
            self.bad_frames += 1

    def _end_run(self, runs: list[Run], payloads: list[bytes]) -> None:
        if not payloads:
            return
        self.resyncs += self._lost > 0
        self.frames += len(payloads)
        runs.append(Run(self._lost, unpack(self._layout, b"".join(payloads))))
        self._lost = 0
        payloads.clear()


def decode(frame: bytes) -> bytes | None:
    """Return what a COBS frame, without its zero, stands for; None if it is none."""
    plain = bytearray()
    position, size = 0, len(frame)
    while position < size:
        code = frame[position]
        end = position + code
        if not code or end > size:
            return None
        plain += frame[position + 1 : end]
        if code < _LONGEST_GROUP and end < size:
            plain.append(0)
        position = end
    return bytes(plain)
