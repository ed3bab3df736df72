"""Separation: the ROC curve's area, and which label is normal."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.model.evaluation.separation import area_under_curve, normal_label, separation


def test_area_counts_pairs() -> None:
    """Ties count one half: checked against all pairs."""
    random = np.random.default_rng(2)
    normal = random.integers(0, 6, 50).astype(np.float64)
    anomalous = random.integers(2, 9, 30).astype(np.float64)

    pairs = (anomalous[:, np.newaxis] > normal) + 0.5 * (anomalous[:, np.newaxis] == normal)

    assert area_under_curve(normal, anomalous) == pytest.approx(pairs.mean())


@pytest.mark.parametrize(
    ("counts", "normal"),
    [
        ({"fault": 90, "Normal": 10}, "Normal"),
        ({"0": 1, "1": 9}, "0"),
        ({"leak": 3, "running": 5}, "running"),
    ],
)
def test_the_normal_label(counts: dict[str, int], normal: str) -> None:
    """A name says it; else the more frequent label is normal."""
    assert normal_label(counts) == normal


def test_at_the_threshold_a_window_is_anomalous() -> None:
    """The same side as the device's decision rule takes."""
    found = separation(
        np.array([0.5, 0.1]), np.array([0.5, 0.9]), names=("ok", "bad"), threshold=0.5
    )

    assert (found.right, found.accuracy) == (3, 0.75)
