"""Confusion: counts, precision and recall."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.model.evaluation.confusion import Confusion, count_pairs


def test_rows_are_true_and_columns_predicted() -> None:
    """One window of label 0 taken for label 2 stands in row 0, column 2."""
    counts = count_pairs(np.array([0, 0, 2]), np.array([2, 0, 2]), 3)

    assert counts.tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]


def test_precision_and_recall() -> None:
    """Precision divides by the column, recall by the row."""
    confusion = Confusion.of(("a", "b"), np.array([[6, 2], [1, 3]]), np.zeros(2, np.int64))

    a, b = confusion.by_label

    assert confusion.accuracy == pytest.approx(9 / 12)
    assert (a.windows, a.predicted, a.recall, a.precision) == (8, 7, 6 / 8, 6 / 7)
    assert (b.recall, b.precision) == (3 / 4, 3 / 5)


def test_a_label_that_never_occurs_has_no_share() -> None:
    """Nothing is divided by zero, and nothing is called 0 %."""
    confusion = Confusion.of(("a", "b"), np.array([[2, 0], [0, 0]]), np.zeros(2, np.int64))

    assert (confusion.by_label[1].precision, confusion.by_label[1].recall) == (None, None)
    assert Confusion.of(("a",), np.array([[0]]), np.zeros(1, np.int64)).accuracy is None
