"""
Judges: what is right and what is wrong, for each kind of output.

A judge turns the labels of a recording into numbers (`encode`), is then shown the windows that have a truth (`judged`)
with their outputs (`add`), and has a verdict at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from edgekit.model.evaluation.confusion import Confusion
    from edgekit.model.evaluation.regression import ValueErrors
    from edgekit.model.evaluation.separation import Separation
    from edgekit.model.evaluation.worst import WorstWindow


if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekit.model.evaluation.windows import Windows

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a judge found; which fields are set depends on the kind of output."""

    confusion: Confusion | None = None
    value: ValueErrors | None = None
    anomaly: Separation | None = None
    worst: tuple[WorstWindow, ...] = ()
    notes: tuple[str, ...] = ()
    """What the labels leave open: sentences for the report."""


class Judge(Protocol):
    """What every judge can do."""

    @property
    def unusable(self) -> bool:
        """Whether `check` will raise: nothing needs to be judged any more."""

    def encode(self, labels: Sequence[Any]) -> Doubles:
        """Turn labels into numbers, NaN for one that does not count."""

    def check(self) -> None:
        """Raise DataError if `encode` has met labels that cannot be judged."""

    def judged(self, windows: Windows) -> NDArray[np.bool_]:
        """Return which windows have a truth to be held against."""

    def add(self, windows: Windows, outputs: Floats) -> None:
        """Take windows that are all judged, and their outputs `[n, outputs]`."""

    def verdict(self) -> Verdict:
        """Return what was found."""


class NoJudge:
    """For outputs that mean nothing that a label could say."""

    unusable = False

    def encode(self, labels: Sequence[Any]) -> Doubles:
        """Leave every label out."""
        return np.full(len(labels), np.nan)

    def check(self) -> None:
        """Accept anything."""

    def judged(self, windows: Windows) -> NDArray[np.bool_]:
        """Return that no window is judged."""
        return np.zeros(len(windows), np.bool_)

    def add(self, windows: Windows, outputs: Floats) -> None:
        """Take nothing: no window is judged."""

    def verdict(self) -> Verdict:
        """Return that nothing was found."""
        return Verdict()
