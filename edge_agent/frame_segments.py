"""
Decoded samples in, blocks out: what `segments` does for rows, for samples that come many at a time.

They carry no time: `arrivals` says when they came, and what is missing between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.arrivals import JITTER_S, Arrivals
from edge_agent.blocks import BLOCK_SAMPLES, BlockBuilder, float32_bytes
from edge_agent.calibration import Calibrator
from edge_agent.drops import AROUND_GAP, Drops
from edge_agent.records import SampleCounts
from edge_agent.value_checks import ValueChecks

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator, Sequence

    from edge_agent.arrivals import Arrival
    from edge_agent.config import Calibration, Stream
    from edge_agent.records import Begin, Block
    from edge_agent.sources.framing import Run


class FrameSegmenter:
    """
    Makes blocks of runs of samples.

    Samples are judged a run at a time, and one by one only where a run holds something bad.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        calibration: Calibration | None = None,
        jitter_s: float = JITTER_S,
    ) -> None:
        self._channels = len(stream.channels)
        self.counts = SampleCounts()
        self._checks = ValueChecks(stream, self.counts)
        self._calibrator = Calibrator(calibration, stream.channels) if calibration else None
        self._blocks = BlockBuilder(self.counts, 1 / stream.rate_hz, BLOCK_SAMPLES)
        self._drops = Drops(self.counts)
        self._arrivals = Arrivals(stream.rate_hz, stream.max_gap_s, jitter_s=jitter_s)

    def take(self, runs: Sequence[Run], arrival: Arrival) -> Iterator[Block]:
        """Take what one read has completed; yield its blocks."""
        came = sum(run.lost + len(run.values) // self._channels for run in runs)
        if self._arrivals.arrive(arrival, came):
            self._restart("gap")
        position = 0
        for run in runs:
            if run.lost:
                self.counts.read += run.lost
                self._drops.add(
                    "bad_frame",
                    f"frame {self.counts.read - run.lost + 1}: sync, length or checksum is wrong",
                    run.lost,
                )
                self._restart("bad")
            count = len(run.values) // self._channels
            if self._arrivals.within:
                self._drop_run(count)
            else:
                self._take_run(run.values, count, position + run.lost)
            position += run.lost + count
        self._blocks.end()
        yield from self._blocks.take()

    def interrupt(self) -> None:
        """Note that the line was cut: the next sample begins a segment."""
        self._arrivals.interrupt()
        self._restart("gap")

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second as they came."""
        return self._arrivals.rate_hz

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on rate, gaps and what was dropped or mended."""
        return (*self._arrivals.notes, *self._drops.notes)

    @property
    def details(self) -> dict[str, int | float | str]:
        """Counters for the status."""
        return {"gaps": self._arrivals.gaps, "longest_gap_s": self._arrivals.longest_gap_s}

    def _take_run(self, values: array[float], count: int, position: int) -> None:
        columns = [values[channel :: self._channels] for channel in range(self._channels)]
        if self._calibrator is not None:
            self._calibrator.correct_columns(columns)
            for channel, column in enumerate(columns):
                values[channel :: self._channels] = column
        if self._checks.all_good(columns):
            self.counts.read += count
            self._blocks.add_run(float32_bytes(values), count, self._arrivals.time_of(position))
            return
        for offset, sample in enumerate(zip(*columns)):  # noqa: B905 (columns of one array)
            self._take_sample(list(sample), self._arrivals.time_of(position + offset))

    def _drop_run(self, count: int) -> None:
        """Leave out samples among which a gap is, nobody knows where: they are in no window."""
        self.counts.read += count
        what = f"frame {self.counts.read}: what came with it came late or not at all"
        self._drops.add(AROUND_GAP, what, count)
        self._restart("gap")

    def _take_sample(self, values: list[float], time_s: float) -> None:
        self.counts.read += 1
        finding = self._checks.check(values)
        if finding is not None and finding.dropped:
            self._drops.add(finding.reason, f"frame {self.counts.read}: {finding.detail}")
            self._restart("bad")
            return
        self._blocks.add_next(float32_bytes(values), time_s, marked=finding is not None)

    def _restart(self, begin: Begin) -> None:
        self._checks.restart()
        self._blocks.restart(begin)
