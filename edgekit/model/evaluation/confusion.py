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
    """Windows that truly have this label, those that were given none among them."""
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
    no_label: tuple[int, ...] = ()
    """Windows of each true label that were given none, for their outputs were not finite; empty: no such window."""

    @classmethod
    def of(
        cls, labels: tuple[str, ...], counts: NDArray[np.int64], no_label: NDArray[np.int64]
    ) -> Confusion:
        """Freeze the counts `[true, predicted]` of `count_pairs`, and those of windows without a label."""
        return cls(
            labels=labels,
            counts=tuple(tuple(int(count) for count in row) for row in counts),
            no_label=tuple(int(count) for count in no_label) if no_label.any() else (),
        )

    @property
    def total(self) -> int:
        """Number of windows judged."""
        return sum(map(sum, self.counts)) + sum(self.no_label)

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
        no_label = self.no_label or (0,) * len(self.labels)
        windows = [sum(row) + none for row, none in zip(self.counts, no_label, strict=True)]
        return tuple(
            LabelScore(
                label=label,
                windows=windows[index],
                predicted=sum(columns[index]),
                precision=_share(self.counts[index][index], sum(columns[index])),
                recall=_share(self.counts[index][index], windows[index]),
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
