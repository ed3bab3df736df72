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


MOST_NAMED: Final = 8
"""Unknown labels that a message names."""


class ClassJudge:
    """
    Judges classes: the largest output is the prediction, whatever the threshold.

    A single output is judged as "this label or not": at or above the threshold, else 0.5.
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

    def judged(self, windows: Windows) -> NDArray[np.bool_]:
        """Windows of one label that counts."""
        return ~(windows.mixed | windows.ignored)

    @np.errstate(invalid="ignore")  # inf - inf: a loss of NaN is above none
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
        self._counts += count_pairs(true, predicted, len(self._labels))
        losses[true == predicted] = 0
        self._worst.add(
            windows,
            losses,
            lambda at: (self._labels[true[at]], self._labels[predicted[at]], float(scores[at])),
        )

    def verdict(self) -> Verdict:
        """Return the confusion matrix."""
        return Verdict(
            confusion=Confusion.of(self._labels, self._counts), worst=self._worst.result()
        )

    def _learn(self, label: Any) -> float:
        text = str(label).strip()
        if not self._named:
            text = _whole_number(text)
        code = self._codes.get(text)
        if code is None:
            code = 0.0 if self._binary else np.nan
            if not self._binary:
                self._unknown[text] = None
        self._codes[label] = code
        return code


def _whole_number(text: str) -> str:
    """Return `1` for `1.0`: columns of whole numbers are often written with a fraction."""
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text
