"""Regression: errors in one pass."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.model.evaluation.regression import ValueErrorCount


def test_parts_give_what_the_whole_gives() -> None:
    """Far from zero, where a sum of squares would cancel, any parts give NumPy's numbers."""
    random = np.random.default_rng(1)
    true = 1e6 + random.normal(size=1000)
    predicted = true + random.normal(scale=0.1, size=1000)
    count = ValueErrorCount()
    for part in np.split(np.arange(1000), [1, 7, 7, 400]):
        count.add(true[part], predicted[part])

    result = count.result()

    assert result is not None
    errors = predicted - true
    assert result.windows == 1000
    assert result.mean_absolute == pytest.approx(np.abs(errors).mean())
    assert result.root_mean_square == pytest.approx(np.sqrt((errors**2).mean()))
    assert result.largest == np.abs(errors).max()
    assert result.r_squared == pytest.approx(1 - (errors**2).mean() / true.var(), rel=1e-6)


def test_constant_truth_has_no_r_squared() -> None:
    """Where nothing varies, nothing can be explained."""
    count = ValueErrorCount()
    count.add(np.array([2.0, 2.0]), np.array([1.0, 2.0]))

    result = count.result()

    assert result is not None
    assert result.r_squared is None


def test_no_windows_give_no_errors() -> None:
    """None, not zero."""
    assert ValueErrorCount().result() is None


def test_a_prediction_that_is_no_number_does_not_hide() -> None:
    """The largest error is none then, not that of the others."""
    count = ValueErrorCount()
    count.add(np.array([1.0, 2.0]), np.array([1.5, np.nan]))

    result = count.result()

    assert result is not None
    assert np.isnan(result.largest)
