"""
Which values are believed: no number, beyond float32, out of range, stuck; and what becomes of their samples.

One judge for samples that come as text and for those that come in blocks: `check` knows the rules, and
`all_good` only passes blocks in which `check` would find nothing.
"""

from __future__ import annotations

import math
import struct
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.config import Stream
    from edge_agent.records import SampleCounts

FLOAT32_MAX: float = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


class Finding(NamedTuple):
    """What is wrong with a sample."""

    reason: str
    """What it is counted under: `bad_value` or `stuck`."""
    detail: str
    dropped: bool
    """Whether it goes no further; a sample that is marked does."""


class ValueChecks:
    """
    Judges the samples of one source, one after the other, and mends what `on_bad` lets it.

    Values are raw, after the device's calibration. What was mended is counted in `counts`.
    """

    def __init__(self, stream: Stream, counts: SampleCounts) -> None:
        self._channels = stream.channels
        self._counts = counts
        self._policy = stream.on_bad
        self._hold_samples = stream.hold_samples or math.inf
        self._stuck_samples = stream.stuck_samples
        self._limits = stream.bounds()
        self._bounds = [
            (max(low, -FLOAT32_MAX), min(high, FLOAT32_MAX)) for low, high in self._limits
        ]
        self._common_bounds = self._bounds[0] if len(set(self._bounds)) == 1 else None
        """Where they are the same for all channels."""
        self._last: Sequence[float] | None = None
        """The last sample of this segment that was handed over, where the policy has a use for it."""
        self._keeps = stream.on_bad in {"hold", "mark"}
        self._held: dict[int, int] = {}
        """How many samples in a row each channel has been held for."""
        count = len(stream.channels)
        self._repeated = [math.nan] * count
        """The last value of each channel as it came, and how often it has come in a row."""
        self._repeats = [0] * count

    def restart(self) -> None:
        """Forget the values to hold: another segment begins. A sensor that hangs goes on hanging."""
        self._last = None
        self._held.clear()

    def check(self, values: list[float]) -> Finding | None:
        """Judge the next sample, mending `values` in place; return None if it may go on as if nothing were wrong."""
        stuck = self._stuck(values) if self._stuck_samples is not None else None
        for value, (low, high) in zip(values, self._bounds):  # noqa: B905 (the hot path; both have one a channel)
            if not low <= value <= high:  # NaN is never between
                return self._treat(values, stuck or set())
        if stuck:
            return self._treat(values, stuck)
        if self._held:
            self._held.clear()
        if self._keeps:
            self._last = values
        return None

    def all_good(self, columns: Sequence[Sequence[float]]) -> bool:
        """
        Return whether nothing is wrong with consecutive samples, given channel by channel, and take them as seen.

        Where this is False nothing is taken: each sample is to be checked. The passes over the values are made by
        functions in C, because 20,000 values a second are too many for a loop in Python.
        """
        if not all(map(_are_within, columns, self._bounds)):
            return False
        if self._stuck_samples is not None and not self._all_moving(columns):
            return False
        self._take_good([column[-1] for column in columns])
        return True

    def all_good_in(self, values: Sequence[float]) -> bool:
        """Return the same of consecutive samples, given one after the other."""
        count = len(self._channels)
        if self._common_bounds is None or self._stuck_samples is not None:
            return self.all_good([values[position::count] for position in range(count)])
        if not _are_within(values, self._common_bounds):
            return False
        self._take_good(values[-count:])
        return True

    def _take_good(self, last: Sequence[float]) -> None:
        """Take note of samples of which nothing was wrong, by the last of them."""
        self._held.clear()
        if self._keeps:
            self._last = last

    def _stuck(self, values: list[float]) -> set[int]:
        """Count equal values in a row; return the channels that have repeated themselves too often."""
        stuck = set()
        for position, value in enumerate(values):
            if value == self._repeated[position]:
                self._repeats[position] += 1
            else:
                self._repeated[position] = value
                self._repeats[position] = 1
            if self._repeats[position] >= (self._stuck_samples or math.inf):
                stuck.add(position)
        return stuck

    def _all_moving(self, columns: Sequence[Sequence[float]]) -> bool:
        ends = []
        for position, column in enumerate(columns):
            repeats = self._repeats[position] if column[0] == self._repeated[position] else 0
            runs = [sum(1 for _ in run) for _, run in groupby(column)]
            runs[0] += repeats
            if max(runs) >= (self._stuck_samples or math.inf):
                return False
            ends.append((column[-1], runs[-1]))
        for position, (value, repeats) in enumerate(ends):
            self._repeated[position], self._repeats[position] = value, repeats
        return True

    def _treat(self, values: list[float], stuck: set[int]) -> Finding | None:
        """Do with a bad sample what the policy says."""
        bad = [
            position
            for position, (value, (low, high)) in enumerate(zip(values, self._bounds, strict=True))
            if position in stuck or not low <= value <= high
        ]
        mended = list(values)
        for position in bad:
            value = self._mended(values[position], position, stuck=position in stuck)
            if value is None:
                return self._finding(values, position, stuck, dropped=True)
            mended[position] = value
        if self._policy == "hold":
            self._held = {position: self._held.get(position, 0) + 1 for position in bad}
            self._counts.held += 1
        elif self._policy == "clip":
            self._counts.clipped += 1
        finding = None
        if self._policy == "mark":
            self._counts.marked += 1
            finding = self._finding(values, bad[0], stuck, dropped=False)
        values[:] = mended
        if self._keeps:
            self._last = values
        return finding

    def _mended(self, value: float, position: int, *, stuck: bool) -> float | None:
        """Return what goes on in place of a bad value; None if nothing can."""
        last = None if self._last is None else self._last[position]
        if self._policy == "hold":
            return last if self._held.get(position, 0) < self._hold_samples else None
        if self._policy == "clip" and not stuck:
            low, high = self._limits[position]
            clipped = min(max(value, low), high)
            return clipped if abs(clipped) <= FLOAT32_MAX else None
        if self._policy == "mark":  # what is no number must never reach the model
            return value if abs(value) <= FLOAT32_MAX else last
        return None

    def _finding(
        self, values: list[float], position: int, stuck: set[int], *, dropped: bool
    ) -> Finding:
        name, value = self._channels[position], values[position]
        low, high = self._bounds[position]
        if low <= value <= high and position in stuck:
            detail = f"`{name}` is {value:g} for {self._repeats[position]} samples in a row"
            return Finding("stuck", detail, dropped)
        return Finding("bad_value", f"`{name}` is {_described(value)}", dropped)


def _are_within(values: Sequence[float], bounds: tuple[float, float]) -> bool:
    total = sum(values)  # a NaN anywhere makes it NaN, which min and max may miss
    return bounds[0] <= min(values) and max(values) <= bounds[1] and total - total == 0


def _described(value: float) -> str:
    if math.isnan(value):
        return "no number"
    if abs(value) > FLOAT32_MAX:
        return "beyond the range of float32"
    return f"{value:g}, outside `min` and `max`"
