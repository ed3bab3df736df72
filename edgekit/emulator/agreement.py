"""Two runs of one recording held against each other: the target's against the host's, or against those kept."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from edge_agent.reproduction import distance
from edge_agent.vectors import largest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.emulator.trial import Record, Records

_EXACT = ("index", "time_s", "row", "group")
"""What the same recording gives everywhere: arithmetic on the recording's own numbers."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Whether two runs are the same, and how near."""

    predictions: int
    events: int
    max_error: float
    tolerance: float
    problem: str
    """The first difference that matters, as a sentence; empty if there is none."""

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "predictions": self.predictions,
            "events": self.events,
            "max_error": self.max_error,
            "tolerance": self.tolerance,
            "problem": self.problem,
        }


def compare(expected: Records, got: Records, tolerance: float) -> Agreement:
    """Events must be equal but for their scores, which like all values may differ by `tolerance`."""
    problem = _events(expected.events, got.events, tolerance)
    largest_error = 0.0
    for ours, theirs in zip(expected.predictions, got.predictions, strict=False):
        largest_error = max(largest_error, _error(ours, theirs))
        problem = problem or _prediction(ours, theirs, tolerance)
    if not problem and len(expected.predictions) != len(got.predictions):
        problem = f"there are {len(got.predictions)} predictions, not {len(expected.predictions)}"
    if not problem and not expected.predictions:
        problem = "the recording is too short for a single prediction"
    return Agreement(
        predictions=len(got.predictions),
        events=len(got.events),
        max_error=largest_error,
        tolerance=tolerance,
        problem=problem,
    )


def _events(expected: Sequence[Record], got: Sequence[Record], tolerance: float) -> str:
    for number, (ours, theirs) in enumerate(zip_longest(expected, got)):
        if ours is None or theirs is None:
            return f"there are {len(got)} events, not {len(expected)}"
        plain = [
            {key: value for key, value in item.items() if key != "score"} for item in (ours, theirs)
        ]
        if plain[0] != plain[1]:
            return f"event {number} is {_event(theirs)}, not {_event(ours)}"
        if _distance(ours["score"], theirs["score"]) > tolerance:
            return f"the score of event {number} is {theirs['score']}, not {ours['score']}"
    return ""


def _prediction(ours: Record, theirs: Record, tolerance: float) -> str:
    for key in _EXACT:
        if ours.get(key) != theirs.get(key):
            return (
                f"`{key}` of prediction {ours['index']} is {theirs.get(key)}, not {ours.get(key)}"
            )
    error = _error(ours, theirs)
    if error > tolerance:
        return f"prediction {ours['index']} differs by {error:.3g} (allowed: {tolerance:.2g})"
    if ours["label"] != theirs["label"]:
        values = [value for value in ours["values"] if value is not None]
        margin = largest(tuple(values))[1] if values else None
        if margin is None or margin > tolerance:
            return f"prediction {ours['index']} is `{theirs['label']}`, not `{ours['label']}`"
    return ""


def _error(ours: Record, theirs: Record) -> float:
    if len(ours["values"]) != len(theirs["values"]):
        return float("inf")
    pairs = zip(ours["values"], theirs["values"], strict=True)
    return max((_distance(*pair) for pair in pairs), default=0.0)


def _distance(ours: float | None, theirs: float | None) -> float:
    """Return how far two numbers are apart; null, which stands for NaN and infinity, is equal to itself alone."""
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else float("inf")
    return distance(ours, theirs)


def _event(event: Record) -> str:
    name = event["label"] if event["label"] is not None else "none"
    return f"`{name}` at {event['time_s']:g} s (prediction {event['index']})"
