"""Judging values: a number against a numeric label."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import DataError
from edgekit.model.evaluation.judge import Verdict
from edgekit.model.evaluation.regression import ValueErrorCount
from edgekit.model.evaluation.worst import WorstWindows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekit.model.evaluation.windows import Windows

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]


class ValueJudge:
    """Judges one value against a numeric label column: the label of the window's last sample."""

    def __init__(self, ignore: Sequence[str]) -> None:
        self._ignore = frozenset(("", *ignore))
        self._wrong: str | None = None
        self._errors = ValueErrorCount()
        self._worst = WorstWindows()

    def encode(self, labels: Sequence[Any]) -> Doubles:
        """Read numbers."""
        return np.array([self._number(label) for label in labels])

    @property
    def unusable(self) -> bool:
        """Whether `encode` has met labels that cannot be judged."""
        return self._wrong is not None

    def check(self) -> None:
        """Raise DataError for a label that is no number."""
        if self.unusable:
            raise DataError(
                f'the label column holds `{self._wrong}`: `kind = "value"` is judged by numbers',
                hint='name the column with the true values in `[test] label`, or set `[output] kind = "classes"`',
            )

    def judged(self, windows: Windows) -> NDArray[np.bool_]:
        """Windows whose last sample has a number; values may change within a window."""
        return ~np.isnan(windows.truth)

    def add(self, windows: Windows, outputs: Floats) -> None:
        """Count errors."""
        predicted = outputs[:, 0].astype(np.float64)
        self._errors.add(windows.truth, predicted)
        losses = np.abs(predicted - windows.truth)
        losses[np.isnan(losses)] = np.inf
        self._worst.add(
            windows,
            losses,
            lambda at: (f"{windows.truth[at]:g}", f"{predicted[at]:g}", float(predicted[at])),
        )

    def verdict(self) -> Verdict:
        """Return the errors."""
        return Verdict(value=self._errors.result(), worst=self._worst.result())

    def _number(self, label: Any) -> float:
        if isinstance(label, str) and label.strip() in self._ignore:
            return np.nan
        try:
            number = float(label)
        except (TypeError, ValueError):
            self._wrong = self._wrong or str(label)
            return np.nan
        return number if math.isfinite(number) else np.nan
