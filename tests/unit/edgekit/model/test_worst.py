"""The worst windows: the largest losses out of any number, in any order of arrival."""

from __future__ import annotations

import numpy as np

from edgekit.model.evaluation.windows import Windows
from edgekit.model.evaluation.worst import KEPT, WorstWindows


def test_the_largest_losses_are_kept() -> None:
    """Over several parts: the same as sorting all; windows without loss are never listed."""
    losses = np.random.default_rng(9).permutation(500) / 500
    windows = Windows.alone(np.zeros(500))
    worst = WorstWindows()
    for part in np.split(np.arange(500), [3, 9, 200]):
        worst.add(windows.take(part), losses[part], lambda at: ("a", "b", float(at)))

    kept = worst.result()

    assert [window.index for window in kept] == np.argsort(-losses)[:KEPT].tolist()


def test_fewer_than_kept_and_none_without_loss() -> None:
    """Two wrong windows of five; of equal ones the earlier comes first."""
    worst = WorstWindows()
    worst.add(
        Windows.alone(np.zeros(5)), np.array([0, 1, 0, 1, np.nan]), lambda at: ("a", "b", float(at))
    )

    assert [window.index for window in worst.result()] == [1, 3]
