"""Evaluations: what a model's whole pipeline got right, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from edge_agent.records import finite
from edgekit.errors import VerificationFailed

if TYPE_CHECKING:
    from edgekit.model.evaluation.agreement import Agreement
    from edgekit.model.evaluation.confusion import Confusion
    from edgekit.model.evaluation.regression import ValueErrors
    from edgekit.model.evaluation.separation import Separation
    from edgekit.model.evaluation.worst import WorstWindow


@dataclass(frozen=True, kw_only=True)
class WindowCounts:
    """What became of the windows: `total = judged + mixed + ignored + unlabelled`."""

    total: int
    judged: int
    mixed: int
    """Windows over samples of several labels."""
    ignored: int
    """Windows with a sample whose label is blank or in `[test] ignore`."""
    unlabelled: int
    """Windows of a recording without a label column."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """
    One evaluation; what is set depends on the kind of output.

    `classes`: `confusion`; `value`: `value`; `anomaly`: `anomaly`; `raw`, or no labels: only `agreement`.
    """

    kind: str
    windows: WindowCounts
    agreement: Agreement
    confusion: Confusion | None = None
    value: ValueErrors | None = None
    anomaly: Separation | None = None
    worst: tuple[WorstWindow, ...] = ()
    nonfinite: int = 0
    """Windows, judged or not, with an output that is no finite number; those judged are wrong: they get no label."""
    samples_read: int = 0
    samples_dropped: dict[str, int] = field(default_factory=dict)
    """By reason."""
    notes: tuple[str, ...] = ()
    """How the recording was read and judged: one sentence each."""

    @property
    def accuracy(self) -> float | None:
        """Share of judged windows that are right; None where right and wrong mean nothing."""
        if self.confusion is not None:
            return self.confusion.accuracy
        return None if self.anomaly is None else self.anomaly.accuracy

    @property
    def right(self) -> int | None:
        """Number of judged windows that are right."""
        if self.confusion is not None:
            return self.confusion.right
        return None if self.anomaly is None else self.anomaly.right

    def require(self, min_accuracy: float) -> None:
        """Raise VerificationFailed if the accuracy is below `min_accuracy`, or there is none."""
        if self.accuracy is None and self.windows.judged:
            raise VerificationFailed(
                f"`[test] min_accuracy = {min_accuracy:g}` cannot be checked: "
                + (
                    "an anomaly score is right or wrong by a threshold, and there is none"
                    if self.kind == "anomaly"
                    else f'`kind = "{self.kind}"` has neither right nor wrong'
                ),
                hint="set `[decision] threshold`"
                if self.kind == "anomaly"
                else "remove `min_accuracy`",
            )
        if self.accuracy is None:
            raise VerificationFailed(
                f"`[test] min_accuracy = {min_accuracy:g}` cannot be checked: no window could be judged",
                hint="give a recording with labels: `[test] data`, `[test] label`",
            )
        if self.accuracy < min_accuracy:
            raise VerificationFailed(
                f"accuracy is {self.accuracy:.4f} ({self.right} of {self.windows.judged} windows), "
                f"`[test] min_accuracy` is {min_accuracy:g}",
                hint="look at the worst windows first: `edgekit eval` lists them",
            )

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation in JSON's types, with its shares."""
        document = {
            "kind": self.kind,
            "windows": asdict(self.windows),
            "right": self.right,
            "accuracy": self.accuracy,
            "agreement": {
                **asdict(self.agreement),
                "share": self.agreement.share,
                "whole": self.agreement.whole,
            },
            "nonfinite": self.nonfinite,
            "worst": [asdict(window) for window in self.worst],
            "samples_read": self.samples_read,
            "samples_dropped": self.samples_dropped,
            "notes": list(self.notes),
        }
        if self.confusion is not None:
            document["confusion"] = {
                "labels": list(self.confusion.labels),
                "counts": [list(row) for row in self.confusion.counts],
                "no_label": list(self.confusion.no_label),
            }
            document["by_label"] = [asdict(score) for score in self.confusion.by_label]
        if self.value is not None:
            document["value"] = asdict(self.value)
        if self.anomaly is not None:
            document["anomaly"] = asdict(self.anomaly)
        return {key: _without_nan(value) for key, value in document.items()}


def _without_nan(value: Any) -> Any:
    """Return a JSON document in which null stands for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return finite(value) if isinstance(value, float) else value
