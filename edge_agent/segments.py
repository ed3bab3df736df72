"""
Rows in, blocks out: where a segment ends, which values are believed, what is dropped and why.

A segment is a run of samples with nothing missing between them. It ends with a gap in time, a new group,
time that runs backwards, and every row that is dropped; no window spans two segments.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

from edge_agent.records import Block, SampleCounts
from edge_agent.rows import RowError
from edge_agent.timing import CALIBRATION_SAMPLES, Timeline, calibrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.columns import Layout
    from edge_agent.config import Stream
    from edge_agent.records import Begin
    from edge_agent.rows import Row

BLOCK_SAMPLES = 256
"""Most samples in a block."""
FLOAT32_MAX = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]
SHORTEST_CALIBRATION = 9
CHANGING_SHARE = 0.3
"""A column that changes with so many of the first rows tells no recordings apart."""
RATE_TOLERANCE = 0.05
"""A measured rate that is further from `rate_hz` is worth a note."""


class Segmenter:
    """
    Makes blocks of rows; `ready` holds those that are complete.

    The first rows wait until their time stamps show unit, rate and gap: 257 of a file, and of a live source
    no more than a window, so that no prediction is late. So the same lines may be judged a little differently
    when piped in and when replayed: a shorter look at jittering stamps finds another mean period, and with it
    another longest difference that is no gap. `max_gap_s` makes both the same.
    """

    def __init__(self, stream: Stream, *, live: bool, block_samples: int) -> None:
        self._stream = stream
        self._block_samples = max(1, min(block_samples, BLOCK_SAMPLES))
        self._calibration = (
            min(CALIBRATION_SAMPLES, max(stream.window, SHORTEST_CALIBRATION))
            if live
            else CALIBRATION_SAMPLES
        )
        self._lowest = -FLOAT32_MAX if stream.min is None else max(stream.min, -FLOAT32_MAX)
        self._highest = FLOAT32_MAX if stream.max is None else min(stream.max, FLOAT32_MAX)
        self._hold = stream.on_bad == "hold"
        self._pack = struct.Struct(f"<{len(stream.channels)}f").pack
        self.counts = SampleCounts()
        self.ready: deque[Block] = deque()
        self._waiting: list[tuple[int, Row | RowError]] | None = None
        self._layout: Layout | None = None
        self._timeline: Timeline | None = None
        self._time_note: str | None = None
        self._group_note: str | None = None

        self._begin: Begin = "start"
        self._grouped = False
        self._group: str | None = None
        self._good: list[float] | None = None
        """The last good value of each channel in this segment."""

        self._samples: list[bytes] = []
        self._times_s: list[float] = []
        self._labels: list[str] = []
        self._first_row = 0
        self._block_begin: Begin = ""
        self._timeless_samples = 0

        self._examples: dict[str, str] = {}

    def use(self, layout: Layout) -> None:
        """Take the layout; must come before the first row."""
        self._layout = layout
        self._grouped = layout.group is not None
        if layout.time is not None or (self._grouped and not layout.group_named):
            self._waiting = []

    def add(self, row: int, sample: Row | RowError) -> None:
        """Take the row with number `row`, or the reason why it is none."""
        self.counts.read += 1
        if self._waiting is None:
            self._accept(row, sample)
            return
        self._waiting.append((row, sample))
        self.counts.pending += 1
        if len(self._waiting) >= self._calibration and (
            len(self._waiting) >= CALIBRATION_SAMPLES or self._time_moves()
        ):
            self._calibrate()

    def take_ready(self) -> Iterator[Block]:
        """Yield the complete blocks; one that nobody comes for stays pending."""
        while self.ready:
            block = self.ready.popleft()
            self.counts.pending -= block.count
            yield block

    def flush(self) -> Iterator[Block]:
        """Yield the samples that are at hand, without waiting for a full block."""
        self._end_block()
        yield from self.take_ready()

    def finish(self) -> Iterator[Block]:
        """Yield everything that is left: the recording has ended."""
        if self._waiting is not None:
            self._calibrate()
        yield from self.flush()

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second by the time stamps, gaps left out; None where they do not tell."""
        return None if self._timeline is None else self._timeline.rate_hz

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on rate, gaps and what was dropped or held."""
        notes = []
        rate_hz = self._stream.rate_hz
        if self._layout is not None and self._layout.time is None:
            notes.append(
                f"there is no time column: samples are taken as {rate_hz:g} Hz, and gaps cannot be seen"
            )
        notes += filter(None, (self._time_note, self._group_note))
        measured = self.rate_hz_measured
        timeline = self._timeline
        rough = timeline is not None and timeline.rate_is_rough
        if measured and not rough and abs(measured - rate_hz) > RATE_TOLERANCE * rate_hz:
            notes.append(f"the recording runs at {measured:.4g} Hz, `rate_hz` is {rate_hz:g}")
        if timeline is not None and timeline.gaps:
            gaps = "1 gap" if timeline.gaps == 1 else f"{timeline.gaps} gaps, the longest"
            notes.append(
                f"{gaps} of {timeline.longest_gap_s:.3g} s; `max_gap_s` sets what a gap is"
            )
        notes += self.drops
        if self.counts.held:
            notes.append(
                f'samples with a value held from before (`on_bad = "hold"`): {self.counts.held}'
            )
        return tuple(notes)

    @property
    def drops(self) -> list[str]:
        """What was dropped, a phrase a reason, with an example."""
        return [
            f"dropped as {reason.replace('_', ' ')}: {self.counts.dropped[reason]}, first in {example}"
            for reason, example in self._examples.items()
        ]

    def _time_moves(self) -> bool:
        """Return whether the rows that wait show more than one time: a radio may send many with one stamp."""
        if self._layout is None or self._layout.time is None:
            return True
        rows = (sample for _, sample in self._waiting or () if not isinstance(sample, RowError))
        return len({sample[1] for sample in rows}) > 1

    def _calibrate(self) -> None:
        waiting, self._waiting = self._waiting or [], None
        layout = self._layout
        samples = [sample for _, sample in waiting if not isinstance(sample, RowError)]
        self._check_group([sample[3] for sample in samples])
        if layout is not None and layout.time is not None:
            runs: list[list[str]] = [[]]
            group = None
            for sample in samples:
                if self._grouped and sample[3] != group:
                    group = sample[3]
                    runs.append([])
                runs[-1].append(sample[1])
            scale = calibrate(
                runs,
                layout.names[layout.time],
                period_s=1 / self._stream.rate_hz,
                unit_s=layout.time_unit_s,
                max_gap_s=self._stream.max_gap_s,
            )
            if isinstance(scale, str):
                self._time_note = scale
            else:
                self._timeline = Timeline(scale)
                self._time_note = scale.note
        self.counts.pending -= len(waiting)
        for row, found in waiting:
            self._accept(row, found)

    def _check_group(self, groups: list[str]) -> None:
        """Do without a guessed group that changes so often that no recording could be told apart by it."""
        layout = self._layout
        if layout is None or layout.group is None or layout.group_named:
            return
        changes = sum(sooner != later for sooner, later in pairwise(groups))
        if len(groups) >= SHORTEST_CALIBRATION and changes > CHANGING_SHARE * len(groups):
            self._grouped = False
            self._group_note = (
                f"column `{layout.names[layout.group]}` is not used as group: "
                f"it changes {changes} times in {len(groups)} rows"
            )

    def _accept(self, row: int, sample: Row | RowError) -> None:
        if isinstance(sample, RowError):
            self._drop(row, sample.reason, sample.detail)
            return
        values, time, label, group = sample
        if self._grouped and group != self._group:
            self._change_group(group)
        time_s = None
        timeline = self._timeline
        if timeline is not None:
            tick = timeline.scale.parse(time)
            if tick is None:
                self._drop(row, "bad_time", f"the time is `{time[:40]}`")
                return
            separated = timeline.follow(tick)
            if separated:
                self._restart(separated)
            time_s = tick * timeline.scale.unit_s
        lowest, highest = self._lowest, self._highest
        for value in values:
            if not lowest <= value <= highest:  # NaN is never between
                if not self._mend(row, values):
                    return
                break
        if self._hold:
            self._good = values
        self._append(row, values, time_s, label)

    def _change_group(self, group: str) -> None:
        if self._group is not None:
            self._interrupt("group")
        self._group = group

    def _mend(self, row: int, values: list[float]) -> bool:
        """Put the last good values in place of bad ones; drop the sample and return False if that cannot be."""
        bad = [
            position
            for position, value in enumerate(values)
            if not self._lowest <= value <= self._highest
        ]
        if not self._hold or self._good is None:
            name = self._stream.channels[bad[0]]
            self._drop(row, "bad_value", f"`{name}` is {self._described(values[bad[0]])}")
            return False
        for position in bad:
            values[position] = self._good[position]
        self.counts.held += 1
        return True

    def _described(self, value: float) -> str:
        if math.isnan(value):
            return "no number"
        if abs(value) > FLOAT32_MAX:
            return "beyond the range of float32"
        return f"{value:g}, outside `min` and `max`"

    def _drop(self, row: int, reason: str, detail: str) -> None:
        self.counts.drop(reason)
        self._examples.setdefault(reason, f"row {row}: {detail}")
        self._interrupt("bad")

    def _interrupt(self, begin: Begin) -> None:
        """End the segment for another reason than time."""
        if self._timeline is not None:
            self._timeline.interrupt()
        self._restart(begin)

    def _restart(self, begin: Begin) -> None:
        """End the segment; the next sample begins a new one."""
        self._end_block()
        self._good = None
        # A recording's first sample and a new group say more than a bad row between.
        if self._begin not in ("start", "group"):
            self._begin = begin

    def _append(self, row: int, values: list[float], time_s: float | None, label: str) -> None:
        if self._samples and row != self._first_row + len(self._samples):
            self._end_block()  # a blank line stood between: the rows of a block have no hole
        if not self._samples:
            self._first_row = row
            self._block_begin, self._begin = self._begin, ""
        self._samples.append(self._pack(*values))
        self.counts.pending += 1
        if time_s is not None:
            self._times_s.append(time_s)
        if self._layout is not None and self._layout.label is not None:
            self._labels.append(label)
        if len(self._samples) >= self._block_samples:
            self._end_block()

    def _end_block(self) -> None:
        count = len(self._samples)
        if not count:
            return
        period_s = 1 / self._stream.rate_hz
        self.ready.append(
            Block(
                samples=b"".join(self._samples),
                count=count,
                time_s=self._times_s[0] if self._times_s else self._timeless_samples * period_s,
                period_s=period_s,
                begin=self._block_begin,
                times_s=tuple(self._times_s),
                labels=tuple(self._labels),
                first_row=self._first_row,
                group=self._group if self._grouped else None,
            )
        )
        self._timeless_samples += count
        self._samples.clear()
        self._times_s.clear()
        self._labels.clear()
