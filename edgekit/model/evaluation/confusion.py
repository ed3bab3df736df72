"""Confusion: which label was taken for which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class LabelScore:
    """How one label fared; a share is None where there is nothing to divide by."""

    label: str
    windows: int
    """Windows that truly have this label."""
    predicted: int
    """Windows that were given this label."""
    precision: float | None
    """Of the windows given this label, the share that have it."""
    recall: float | None
    """Of the windows that have this label, the share that were given it."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of windows: one row a true label, one column a predicted label."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, labels: tuple[str, ...], counts: NDArray[np.int64]) -> Confusion:
        """Freeze the counts `[true, predicted]` of `count_pairs`."""
        return cls(
            labels=labels, counts=tuple(tuple(int(count) for count in row) for row in counts)
        )

    @property
    def total(self) -> int:
        """Number of windows judged."""
        return sum(map(sum, self.counts))

    @property
    def right(self) -> int:
        """Number of windows given their true label."""
        return sum(row[index] for index, row in enumerate(self.counts))

    @property
    def accuracy(self) -> float | None:
        """Share of windows that are right; None without windows."""
        return _share(self.right, self.total)

    @property
    def by_label(self) -> tuple[LabelScore, ...]:
        """Precision and recall of every label."""
        columns = tuple(zip(*self.counts, strict=True))
        return tuple(
            LabelScore(
                label=label,
                windows=sum(self.counts[index]),
                predicted=sum(columns[index]),
                precision=_share(self.counts[index][index], sum(columns[index])),
                recall=_share(self.counts[index][index], sum(self.counts[index])),
            )
            for index, label in enumerate(self.labels)
        )


def count_pairs(
    true: NDArray[np.int64], predicted: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Count how often each pair of label indices (below `size`) occurs: `[true, predicted]`."""
    return (
        np.bincount(true * size + predicted, minlength=size * size)
        .reshape(size, size)
        .astype(np.int64)
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
