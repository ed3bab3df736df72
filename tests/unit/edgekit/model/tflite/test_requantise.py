"""The staircase in float64 against the fixed point that it stands for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.model.tflite import requantise
from edgekit.model.tflite.fixed_point import Rounding, factor

ROUNDINGS: tuple[Rounding, ...] = ("twice", "once", "wide")


@settings(max_examples=150, deadline=None)
@given(
    real=st.one_of(st.floats(1e-5, 2.0), st.integers(-14, 1).map(lambda power: 2.0**power)),
    rounding=st.sampled_from(ROUNDINGS),
    low=st.integers(-255, 0),
    reach=st.tuples(st.integers(0, 20000), st.integers(1, 20000)),
)
def test_equal_on_every_whole_number(
    real: float, rounding: Rounding, low: int, reach: tuple[int, int]
) -> None:
    """All sums within reach, clamped as the output clamps them, also for factors that make ties."""
    kept = (low, low + 255)
    step = factor(real, rounding)

    form = requantise.staircase(step, (-reach[0], reach[1]), kept)

    x = np.arange(-reach[0], reach[1] + 1)[np.newaxis]
    assert np.array_equal(np.clip(form.at(x), *kept), np.clip(step.times(x), *kept))


def test_channels_have_their_own_steps() -> None:
    """One factor and one reach a channel."""
    step = factor([0.5, 0.001, 0.37])
    reach = (np.array([-100, -5000, 0]), np.array([100, 90000, 700]))

    form = requantise.staircase(step, reach, (-128, 127))

    x = np.stack(
        [np.linspace(low, high, 997).astype(int) for low, high in zip(*reach, strict=True)]
    )
    assert np.array_equal(np.clip(form.at(x), -128, 127), np.clip(step.times(x), -128, 127))


def test_where_zero_is_the_least_code_one_offset_is_enough() -> None:
    """Behind a RELU nothing below zero is kept, so the sign needs no operators of its own."""
    form = requantise.staircase(factor(0.0123), (-90000, 90000), (0, 255))

    assert not form.turn.any()


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [("twice", [-2, -1, 0, 1, 2]), ("once", [-3, -2, -1, 1, 2])],
)
def test_ties(rounding: Rounding, expected: list[int]) -> None:
    """Halves upwards at bit 31, or away from zero."""
    halves = np.array([-5, -3, -1, 1, 3])

    assert factor(0.5, rounding).times(halves).tolist() == expected
