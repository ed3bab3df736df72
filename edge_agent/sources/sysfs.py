"""
Files that hold one number each, read again and again: hwmon, thermal zones, IIO's raw values.

A sensor that is not there is a state, `absent`, and no failure; one that cannot be read for a moment gives a value
that is no number, and `[input] on_bad` says what becomes of it.
"""

from __future__ import annotations

import errno
import glob
import math
import os
import time
from array import array
from itertools import chain
from typing import TYPE_CHECKING

from edge_agent.arrivals import Arrival
from edge_agent.errors import ConfigError
from edge_agent.frame_segments import FrameSegmenter
from edge_agent.number import read_number
from edge_agent.sources.framing import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edge_agent.config import Calibration, Stream
    from edge_agent.config import SysfsSource as Configuration
    from edge_agent.records import Block, SampleCounts
    from edge_agent.stop import Stop

HEARTBEAT_S = 0.5
RETRY_S = 0.5
"""A file that is missing is looked for so often."""
BEAT_S = 0.05
"""Samples of so long are handed over together."""
LATE_PERIODS = 1.5
"""As of every source: a longer time between two samples is a gap."""
_VALUE_BYTES = 64
_GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR)
_LISTED = 4


class SysfsSource:
    """Reads all files `rate_hz` times a second, on a schedule that does not drift."""

    def __init__(
        self,
        stream: Stream,
        source: Configuration,
        *,
        calibration: Calibration | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            source.check_fits(stream.channels)
        except ValueError as error:
            raise ConfigError(str(error), hint="name one file a channel, in order") from None
        self._files = [_ValueFile(pattern) for pattern in source.files]
        self._period_s = 1 / stream.rate_hz
        self._longest_s = stream.max_gap_s or LATE_PERIODS * self._period_s
        self._clock = clock
        self._segments = FrameSegmenter(stream, calibration=calibration, jitter_s=0.0)
        self._unread = 0
        self._problems: list[str] = []
        """What is missing, or cannot be read."""
        self._found = False
        """Whether all files have been there."""
        self._absent_s = 0.0
        self.state = "waiting"

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples read so far."""
        return self._segments.counts

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing, and what was dropped or mended."""
        return (*self._problems, *self._segments.notes)

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second as they were read."""
        return self._segments.rate_hz_measured

    @property
    def details(self) -> dict[str, int | float | str]:
        """Counters for the status."""
        return {
            "unread_values": self._unread,
            "absent_s": round(self._absent_s, 3),
            **self._segments.details,
        }

    def blocks(self, stop: Stop) -> Iterator[Block | None]:
        """
        Yield samples as they are due; None while a file is missing.

        Raises ConfigError for a pattern of many files, and for one that may not be read. Not so when all was well
        before: a device that is plugged in again is there twice, or without its rights, for a moment.
        """
        while not stop.requested:
            if self._find_all():
                yield from self._poll(stop)
            else:
                self.state = "absent"
                began_s = self._clock()
                stop.wait(RETRY_S)
                self._absent_s += self._clock() - began_s
                yield None
        self.state = "stopped"

    def _poll(self, stop: Stop) -> Iterator[Block | None]:
        """Read on schedule until a file is gone or a stop is requested."""
        self.state = "running"
        samples: list[float] = []
        first_s = due_s = self._clock()
        while not stop.requested:
            now_s = self._clock()
            if now_s - due_s > self._longest_s - self._period_s:  # the machine was held up
                yield from self._hand_over(samples, first_s)
                due_s = now_s
            values = self._read_all()
            if values is None:
                break
            if not samples:
                first_s = now_s
            samples += values
            due_s += self._period_s
            if due_s - first_s > BEAT_S:
                yield from self._hand_over(samples, first_s)
            while (left_s := due_s - self._clock()) > 0 and not stop.wait(min(left_s, HEARTBEAT_S)):
                if left_s > HEARTBEAT_S:
                    yield None
        yield from self._hand_over(samples, first_s)
        self._segments.interrupt()

    def _hand_over(self, samples: list[float], first_s: float) -> Iterator[Block | None]:
        if samples:
            run = Run(0, array("d", samples))
            samples.clear()
            blocks = self._segments.take((run,), Arrival(first_s, self._clock()))
            yield from chain(
                [next(blocks, None)], blocks
            )  # where all are bad the loop has its turn

    def _find_all(self) -> bool:
        self._problems = [problem for problem in map(self._problem_of, self._files) if problem]
        self._found = self._found or not self._problems
        return not self._problems

    def _problem_of(self, file: _ValueFile) -> str | None:
        try:
            return None if file.find() else f"there is no `{file.pattern}`"
        except ConfigError as error:
            if not self._found:
                raise
            return error.message

    def _read_all(self) -> Sequence[float] | None:
        """Return one sample, None if a file is gone."""
        values = []
        for file in self._files:
            value = file.read()
            if value is None:
                return None
            self._unread += math.isnan(value)
            values.append(value)
        return values


class _ValueFile:
    """One file, by a name or by a pattern: the number in a device's name changes from boot to boot."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._path: str | None = None

    def find(self) -> bool:
        """Return whether it is there. Raises ConfigError if the pattern names several, or one that may not be read."""
        found = sorted(glob.glob(self.pattern))  # noqa: PTH207 (an absolute pattern, as configured)
        if len(found) > 1:
            shown = ", ".join(f"`{path}`" for path in found[:_LISTED])
            raise ConfigError(
                f"`{self.pattern}` is {len(found)} files: {shown}{'…' if len(found) > _LISTED else ''}",
                hint="name one of them in `files`, or a pattern by the device that it belongs to",
            )
        self._path = found[0] if found else None
        if self._path is not None and not os.access(self._path, os.R_OK):
            raise ConfigError(
                f"`{self._path}` may not be read: permission denied",
                hint="let the agent's user read it, with a rule for udev or `chmod a+r`",
            )
        return self._path is not None

    def read(self) -> float | None:
        """Return the value; NaN if it cannot be read now or is no number, None if the file is gone."""
        try:
            # Opened anew each time: the file of a device that was pulled and put back is another.
            descriptor = os.open(self._path or self.pattern, os.O_RDONLY | os.O_NONBLOCK)
            try:
                text = os.read(descriptor, _VALUE_BYTES)
            finally:
                os.close(descriptor)
            return read_number(text.decode("ascii", "replace").strip("\0"))
        except OSError as error:
            return None if error.errno in _GONE else math.nan  # EAGAIN, EIO: busy for a moment
        except ValueError:
            return math.nan
