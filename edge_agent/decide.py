"""
The decision rule: predictions in, states and their changes out.

Pure: no clock, no input, no output; the same predictions give the same events everywhere.
"""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING

from edge_agent.errors import ConfigError
from edge_agent.records import Event

if TYPE_CHECKING:
    from edge_agent.config import Decision

ALWAYS = -math.inf
"""Threshold of a label that has none: its score always counts."""

Moment = tuple[int, float]
"""Number and time of a prediction."""

Step = tuple["str | None", "float | None", tuple[Event, ...]]
"""Label and score of one prediction, and the events that it made."""


class Decider:
    """
    Turns the values of each prediction into a label, a score and, when the state changes, events.

    `classes`: the label with the highest score is the candidate when it reaches its threshold; else the
    current label as long as its own score stays above its threshold less the hysteresis; else none.
    `value`: every value with a threshold is `above` or `below`; `anomaly`: the value is `anomaly` or `normal`;
    `raw`: no labels, no events. A candidate becomes the state after `hold` predictions in a row.
    A value that is not finite decides nothing: its candidate is none.

    Raises ConfigError for a threshold that fits no label, or no output of this kind.
    """

    def __init__(self, output_kind: str, labels: tuple[str, ...], decision: Decision) -> None:
        self._kind = output_kind
        self._labels = labels
        self._decision = decision
        self._states: dict[int, _State] = {}
        self._check_threshold()

    def step(self, values: tuple[float, ...], *, index: int = 0, time_s: float = 0.0) -> Step:
        """Take the values of the prediction with number `index`; return its label, its score and events."""
        moment = (index, time_s)
        if self._kind == "classes":
            return self._classes(values, moment)
        if self._kind == "value":
            return self._values(values, moment)
        if self._kind == "anomaly":
            return self._anomaly(values, moment)
        return None, None, ()

    def restart(self, *, new_recording: bool = False) -> None:
        """Start counting agreement anew, as after a gap; a new recording also forgets the state."""
        if new_recording:
            self._states.clear()
        for state in self._states.values():
            state.agreed = 0

    def _classes(self, values: tuple[float, ...], moment: Moment) -> Step:
        state = self._state(0)
        if not _all_finite(values):
            return None, None, self._settle(state, None, None, moment)
        score = max(values)
        top = values.index(score)
        label = self._name(top)
        candidate: str | None = None
        candidate_score = score
        if score >= self._threshold(label):
            candidate = label
        elif state.position is not None:
            own = values[state.position]
            current = self._name(state.position)
            if own >= self._threshold(current) - self._decision.hysteresis:
                candidate, candidate_score = current, own
        events = self._settle(state, candidate, candidate_score, moment)
        if events and candidate is not None:
            state.position = top
        return label, score, events

    def _values(self, values: tuple[float, ...], moment: Moment) -> Step:
        events: tuple[Event, ...] = ()
        for position, value in enumerate(values):
            threshold = self._threshold(self._name(position))
            if threshold == ALWAYS:
                continue
            state = self._state(position)
            candidate = self._side(value, threshold, state.label, high="above", low="below")
            output = self._name(position)
            events += self._settle(state, candidate, value, moment, output=output)
        return None, values[0] if len(values) == 1 else None, events

    def _anomaly(self, values: tuple[float, ...], moment: Moment) -> Step:
        value = values[0]
        threshold = self._decision.threshold
        if not isinstance(threshold, float | int):
            return None, value, ()
        state = self._state(0)
        candidate = self._side(value, threshold, state.label, high="anomaly", low="normal")
        now = self._side(value, threshold, None, high="anomaly", low="normal")
        return now, value, self._settle(state, candidate, value, moment)

    def _side(
        self, value: float, threshold: float, state: str | None, *, high: str, low: str
    ) -> str | None:
        if not math.isfinite(value):
            return None
        if state == high:
            threshold -= self._decision.hysteresis
        return high if value >= threshold else low

    def _settle(
        self,
        state: _State,
        candidate: str | None,
        score: float | None,
        moment: Moment,
        *,
        output: str | None = None,
    ) -> tuple[Event, ...]:
        state.agreed = state.agreed + 1 if candidate == state.candidate else 1
        state.candidate = candidate
        if candidate == state.label or state.agreed < self._decision.hold:
            return ()
        event = Event(*moment, candidate, state.label, score, output)
        state.label = candidate
        state.position = None  # a state that was left does not come back by its hysteresis
        return (event,)

    def _state(self, position: int) -> _State:
        return self._states.setdefault(position, _State())

    def _name(self, position: int) -> str:
        return self._labels[position] if position < len(self._labels) else str(position)

    def _threshold(self, label: str) -> float:
        threshold = self._decision.threshold
        if isinstance(threshold, dict):
            return threshold.get(label, ALWAYS)
        return ALWAYS if threshold is None else threshold

    def _check_threshold(self) -> None:
        threshold = self._decision.threshold
        if threshold is None:
            return
        if self._kind == "raw":
            raise ConfigError(
                '`decision.threshold` is set, but `output.kind = "raw"` makes no decisions',
                hint="remove `threshold`, or say what the output means: `classes`, `value` or `anomaly`",
            )
        if not isinstance(threshold, dict):
            return
        if self._kind == "anomaly":
            raise ConfigError(
                "`decision.threshold` names labels, but an anomaly score has none",
                hint="give one number: `threshold = 0.5`",
            )
        for label in threshold:
            if self._labels and label not in self._labels:
                near = difflib.get_close_matches(label, self._labels, 1)
                raise ConfigError(
                    f"`decision.threshold.{label}` is no label of the model",
                    hint=f"did you mean `{near[0]}`?"
                    if near
                    else f"the labels are {', '.join(self._labels)}",
                )


class _State:
    """One state and how long its next candidate has been agreed on."""

    __slots__ = ("agreed", "candidate", "label", "position")

    def __init__(self) -> None:
        self.label: str | None = None
        self.position: int | None = None
        """Where the score of the label stands (`classes`)."""
        self.candidate: str | None = None
        self.agreed = 0


def _all_finite(values: tuple[float, ...]) -> bool:
    return all(map(math.isfinite, values))
