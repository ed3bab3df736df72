"""Frames: bytes as they come in, the values of whole samples out. Pure: no clock, no port."""

from __future__ import annotations

from array import array
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import struct


class Run(NamedTuple):
    """Samples that came one after the other."""

    lost: int
    """How many frames before them were damaged: nothing spans these."""
    values: array[float]
    """float64, `[sample, channel]`."""


class Decoder(Protocol):
    """Finds frames in a stream of bytes; what it keeps of them is bounded by a frame's length."""

    frames: int
    """Good frames so far."""
    bad_frames: int
    """Damaged frames, as far as they can be counted, once there was a good one."""
    resyncs: int
    """How often the beginning of a frame had to be looked for again."""
    skipped_bytes: int
    """Bytes that belong to no good frame."""

    def feed(self, data: bytes) -> list[Run]:
        """Take the next bytes; return what they complete, at most one run a damage."""
        ...

    def restart(self) -> None:
        """Forget half a frame: the line was cut, and what comes next may begin anywhere."""
        ...


def unpack(layout: struct.Struct, payloads: bytes) -> array[float]:
    """Return the values of frames that lie end to end."""
    # No loop of Python's own: three channels at 6.4 kHz are 20,000 values a second.
    return array("d", chain.from_iterable(layout.iter_unpack(payloads)))
