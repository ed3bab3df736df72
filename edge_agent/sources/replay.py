"""A recording, played back: at the pace it was recorded, faster, or as fast as the model goes."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from edge_agent.blocks import BLOCK_SAMPLES
from edge_agent.recording import RecordingReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from edge_agent.config import Calibration, Columns, Stream
    from edge_agent.records import Block, SampleCounts
    from edge_agent.stop import Stop

BEAT_S = 0.05
"""Samples that arrive within so long are one block: twenty blocks a second look alive."""
HEARTBEAT_S = 0.5
FASTEST = math.inf
"""Speed of a replay that waits for nothing."""


def parse_speed(text: str) -> float:
    """Return the speed that a user asked for: a factor of real time, or `max`. Raises ValueError saying what is wrong."""
    if text == "max":
        return FASTEST
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise ValueError(f"`{text}` is no positive number and not `max`")
    return speed


class ReplaySource:
    """
    Plays a recording by its time stamps, or at `rate_hz` where it has none.

    `speed` is a factor of real time; `inf` waits for nothing. Between segments nothing is waited for: the
    pause while a recording was interrupted is not played.
    """

    def __init__(  # noqa: PLR0913 (given by name)
        self,
        path: Path,
        stream: Stream,
        columns: Columns,
        *,
        speed: float = 1.0,
        calibration: Calibration | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        beat = math.ceil(min(BLOCK_SAMPLES, stream.rate_hz * speed * BEAT_S))
        self._reader = RecordingReader(
            path, stream, columns, block_samples=beat, calibration=calibration
        )
        self._speed = speed
        self._clock = clock
        self.state = "running"

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples read so far."""
        return self._reader.counts

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the recording."""
        return self._reader.notes

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second by the recording's time stamps."""
        return self._reader.rate_hz_measured

    @property
    def details(self) -> dict[str, int | float | str]:
        """Nothing is counted beyond the samples."""
        return {}

    def blocks(self, stop: Stop) -> Iterator[Block | None]:
        """Yield the blocks of the recording, each when its last sample is due."""
        yield from in_time(self._reader, stop, speed=self._speed, clock=self._clock)
        self.state = "stopped" if stop.requested else "ended"


def in_time(
    blocks: Iterable[Block],
    stop: Stop,
    *,
    speed: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Block | None]:
    """
    Yield blocks, each when its last sample is due, and None while that takes long; end after a stop.

    The block that was read when the stop came is passed on even then: every sample is accounted for.
    """
    began_s = began_recording_s = 0.0
    for block in blocks:
        if speed < math.inf:
            if block.begin:
                began_s, began_recording_s = clock(), block.time_s
            due_s = began_s + (block.time_of(block.count - 1) - began_recording_s) / speed
            while not stop.requested and (left_s := due_s - clock()) > 0:
                stop.wait(min(left_s, HEARTBEAT_S))
                yield None
        yield block
        if stop.requested:
            return
