"""The worst windows: where to look first."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edgekit.model.evaluation.windows import Windows

KEPT: Final = 10


@dataclass(frozen=True, kw_only=True)
class WorstWindow:
    """One window that went wrong."""

    index: int
    """Number of the window, from 0."""
    first_row: int
    """Row of the file with its first sample; 0 where there is no file."""
    last_row: int
    time_s: float
    """Time of its last sample; NaN where there is no file."""
    true: str
    predicted: str
    score: float
    """The output that the prediction stands on."""
    loss: float
    """How wrong it is, the more the worse; in the unit of the outputs."""


class WorstWindows:
    """Keeps the windows with the largest loss out of any number."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, WorstWindow]] = []

    def add(
        self,
        windows: Windows,
        losses: NDArray[np.float64],
        describe: Callable[[int], tuple[str, str, float]],
    ) -> None:
        """
        Add the windows whose loss is above 0.

        `describe` gives true label, predicted label and score of the window at a position; it is asked for candidates only.
        """
        least = self._heap[0][0] if len(self._heap) == KEPT else 0.0
        candidates = np.flatnonzero(losses > least)
        order = candidates[np.argsort(-losses[candidates], kind="stable")][:KEPT]
        for position in order.tolist():
            true, predicted, score = describe(position)
            window = WorstWindow(
                index=int(windows.numbers[position]),
                first_row=int(windows.first_rows[position]),
                last_row=int(windows.last_rows[position]),
                time_s=float(windows.times_s[position]),
                true=true,
                predicted=predicted,
                score=score,
                loss=float(losses[position]),
            )
            entry = (window.loss, -window.index, window)
            (heapq.heappush if len(self._heap) < KEPT else heapq.heappushpop)(self._heap, entry)

    def result(self) -> tuple[WorstWindow, ...]:
        """Return the windows, the worst first."""
        return tuple(
            window for *_, window in sorted(self._heap, key=lambda entry: (-entry[0], -entry[1]))
        )
