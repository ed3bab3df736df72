"""What flows through the pipeline: blocks of samples in, predictions and events out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

Begin = Literal["", "start", "group", "gap", "bad", "backwards"]
"""Why a block does not continue the one before; empty when it does."""
FULL = "full"
"""The level of an agent that computes all of its windows."""


@dataclass(slots=True)
class Block:
    """Consecutive samples of one segment: nothing is missing between them."""

    samples: bytes
    """float32, little-endian, `[count, channels]`."""
    count: int
    time_s: float
    """Time of the first sample on the source's clock."""
    period_s: float
    """Time from one sample to the next, for the samples that `times_s` does not give."""
    begin: Begin = ""
    times_s: tuple[float, ...] = ()
    """Time of every sample, where the source knows it."""
    labels: tuple[str, ...] = ()
    """True label of every sample, where the recording has one."""
    first_row: int = 0
    """Row of the first sample in its file, counted from 1 as editors do; the others follow without a hole."""
    group: str | None = None
    """Which of the recordings in one file it belongs to; None where there is no such column."""
    marked: tuple[int, ...] = ()
    """Positions of samples with bad values that `on_bad = "mark"` let through."""

    def time_of(self, position: int) -> float:
        """Return the time of the sample at `position`, in seconds on the source's clock."""
        if self.times_s:
            return self.times_s[position]
        return self.time_s + position * self.period_s


@dataclass(slots=True)
class Prediction:
    """What the model said about one window."""

    index: int
    """Number of the prediction, from 0."""
    time_s: float
    """Time of the window's last sample."""
    row: int
    """Row of the window's last sample in its file; 0 where there is no file."""
    values: tuple[float, ...]
    label: str | None
    """Class with the highest score, or `anomaly`/`normal`; None where the output means no label."""
    score: float | None
    group: str | None = None
    """Which of the recordings in one file it is about; None where there is no such column."""
    marked: bool = False
    """Whether its window holds a sample with bad values (`on_bad = "mark"`)."""
    level: str = FULL
    """How degraded the agent ran to keep its budget; `full` is not at all."""


@dataclass(slots=True)
class Event:
    """A change of state: one that the decision rule has settled on, or of the level that the governor runs at."""

    index: int
    """Number of the prediction that settled it; of a level, that of the next prediction."""
    time_s: float
    label: str | None
    """The new state: a label, `anomaly`/`normal`, `above`/`below`; None when no state holds any more. Or the new level."""
    previous: str | None
    score: float | None
    output: str | None = None
    """Which value of the output it is about (`kind = "value"`)."""
    group: str | None = None
    """As in the prediction; the pipeline's to say, not the decision rule's."""
    kind: Literal["decision", "level"] = "decision"
    reason: str = ""
    """Why the level changed, with the numbers."""
    unproven: str = ""
    """Why the model runs although its proof is not accepted; empty where it is."""


@dataclass(slots=True)
class SampleCounts:
    """What became of the samples that a source has read: `read = handed over + dropped + pending`."""

    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    """Samples that never reached the model, by reason."""
    held: int = 0
    """Samples that were handed over with at least one value held from before (`on_bad = "hold"`)."""
    clipped: int = 0
    """Samples that were handed over with at least one value moved to `min` or `max` (`on_bad = "clip"`)."""
    marked: int = 0
    """Samples that were handed over with a bad value, and marked (`on_bad = "mark"`)."""
    pending: int = 0
    """Samples read and not yet handed over."""

    def drop(self, reason: str, count: int = 1) -> None:
        """Count samples as dropped for `reason`."""
        self.dropped[reason] = self.dropped.get(reason, 0) + count


def finite(value: float | None) -> float | None:
    """Return the value, or None for what JSON has no number for."""
    return value if value is not None and math.isfinite(value) else None


def prediction_to_json(prediction: Prediction) -> dict[str, Any]:
    """Return the prediction as a JSON object; a value that is not finite becomes null; no group and the full level no key."""
    document = {
        "type": "prediction",
        "index": prediction.index,
        "time_s": prediction.time_s,
        "row": prediction.row,
        "label": prediction.label,
        "score": finite(prediction.score),
        "values": [finite(value) for value in prediction.values],
    }
    if prediction.group is not None:
        document["group"] = prediction.group
    if prediction.level != FULL:
        document["level"] = prediction.level
    return document


def event_to_json(event: Event) -> dict[str, Any]:
    """Return the event as a JSON object; `output`, `group` and `unproven` are left out where they mean nothing."""
    document: dict[str, Any]
    if event.kind == "level":
        document = {
            "type": "level",
            "index": event.index,
            "time_s": event.time_s,
            "level": event.label,
            "previous": event.previous,
            "reason": event.reason,
        }
        return _stamped(document, event)
    document = {
        "type": "event",
        "index": event.index,
        "time_s": event.time_s,
        "label": event.label,
        "previous": event.previous,
        "score": finite(event.score),
    }
    if event.output is not None:
        document["output"] = event.output
    if event.group is not None:
        document["group"] = event.group
    return _stamped(document, event)


def _stamped(document: dict[str, Any], event: Event) -> dict[str, Any]:
    if event.unproven:
        document["unproven"] = event.unproven
    return document
