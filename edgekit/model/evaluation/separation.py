"""Separation: how well an anomaly score tells anomalous windows from normal ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NORMAL_NAMES = ("normal", "0", "ok", "good", "healthy", "false")
"""Labels that name the normal state, whichever is more frequent; compared without case."""


@dataclass(frozen=True, kw_only=True)
class Separation:
    """How the scores of the two labels lie to each other."""

    normal: str
    """The label taken for the normal state."""
    anomalous: str | None
    """None where the recording has the normal state alone."""
    normal_windows: int
    anomalous_windows: int
    area_under_curve: float | None
    """
    Chance that an anomalous window scores above a normal one (area under the ROC curve); 0.5 is guessing. None where
    the recording has the normal state alone.
    """
    threshold: float | None
    """The decision threshold of edgekit.toml."""
    right: int | None
    """Windows on their side of the threshold: anomalous at or above, normal below."""
    accuracy: float | None


def normal_label(counts: dict[str, int]) -> str:
    """Return which of two labels (with their number of windows) is the normal state: by name, else the more frequent."""
    named = [label for label in counts if label.strip().lower() in NORMAL_NAMES]
    return named[0] if len(named) == 1 else max(counts, key=lambda label: (counts[label], label))


def separation(
    normal: NDArray[np.float64],
    anomalous: NDArray[np.float64],
    *,
    names: tuple[str, str | None],
    threshold: float | None,
) -> Separation:
    """
    Compare the scores of normal windows (not empty) and of anomalous ones; `names` are their labels.

    A score that is no finite number is on the wrong side, as the agent decides nothing by it.
    """
    normal = np.where(np.isfinite(normal), normal, np.inf)
    anomalous = np.where(np.isfinite(anomalous), anomalous, -np.inf)
    right = None
    if threshold is not None:
        right = int((normal < threshold).sum() + (anomalous >= threshold).sum())
    return Separation(
        normal=names[0],
        anomalous=names[1],
        normal_windows=normal.size,
        anomalous_windows=anomalous.size,
        area_under_curve=area_under_curve(normal, anomalous) if anomalous.size else None,
        threshold=threshold,
        right=right,
        accuracy=None if right is None else right / (normal.size + anomalous.size),
    )


def area_under_curve(normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> float:
    """
    Return the area under the ROC curve of two sets of scores, both not empty.

    By the Mann-Whitney statistic: pairs in the right order count 1, ties one half.
    """
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, anomalous, side="left")
    upto = np.searchsorted(ordered, anomalous, side="right")
    return float((below + upto).mean() / 2 / normal.size)
