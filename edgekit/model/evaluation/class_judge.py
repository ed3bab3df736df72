"""Judging classes: the largest output against the true label."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.errors import DataError
from edgekit.model.evaluation.confusion import Confusion, count_pairs
from edgekit.model.evaluation.judge import Verdict
from edgekit.model.evaluation.worst import WorstWindows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekit.model.evaluation.windows import Windows

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]


NO_LABEL: Final = "no label"

NEAR: Final = 0.8
"""Likeness (`difflib`) from which on a name is taken for a slip of another: one letter in five."""

MOST_NAMED: Final = 8
"""Unknown labels that a message names."""


class ClassJudge:
    """
    Judges classes: the largest output is the prediction, whatever the threshold.

    A single output is judged as "this label or not": at or above the threshold, else 0.5. Outputs that are not all
    finite make no label, which is wrong, as in the agent.
    """

    def __init__(
        self, labels: tuple[str, ...], outputs: int, ignore: Sequence[str], threshold: float | None
    ) -> None:
        """`labels` names the outputs; without names they are `0`, `1`, …."""
        self._named = bool(labels)
        self._threshold = 0.5 if threshold is None else threshold
        self._binary = outputs == 1
        self._labels = labels or tuple(str(index) for index in range(outputs))
        self._codes = {label: float(index) for index, label in enumerate(self._labels)}
        if self._binary:
            positive = labels[0] if labels else "1"
            self._labels = (f"not {positive}", positive)
            self._codes = {positive: 1.0}
        self._codes |= dict.fromkeys(("", *ignore), np.nan)
        self._unknown: dict[str, None] = {}
        self._counts = np.zeros((len(self._labels),) * 2, np.int64)
        self._no_label = np.zeros(len(self._labels), np.int64)
        self._worst = WorstWindows()

    def encode(self, labels: Sequence[Any]) -> Doubles:
        """Turn label names (numbers where the model names none) into indices."""
        return np.array(
            [self._codes[label] if label in self._codes else self._learn(label) for label in labels]
        )

    @property
    def unusable(self) -> bool:
        """Whether `encode` has met labels that cannot be judged."""
        return bool(self._unknown)

    def check(self) -> None:
        """Raise DataError that names the labels that are none of the model's."""
        if not self.unusable:
            return
        if self._binary:
            self._refuse_near_names()
        names = []
        for label in list(self._unknown)[:MOST_NAMED]:
            near = difflib.get_close_matches(label, self._labels, 1)
            names.append(f"`{label}`" + (f" (near: `{near[0]}`)" if near else ""))
        rest = len(self._unknown) - MOST_NAMED
        more = f" and {rest} more" if rest > 0 else ""
        raise DataError(
            f"the recording has labels that are none of the model's: {', '.join(names)}{more}",
            hint="list them in `[test] ignore` to leave their windows out, "
            f"or correct `[model] labels`, now {', '.join(self._labels)}",
        )

    def _refuse_near_names(self) -> None:
        positive = self._labels[1]
        names = ", ".join(f"`{label}`" for label in list(self._unknown)[:MOST_NAMED])
        raise DataError(
            f"the recording has {names}, and the model's one label is `{positive}`: did you mean `{positive}`?",
            hint=f"write them alike, in `[model] labels` or in the recording: `eval` counts every other name as not `{positive}`",
        )

    def judged(self, windows: Windows) -> NDArray[np.bool_]:
        """Windows of one label that counts."""
        return ~(windows.mixed | windows.ignored)

    @np.errstate(invalid="ignore")  # inf - inf: set right below
    def add(self, windows: Windows, outputs: Floats) -> None:
        """Count pairs of true and predicted label."""
        true = windows.truth.astype(np.int64)
        rows = np.arange(len(true))
        if self._binary:
            predicted = (outputs[:, 0] >= self._threshold).astype(np.int64)
            losses = np.abs(outputs[:, 0].astype(np.float64) - self._threshold)
            scores = outputs[:, 0]
        else:
            predicted = outputs.argmax(axis=1)
            scores = outputs[rows, predicted]
            losses = scores.astype(np.float64) - outputs[rows, true]
        finite = np.asarray(np.isfinite(outputs).all(axis=1))
        self._counts += count_pairs(true[finite], predicted[finite], len(self._labels))
        self._no_label += np.bincount(true[~finite], minlength=len(self._labels))
        losses[true == predicted] = 0
        losses[~finite] = np.inf

        def describe(at: int) -> tuple[str, str, float]:
            found = self._labels[predicted[at]] if finite[at] else NO_LABEL
            return self._labels[true[at]], found, float(scores[at])

        self._worst.add(windows, losses, describe)

    def verdict(self) -> Verdict:
        """Return the confusion matrix."""
        confusion = Confusion.of(self._labels, self._counts, self._no_label)
        notes = []
        if self._binary and confusion.total and not confusion.by_label[1].windows:
            notes.append(
                f"no window has the label `{self._labels[1]}`: the accuracy tells of false alarms alone"
            )
        return Verdict(confusion=confusion, worst=self._worst.result(), notes=tuple(notes))

    def _learn(self, label: Any) -> float:
        text = str(label).strip()
        if not self._named:
            text = _whole_number(text)
        code = self._codes.get(text)
        if code is None:
            code = 0.0 if self._binary else np.nan
            if not self._binary or (self._named and _is_near(text, self._labels[1])):
                self._unknown[text] = None
        self._codes[label] = code
        return code


def _is_near(text: str, label: str) -> bool:
    """Tell whether a name is probably another spelling of a label, and not its opposite: `normal` and `abnormal`."""
    one, other = text.casefold(), label.casefold()
    if one == other:
        return True
    opposite = one.endswith(other) or other.endswith(one)
    return not opposite and difflib.SequenceMatcher(None, one, other).ratio() >= NEAR


def _whole_number(text: str) -> str:
    """Return `1` for `1.0`: columns of whole numbers are often written with a fraction."""
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text
