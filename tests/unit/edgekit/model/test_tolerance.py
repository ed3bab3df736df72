"""How far results may be apart: the table of the proof."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.model.proof.tolerance import (
    LARGE,
    ROUNDING,
    SMALLEST,
    WIDE,
    Comparison,
    Nature,
    argmax_agreement,
    bound,
    compare,
    difference,
)

F = np.float32
PLAIN = Nature()


def _one(
    reference: object, engine: object, *, optimised: object = None, nature: Nature = PLAIN
) -> Comparison:
    ours, theirs = np.asarray(reference), np.asarray(engine)
    noisy = None if optimised is None else np.asarray(optimised)
    (found,) = compare(
        ["random"] * len(ours), ours, theirs, output="y", optimised=noisy, nature=nature
    )
    return found


@pytest.mark.parametrize(
    ("scale", "noise", "natural", "allowed"),
    [
        (100.0, 0.0, 0.0, 1e-3),  # 1e-5 of the scale
        (100.0, 1e-3, 0.0, 4e-3),  # four times the model's own noise
        (100.0, 1.0, 0.0, 0.1),  # but never over 1e-3 of the scale
        (0.0, 0.0, 0.0, SMALLEST),  # all zero: nothing but what flush-to-zero loses
        (0.02, 0.0, 1.0, 1e-5),  # a probability counts from 1
        (1e-3, 0.0, 1.0, 1e-6),  # but a probability that never was anything has to be right too
        (4.6e-5, 0.0, 1.0, 2**-21),  # as far as a sigmoid's sum with 0.5 has digits at all
    ],
)
def test_the_bound_is_the_table(scale: float, noise: float, natural: float, allowed: float) -> None:
    """Each row of the table, as numbers."""
    assert bound(scale, noise, natural=natural) == pytest.approx(allowed)


@given(st.floats(0, 1e30), st.floats(0, 1e30), st.sampled_from([0.0, 1.0]))
def test_no_noise_allows_more_than_a_thousandth(scale: float, noise: float, natural: float) -> None:
    """A model that is all noise is refused, not waved through."""
    allowed = max(1e-3 * scale, SMALLEST, ROUNDING * natural)

    assert bound(scale, noise, natural=natural) <= allowed


def test_the_largest_error_is_found_where_it_is() -> None:
    """Which frame and which element, so that it can be looked at."""
    reference = np.zeros((3, 2, 2), F) + 10
    engine = reference.copy()
    engine[2, 1, 0] += F(0.5)

    found = _one(reference, engine)

    assert (found.frame, found.element, found.good) == (2, 2, False)
    assert found.max_abs_error == pytest.approx(0.5)
    assert found.tolerance == pytest.approx(1e-4)


def test_large_inputs_have_a_scale_of_their_own() -> None:
    """Their large outputs do not make an error on an ordinary input look small."""
    reference = np.array([[1.0], [1e6]], F)
    engine = np.array([[1.001], [1e6 + 100]], F)

    ordinary, large = compare(
        ["random", LARGE], reference, engine, output="y", optimised=None, nature=Nature()
    )

    assert not ordinary.good
    assert large.good
    assert large.tolerance == pytest.approx(1e3)


def test_each_wide_input_has_a_scale_of_its_own() -> None:
    """A wrong number at 3 times the range is not hidden by right ones at 300 times; the worst of them is named."""
    reference = np.array([[1.0], [3.0], [300.0]], F)
    engine = np.array([[1.0], [3.1], [300.2]], F)

    ordinary, wide = compare(
        ["random", WIDE, WIDE], reference, engine, output="y", optimised=None, nature=PLAIN
    )

    assert ordinary.good
    assert not wide.good
    assert (wide.frame, wide.scale) == (0, 3.0)
    assert wide.max_abs_error == pytest.approx(0.1)


def test_wide_inputs_leave_the_others_bound_alone() -> None:
    """Their larger results and their noise count for themselves only."""
    reference = np.array([[1.0], [300.0]], F)
    optimised = np.array([[1.0], [300.1]], F)

    ordinary, _ = compare(
        ["random", WIDE], reference, reference, output="y", optimised=optimised, nature=PLAIN
    )

    assert ordinary.tolerance == pytest.approx(1e-5)


def test_integers_of_wide_inputs_are_equal_or_wrong() -> None:
    """A label is right or it is not, whatever the input."""
    wrong, right = np.array([[1], [200]]), np.array([[1], [201]])

    (found,) = compare([WIDE] * 2, wrong, right, output="y", optimised=None, nature=PLAIN)

    assert (found.good, found.frame, found.tolerance) == (False, 1, 0.0)


def test_quantised_integers_may_be_one_code_apart() -> None:
    """Rounding of ties differs; two codes are another result."""
    reference = np.array([[1, 2]], np.int8)

    assert _one(reference, np.array([[1, 3]], np.int8), nature=Nature(step=1.0)).good
    assert not _one(reference, np.array([[1, 4]], np.int8), nature=Nature(step=1.0)).good


def test_other_integers_are_equal_or_wrong() -> None:
    """A label that is off by one is another label."""
    assert not _one(np.array([[1]]), np.array([[2]])).good
    assert _one(np.array([[1]]), np.array([[1]])).good


def test_integers_do_not_overflow_in_the_comparison() -> None:
    """127 and -128 are 255 apart, not 1."""
    assert _one(np.array([[127]], np.int8), np.array([[-128]], np.int8)).max_abs_error == 255


def test_what_is_not_finite_must_be_the_same() -> None:
    """NaN for NaN and infinity for infinity is equal; anything else is infinitely wrong."""
    nan, inf = np.nan, np.inf
    reference = np.array([[nan, inf, -inf, 1.0, nan, inf]])
    engine = np.array([[nan, inf, -inf, nan, 0.0, -inf]])

    np.testing.assert_array_equal(difference(reference, engine), [[0, 0, 0, inf, inf, inf]])


def test_subnormal_numbers_flushed_to_zero_are_equal() -> None:
    """The engine computes without them."""
    assert _one(np.array([[1e-40]], F), np.array([[0.0]], F)).good


def test_another_shape_is_infinitely_wrong() -> None:
    """It cannot be compared, so it cannot be proven."""
    assert _one(np.zeros((2, 3), F), np.zeros((2, 4), F)).max_abs_error == np.inf


def test_argmax_counts_where_the_order_is_clear() -> None:
    """Two values nearer than the tolerance may change places."""
    reference = np.array([[0.9, 0.1], [0.50001, 0.49999], [0.2, 0.8]])
    engine = np.array([[0.8, 0.2], [0.4, 0.6], [0.7, 0.3]])

    assert argmax_agreement(reference, engine, 1e-3) == 0.5
    assert argmax_agreement(reference[:, :1], engine[:, :1], 1e-3) is None
    assert argmax_agreement(np.zeros((2, 3)), np.zeros((2, 3)), 1e-3) is None


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20))
def test_equal_results_are_always_good(values: list[float]) -> None:
    """Whatever the numbers are."""
    array = np.array([values], F)

    assert _one(array, array.copy()).good
