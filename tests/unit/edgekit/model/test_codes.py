"""How many codes a quantised output is off, and when that is too many."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.model.proof import codes
from edgekit.model.proof.codes import CodeDifferences
from edgekit.model.proof.tolerance import Nature

REFERENCE = np.array([[10, 20], [30, 40], [50, 10], [0, 9]], np.int8)
QUANTISED = Nature(step=1.0)


def _measured(engine: np.ndarray, optimised: np.ndarray | None = None) -> CodeDifferences:
    found = codes.measure("y", REFERENCE, engine, optimised, QUANTISED)
    assert found is not None
    return found


def test_differences_are_counted() -> None:
    """Whole codes, by how many; the mean and the largest."""
    engine = REFERENCE.copy()
    engine[0, 0] += 2
    engine[1, 1] -= 1

    found = _measured(engine)

    assert found.counts == {"0": 6, "1": 1, "2": 1}
    assert (found.values, found.mean, found.largest) == (8, 3 / 8, 2.0)
    assert str(found) == "75.0% of 8 values equal, mean 0.38, largest 2 codes"
    assert CodeDifferences.from_json(found.to_json()) == found


def test_what_is_not_quantised_has_no_codes() -> None:
    """There is nothing to count."""
    assert codes.measure("y", REFERENCE, REFERENCE, None, Nature()) is None


def test_the_mean_may_not_be_over_four_times_the_references_own() -> None:
    """Where the reference is further from itself than a code, many differences are still too many."""
    optimised = REFERENCE.copy()
    optimised[0, 0] += 2
    few, many = REFERENCE.copy(), REFERENCE + np.int8(2)
    few[1, 1] -= 2

    assert codes.why_not(_measured(few, optimised), "ONNX Runtime", litert=False) == ""
    assert "2 codes on average" in codes.why_not(
        _measured(many, optimised), "ONNX Runtime", litert=False
    )


@pytest.mark.parametrize(("by", "why"), [(1, ""), (2, "on average (allowed: 1)")])
def test_litert_allows_one_code_on_average(by: int, why: str) -> None:
    """The third row of the table."""
    found = _measured(REFERENCE + np.int8(by))

    assert why in codes.why_not(found, "LiteRT", litert=True)
    assert bool(why) == bool(codes.why_not(found, "LiteRT", litert=True))
