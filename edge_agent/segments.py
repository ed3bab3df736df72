"""
Rows in, blocks out: where a segment ends, which values are believed, what is dropped and why.

A segment is a run of samples with nothing missing between them. It ends with a gap in time, a new group,
time that runs backwards, and every row that is dropped; no window spans two segments.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING

from edge_agent.arrivals import RATE_TOLERANCE, Arrivals
from edge_agent.blocks import BLOCK_SAMPLES, BlockBuilder, float32_bytes
from edge_agent.calibration import Calibrator
from edge_agent.drops import AROUND_GAP, Drops
from edge_agent.records import SampleCounts
from edge_agent.rows import RowError
from edge_agent.timing import CALIBRATION_SAMPLES, Timeline, calibrate
from edge_agent.value_checks import ValueChecks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.arrivals import Arrival
    from edge_agent.columns import Layout
    from edge_agent.config import Calibration, Stream
    from edge_agent.records import Begin, Block
    from edge_agent.rows import Row

SHORTEST_CALIBRATION = 9
CHANGING_SHARE = 0.3
"""A column that changes with so many of the first rows tells no recordings apart."""


class Segmenter:
    """
    Makes blocks of rows; `ready` holds those that are complete.

    The first rows wait until their time stamps show unit, rate and gap: 257 of a file, and of a live source
    no more than a window, so that no prediction is late. So the same lines may be judged a little differently
    when piped in and when replayed: a shorter look at jittering stamps finds another mean period, and with it
    another longest difference that is no gap. `max_gap_s` makes both the same.

    Of a live source whose rows have no time, `arrived` tells when they came.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        live: bool,
        block_samples: int = BLOCK_SAMPLES,
        calibration: Calibration | None = None,
    ) -> None:
        self._stream = stream
        self._calibration_samples = (
            min(CALIBRATION_SAMPLES, max(stream.window, SHORTEST_CALIBRATION))
            if live
            else CALIBRATION_SAMPLES
        )
        self._pack = struct.Struct(f"<{len(stream.channels)}f").pack
        self._period_s = 1 / stream.rate_hz
        self.counts = SampleCounts()
        self._checks = ValueChecks(stream, self.counts)
        self._calibrator = Calibrator(calibration, stream.channels) if calibration else None
        self._blocks = BlockBuilder(self.counts, self._period_s, block_samples)
        self.ready = self._blocks.ready
        self._drops = Drops(self.counts)
        self._waiting: list[tuple[int, Row | RowError]] | None = None
        self._layout: Layout | None = None
        self._timeline: Timeline | None = None
        self._time_note: str | None = None
        self._group_note: str | None = None
        self._grouped = False
        self._group: str | None = None
        self._labelled = False
        self._timeless_samples = 0
        """How many samples without a time were handed over; they are as far apart as `rate_hz` says."""
        self._arrivals: Arrivals | None = None
        self._arrived_from = 0
        """How many rows had been read before the last read."""
        self._torn = False
        """Whether a gap is among the rows of the last read, nobody knows where: they are in no window."""

    def use(self, layout: Layout) -> None:
        """Take the layout, before the first row."""
        self._layout = layout
        self._grouped = layout.group is not None
        self._labelled = layout.label is not None
        if layout.time is not None or (self._grouped and not layout.group_named):
            self._waiting = []
        if layout.time is not None:
            self._arrivals, self._torn = None, False

    def change(self, layout: Layout) -> None:
        """Take another layout between two rows: another clock, and another segment."""
        if self._waiting:
            self._calibrate()
        self._interrupt("gap")
        self._timeline = self._waiting = None
        self._time_note = self._group_note = None
        self.use(layout)

    def arrived(self, arrival: Arrival, rows: int) -> None:
        """Note when the next rows of a live source came; rows with a time of their own know better."""
        if self._timeline is not None or self._waiting is not None:
            return
        if self._arrivals is None:
            self._arrivals = Arrivals(self._stream.rate_hz, self._stream.max_gap_s)
        self._arrived_from = self.counts.read
        if self._arrivals.arrive(arrival, rows):
            self._restart("gap")
        self._torn = self._arrivals.within

    def interrupt(self) -> None:
        """Note that the line was cut: the next row begins a segment."""
        if self._waiting:
            self._calibrate()
        if self._arrivals is not None:
            self._arrivals.interrupt()
        self._interrupt("gap")

    def add(self, row: int, sample: Row | RowError) -> None:
        """Take the row with number `row`, or the reason why it is none."""
        self.counts.read += 1
        if self._waiting is None:
            self._accept(row, sample)
            return
        self._waiting.append((row, sample))
        self.counts.pending += 1
        if len(self._waiting) >= self._calibration_samples and (
            len(self._waiting) >= CALIBRATION_SAMPLES or self._time_moves()
        ):
            self._calibrate()

    def add_run(self, row: int, values: list[float]) -> bool:
        """
        Take the samples of consecutive rows, the first with number `row`, given one after the other.

        Return False, having taken none, where each row has to be looked at: with a time of its own, a group or a label,
        after a gap, or with a value that is not believed. `values` may be changed all the same.
        """
        if self._grouped or self._labelled or self._torn:
            return False
        if self._timeline is not None or self._waiting is not None:
            return False
        if self._calibrator is not None:
            self._calibrator.correct(values)
        if not self._checks.all_good_in(values):
            return False
        count = len(values) // len(self._stream.channels)
        self.counts.read += 1
        time_s = self._time_of()
        self.counts.read += count - 1
        self._timeless_samples += count - 1
        self._blocks.add_run(float32_bytes(values), count, time_s, row)
        return True

    def take_ready(self) -> Iterator[Block]:
        """Yield the complete blocks; one that nobody comes for stays pending."""
        return self._blocks.take()

    def flush(self) -> Iterator[Block]:
        """Yield the samples that are at hand, without waiting for a full block."""
        self._blocks.end()
        yield from self._blocks.take()

    def finish(self) -> Iterator[Block]:
        """Yield everything that is left: the recording has ended."""
        if self._waiting is not None:
            self._calibrate()
        yield from self.flush()

    @property
    def stamped(self) -> bool:
        """Whether the rows carry a time of their own, so that it does not matter when they are read."""
        return self._timeline is not None

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second by the time stamps, or as they came; None where neither tells."""
        if self._timeline is not None:
            return self._timeline.rate_hz
        return None if self._arrivals is None else self._arrivals.rate_hz

    @property
    def details(self) -> dict[str, int | float | str]:
        """The gaps found, for the status."""
        if self._timeline is not None:
            return {"gaps": self._timeline.gaps, "longest_gap_s": self._timeline.longest_gap_s}
        if self._arrivals is not None:
            return {"gaps": self._arrivals.gaps, "longest_gap_s": self._arrivals.longest_gap_s}
        return {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on rate, gaps and what was dropped or held."""
        notes = []
        rate_hz = self._stream.rate_hz
        if self._layout is not None and self._layout.time is None and self._arrivals is None:
            notes.append(
                f"there is no time column: samples are taken as {rate_hz:g} Hz, and gaps cannot be seen"
            )
        notes += filter(None, (self._time_note, self._group_note))
        timeline = self._timeline
        measured = None if timeline is None else timeline.rate_hz
        rough = timeline is not None and timeline.rate_is_rough
        if measured and not rough and abs(measured - rate_hz) > RATE_TOLERANCE * rate_hz:
            notes.append(f"the recording runs at {measured:.4g} Hz, `rate_hz` is {rate_hz:g}")
        if timeline is not None and timeline.gaps:
            gaps = "1 gap" if timeline.gaps == 1 else f"{timeline.gaps} gaps, the longest"
            notes.append(
                f"{gaps} of {timeline.longest_gap_s:.3g} s; `max_gap_s` sets what a gap is"
            )
        if self._arrivals is not None:
            notes += self._arrivals.notes
        return (*notes, *self._drops.notes)

    @property
    def drops(self) -> list[str]:
        """What was dropped, a phrase a reason, with an example."""
        return self._drops.phrases

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
        timeline = self._timeline
        time_s = None
        if timeline is not None:
            tick = timeline.scale.parse(time)
            if tick is None:
                self._drop(row, "bad_time", f"the time is `{time[:40]}`")
                return
            separated = timeline.follow(tick)
            if separated:
                self._restart(separated)
            time_s = tick * timeline.scale.unit_s
        if self._torn:
            self._drops.add(AROUND_GAP, f"row {row}: what came with it came late or not at all")
            self._restart("gap")
            return
        if self._calibrator is not None:
            self._calibrator.correct(values)
        finding = self._checks.check(values)
        if finding is not None and finding.dropped:
            self._drop(row, finding.reason, finding.detail)
            return
        self._blocks.add(
            row,
            self._pack(*values),
            self._time_of() if time_s is None else time_s,
            time_s is not None,
            label if self._labelled else None,
            finding is not None,
        )

    def _time_of(self) -> float:
        """Return the time of the sample at hand, which carries none."""
        if self._arrivals is not None:
            return self._arrivals.time_of(self.counts.read - 1 - self._arrived_from)
        self._timeless_samples += 1
        return (self._timeless_samples - 1) * self._period_s

    def _change_group(self, group: str) -> None:
        if self._group is not None:
            self._interrupt("group")
        self._group = self._blocks.group = group

    def _drop(self, row: int, reason: str, detail: str) -> None:
        self._drops.add(reason, f"row {row}: {detail}")
        self._interrupt("bad")

    def _interrupt(self, begin: Begin) -> None:
        """End the segment for another reason than time."""
        if self._timeline is not None:
            self._timeline.interrupt()
        self._restart(begin)

    def _restart(self, begin: Begin) -> None:
        """End the segment; the next sample begins a new one."""
        self._checks.restart()
        self._blocks.restart(begin)
