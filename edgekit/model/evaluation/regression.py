"""Regression: how far predicted values are from the true ones, counted in one pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class ValueErrors:
    """Errors of predicted values, in the unit of the label column."""

    windows: int
    mean_absolute: float
    root_mean_square: float
    largest: float
    r_squared: float | None
    """Share of the true values' variance that the predictions explain; None where the true values do not vary."""


class ValueErrorCount:
    """Sums of errors, so that a recording of any length takes no memory."""

    def __init__(self) -> None:
        self._count = 0
        self._absolute = 0.0
        self._squared = 0.0
        self._largest = 0.0
        self._mean = 0.0
        self._deviations = 0.0

    def add(self, true: NDArray[np.float64], predicted: NDArray[np.float64]) -> None:
        """Add windows: their true and their predicted values `[n]`."""
        if not true.size:
            return
        errors = predicted - true
        self._absolute += float(np.abs(errors).sum())
        self._squared += float(np.square(errors).sum())
        self._largest = float(np.maximum(self._largest, np.abs(errors).max()))
        # Chan, Golub, LeVeque (1979): variances of two parts joined without the cancellation of a sum of squares.
        count, mean = true.size, float(true.mean())
        shift = mean - self._mean
        total = self._count + count
        self._deviations += (
            float(np.square(true - mean).sum()) + shift * shift * self._count * count / total
        )
        self._mean += shift * count / total
        self._count = total

    def result(self) -> ValueErrors | None:
        """Return the errors so far; None without windows."""
        if not self._count:
            return None
        return ValueErrors(
            windows=self._count,
            mean_absolute=self._absolute / self._count,
            root_mean_square=math.sqrt(self._squared / self._count),
            largest=self._largest,
            r_squared=1 - self._squared / self._deviations if self._deviations > 0 else None,
        )
