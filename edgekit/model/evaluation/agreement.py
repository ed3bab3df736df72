"""
Agreement: whether two pipelines decide the same, not only whether their numbers are near.

Both sequences of outputs go through the device's own decision rule; a difference far below any tolerance can still turn a
decision that stood on the edge, and one far above it can leave all of them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.decide import Decider

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.config import Decision
    from edge_agent.records import Event

    Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """EdgeKit's pipeline beside the reference pipeline, over the same windows."""

    windows: int
    same_label: int | None
    """Windows that both gave the same label; None where the outputs mean no labels."""
    events: int | None
    """Events that EdgeKit's pipeline made; None where windows are no sequence."""
    reference_events: int | None
    same_events: bool | None
    """Whether both made the same events at the same windows."""
    first_difference: int | None
    """Number of the first window that was decided otherwise, by label or by event; None if there is none."""
    max_abs_difference: float
    """Largest difference of any output."""
    largest_output: float
    """Largest output of the reference, to compare the difference with."""

    @property
    def share(self) -> float | None:
        """Share of windows with the same label."""
        return None if self.same_label is None else self.same_label / max(1, self.windows)

    @property
    def whole(self) -> bool:
        """Whether nothing at all was decided otherwise."""
        return self.first_difference is None


class AgreementCount:
    """Counts agreement over windows as they come."""

    def __init__(
        self, output_kind: str, labels: tuple[str, ...], decision: Decision, *, sequence: bool
    ) -> None:
        """`sequence`: the windows follow each other in time, so that events mean something."""
        self._ours = Decider(output_kind, labels, decision)
        self._theirs = Decider(output_kind, labels, decision)
        self._labelled = output_kind == "classes" or (
            output_kind == "anomaly" and decision.threshold is not None
        )
        self._sequence = sequence
        self._windows = 0
        self._same_label = 0
        self._events = [0, 0]
        self._same_events = True
        self._first_difference: int | None = None
        self._max_abs_difference = 0.0
        self._largest_output = 0.0

    def restart(self, *, new_recording: bool) -> None:
        """Begin a new segment, as the agent does where its stream restarts."""
        self._ours.restart(new_recording=new_recording)
        self._theirs.restart(new_recording=new_recording)

    def add(self, ours: Floats, theirs: Floats) -> None:
        """Add windows of one segment, in order: both outputs `[n, outputs]`."""
        if not len(ours):
            return
        with np.errstate(invalid="ignore"):  # inf - inf; what is NaN is looked at below
            difference = np.abs(ours.astype(np.float64) - theirs)
        difference[(ours == theirs) | (np.isnan(ours) & np.isnan(theirs))] = 0
        difference[np.isnan(difference)] = (
            np.inf
        )  # a NaN on one side alone must not hide in a maximum
        self._max_abs_difference = max(self._max_abs_difference, float(difference.max()))
        self._largest_output = max(
            self._largest_output, float(np.nanmax(np.abs(theirs), initial=0))
        )
        for our_values, their_values in zip(ours.tolist(), theirs.tolist(), strict=True):
            self._step(tuple(our_values), tuple(their_values))

    def _step(self, ours: tuple[float, ...], theirs: tuple[float, ...]) -> None:
        our_label, _, our_events = self._ours.step(ours, index=self._windows)
        their_label, _, their_events = self._theirs.step(theirs, index=self._windows)
        if not self._sequence:
            self.restart(new_recording=True)
        same_label = our_label == their_label
        same_events = list(map(_change, our_events)) == list(map(_change, their_events))
        self._same_label += same_label
        self._events[0] += len(our_events)
        self._events[1] += len(their_events)
        self._same_events &= same_events
        if not (same_label and same_events) and self._first_difference is None:
            self._first_difference = self._windows
        self._windows += 1

    def result(self) -> Agreement:
        """Return the counts so far."""
        return Agreement(
            windows=self._windows,
            same_label=self._same_label if self._labelled else None,
            events=self._events[0] if self._sequence else None,
            reference_events=self._events[1] if self._sequence else None,
            same_events=self._same_events if self._sequence else None,
            first_difference=self._first_difference,
            max_abs_difference=self._max_abs_difference,
            largest_output=self._largest_output,
        )


def _change(event: Event) -> tuple[str | None, str | None, str | None]:
    return event.label, event.previous, event.output
