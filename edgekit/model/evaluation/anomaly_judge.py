"""Judging anomaly scores: two labels, the normal state and the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import DataError
from edgekit.model.evaluation.judge import Verdict
from edgekit.model.evaluation.separation import normal_label, separation
from edgekit.model.evaluation.worst import KEPT, WorstWindows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekit.model.evaluation.windows import Windows

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]


class AnomalyJudge:
    """Judges an anomaly score against a column of two labels, the normal state and the other."""

    def __init__(self, ignore: Sequence[str], threshold: float | None) -> None:
        self._threshold = threshold
        self._codes: dict[Any, float] = dict.fromkeys(("", *ignore), np.nan)
        self._names: list[str] = []
        self._scores: tuple[list[Doubles], list[Doubles]] = ([], [])
        # Which label is the normal one is known at the end: until then both are kept as either.
        self._worst = tuple((WorstWindows(), WorstWindows()) for _ in self._scores)

    def encode(self, labels: Sequence[Any]) -> Doubles:
        """Give the two labels numbers as they are met."""
        return np.array(
            [self._codes[label] if label in self._codes else self._learn(label) for label in labels]
        )

    @property
    def unusable(self) -> bool:
        """Whether `encode` has met labels that cannot be judged."""
        return len(self._names) > len(self._scores)

    def check(self) -> None:
        """Raise DataError for a third label."""
        if self.unusable:
            raise DataError(
                f"the label column holds {', '.join(f'`{name}`' for name in self._names[:8])}: "
                "an anomaly score is judged by two labels",
                hint="list the labels that are neither normal nor anomalous in `[test] ignore`",
            )

    def judged(self, windows: Windows) -> NDArray[np.bool_]:
        """Windows of one label that counts."""
        return ~(windows.mixed | windows.ignored)

    def add(self, windows: Windows, outputs: Floats) -> None:
        """Keep the scores: the curve needs all of them."""
        scores = outputs[:, 0].astype(np.float64)
        for code, kept in enumerate(self._scores):
            chosen = windows.truth == code
            kept.append(scores[chosen])
            if self._threshold is not None and chosen.any():
                self._add_worst(code, windows.take(chosen), scores[chosen], self._threshold)

    def verdict(self) -> Verdict:
        """Return the separation; windows of one label alone are taken for the normal state."""
        scores = [np.concatenate(kept) if kept else np.empty(0) for kept in self._scores]
        counts = {
            name: part.size for name, part in zip(self._names, scores, strict=False) if part.size
        }
        if not counts:
            return Verdict()
        normal = self._names.index(normal_label(counts))
        both = len(counts) == len(scores)
        found = separation(
            scores[normal],
            scores[1 - normal],
            names=(self._names[normal], self._names[1 - normal] if both else None),
            threshold=self._threshold,
        )
        note = f"all judged windows have the label `{found.normal}`, taken for the normal state: only recordings of both tell whether anomalies are found"
        false_alarms, missed = self._worst[normal][0].result(), self._worst[1 - normal][1].result()
        worst = sorted(false_alarms + missed, key=lambda window: -window.loss)[:KEPT]
        return Verdict(anomaly=found, worst=tuple(worst), notes=() if both else (note,))

    def _add_worst(self, code: int, windows: Windows, scores: Doubles, threshold: float) -> None:
        name = self._names[code]
        finite = np.isfinite(scores)

        def add(worst: WorstWindows, losses: Doubles, found: str) -> None:
            losses[~finite] = np.inf
            worst.add(
                windows,
                losses,
                lambda at: (name, found if finite[at] else "neither", float(scores[at])),
            )

        if_normal, if_anomalous = self._worst[code]
        add(if_normal, scores - threshold, "anomaly")
        add(if_anomalous, threshold - scores, "normal")

    def _learn(self, label: Any) -> float:
        text = str(label).strip()
        if text not in self._names and text not in self._codes:
            self._names.append(text)
        code = float(self._names.index(text)) if text in self._names else np.nan
        self._codes[label] = code
        return code
