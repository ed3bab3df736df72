"""Where every sample went and what was made of the windows: the books of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.summary import Samples

if TYPE_CHECKING:
    from edge_agent.records import Begin, SampleCounts
    from edge_agent.session import Stream


class Accounts:
    """
    Counts samples and windows of `stream`.

    `read = windowed + dropped + skipped + shed + pending` holds at every moment between two blocks.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.segment_samples = 0
        """Samples of this segment that the model was given."""
        self.windows = 0
        """Predictions made."""
        self.shed_windows = 0
        """Windows that were due and not computed, to stay within the budget."""
        self.predictions: dict[str, int] = {}
        self.unlabelled = 0
        self.nonfinite = 0
        self.events = 0
        self._segment_due = _Coverage(stream.window)
        """By windows that were due."""
        self._segment_computed = _Coverage(stream.window)
        """By those of them that were computed."""
        self._windowed = 0
        self._skipped = 0
        self._shed = 0
        self._cut: dict[str, int] = {}

    def window(self, end: int, *, computed: bool = True) -> None:
        """Count a window that was due and ends behind the segment's sample number `end`."""
        self._segment_due.add(end)
        if computed:
            self._segment_computed.add(end)
        else:
            self.shed_windows += 1

    def predicted(self, label: str | None, *, events: int) -> None:
        """Count a prediction and the events that it made."""
        self.windows += 1
        self.events += events
        if label is None:
            self.unlabelled += 1
        else:
            self.predictions[label] = self.predictions.get(label, 0) + 1

    def cut(self, by: str, count: int) -> None:
        """Count samples that something cut off before they were in a window."""
        if count:
            reason = f"cut_by_{by}"
            self._cut[reason] = self._cut.get(reason, 0) + count

    def restart(self, begin: Begin) -> None:
        """End the segment, and the stream's: what waits for a window will never be in one."""
        self._skipped += self._stream.skipped
        self._windowed += self._segment_computed.samples
        self._shed += self._segment_due.samples - self._segment_computed.samples
        self.cut(begin, self._stream.reset())
        self.segment_samples = 0
        self._segment_due = _Coverage(self._stream.window)
        self._segment_computed = _Coverage(self._stream.window)

    def samples(self, counts: SampleCounts) -> Samples:
        """Return where the samples went, with the `counts` of their source."""
        dropped = dict(counts.dropped)
        for reason, count in self._cut.items():
            dropped[reason] = dropped.get(reason, 0) + count
        return Samples(
            read=counts.read,
            windowed=self._windowed + self._segment_computed.samples,
            dropped=dropped,
            skipped=self._skipped + self._stream.skipped,
            shed=self._shed + self._segment_due.samples - self._segment_computed.samples,
            pending=self._stream.pending + counts.pending,
            held=counts.held,
            clipped=counts.clipped,
            marked=counts.marked,
        )


class _Coverage:
    """How many samples of a segment are in at least one of some windows; these come in order."""

    __slots__ = ("_end", "_window", "samples")

    def __init__(self, window: int) -> None:
        self._window = window
        self._end = 0
        self.samples = 0

    def add(self, end: int) -> None:
        self.samples += min(end - self._end, self._window)
        self._end = end
