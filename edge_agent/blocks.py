"""Samples of one segment, gathered into blocks."""

from __future__ import annotations

from array import array
from collections import deque
from typing import TYPE_CHECKING

from edge_agent.records import Block

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edge_agent.records import Begin, SampleCounts

BLOCK_SAMPLES = 256
"""Most samples in a block."""


class BlockBuilder:
    """
    Gathers samples; `ready` holds the blocks that are complete.

    The rows of a block have no hole, and its first sample's time is that of the block. Samples that are in no block
    that was taken are counted as pending.
    """

    def __init__(self, counts: SampleCounts, period_s: float, block_samples: int) -> None:
        self.ready: deque[Block] = deque()
        self.group: str | None = None
        """Which recording the samples belong to."""
        self._counts = counts
        self._period_s = period_s
        self._block_samples = max(1, min(block_samples, BLOCK_SAMPLES))
        self._begin: Begin = "start"
        self._samples: list[bytes] = []
        self._time_s = 0.0
        self._times_s: list[float] = []
        self._labels: list[str] = []
        self._marked: list[int] = []
        self._first_row = 0
        self._block_begin: Begin = ""

    def add(  # noqa: PLR0913, PLR0917 (the parts of a sample; by position, because this is the hot path)
        self,
        row: int,
        sample: bytes,
        time_s: float,
        stamped: bool,
        label: str | None,
        marked: bool,
    ) -> None:
        """Add one sample; `stamped` where it carries a time of its own, `label` where it has one."""
        samples = self._samples
        if samples and row != self._first_row + len(samples):
            self.end()  # a blank line stood between
        if not samples:
            self._first_row = row
            self._time_s = time_s
            self._block_begin, self._begin = self._begin, ""
        if marked:
            self._marked.append(len(samples))
        samples.append(sample)
        self._counts.pending += 1
        if stamped:
            self._times_s.append(time_s)
        if label is not None:
            self._labels.append(label)
        if len(samples) >= self._block_samples:
            self.end()

    def add_next(self, sample: bytes, time_s: float, *, marked: bool) -> None:
        """Add one sample of a source that has no rows."""
        self.add(len(self._samples), sample, time_s, stamped=False, label=None, marked=marked)

    def add_run(self, samples: bytes, count: int, time_s: float, first_row: int = 0) -> None:
        """Add consecutive good samples, as blocks of their own."""
        self.end()
        size = len(samples) // count
        for start in range(0, count, self._block_samples):
            taken = min(self._block_samples, count - start)
            self.ready.append(
                Block(
                    samples=samples[start * size : (start + taken) * size],
                    count=taken,
                    time_s=time_s + start * self._period_s,
                    period_s=self._period_s,
                    begin=self._begin,
                    first_row=first_row + start if first_row else 0,
                    group=self.group,
                )
            )
            self._begin = ""
        self._counts.pending += count

    def restart(self, begin: Begin) -> None:
        """End the segment; the next sample begins a new one."""
        self.end()
        # A recording's first sample and a new group say more than a bad row between.
        if self._begin not in ("start", "group"):
            self._begin = begin

    def end(self) -> None:
        """End the block that is being gathered."""
        count = len(self._samples)
        if not count:
            return
        self.ready.append(
            Block(
                samples=b"".join(self._samples),
                count=count,
                time_s=self._time_s,
                period_s=self._period_s,
                begin=self._block_begin,
                times_s=tuple(self._times_s),
                labels=tuple(self._labels),
                first_row=self._first_row,
                group=self.group,
                marked=tuple(self._marked),
            )
        )
        self._samples.clear()
        self._times_s.clear()
        self._labels.clear()
        self._marked.clear()

    def take(self) -> Iterator[Block]:
        """Yield the complete blocks; one that nobody comes for stays pending."""
        while self.ready:
            block = self.ready.popleft()
            self._counts.pending -= block.count
            yield block


def float32_bytes(values: Iterable[float]) -> bytes:
    """Return values as a block has them: every board that is supported is little-endian, as a block is."""
    return array("f", values).tobytes()
