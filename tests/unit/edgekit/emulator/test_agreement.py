"""Two runs of one recording: what may differ, and what must not."""

from __future__ import annotations

from typing import Any

import pytest

from edgekit.emulator.agreement import compare
from edgekit.emulator.trial import Records

TOLERANCE = 1e-4


def _prediction(index: int, *values: float | None, **changes: Any) -> dict[str, Any]:
    numbers = [value for value in values if value is not None]
    label = "ab"[values.index(max(numbers))] if numbers else None
    return {
        "type": "prediction",
        "index": index,
        "time_s": index * 0.5,
        "row": 10 * index,
        "label": label,
        "score": max(numbers, default=None),
        "values": list(values),
        **changes,
    }


def _event(index: int, label: str | None, score: float | None, **changes: Any) -> dict[str, Any]:
    return {
        "type": "event",
        "index": index,
        "time_s": index * 0.5,
        "label": label,
        "previous": None,
        "score": score,
        **changes,
    }


BASE = Records(
    predictions=(_prediction(0, 0.25, 0.75), _prediction(1, 0.875, 0.125)),
    events=(_event(1, "a", 0.875),),
)


def test_equal_runs_agree() -> None:
    """Nothing differs."""
    found = compare(BASE, BASE, TOLERANCE)

    assert (found.problem, found.max_error) == ("", 0.0)
    assert (found.predictions, found.events) == (2, 1)


def test_values_and_scores_may_differ_by_the_tolerance() -> None:
    """Other kernels round otherwise."""
    got = Records(
        predictions=(_prediction(0, 0.25 + 5e-5, 0.75), BASE.predictions[1]),
        events=(_event(1, "a", 0.875 - 5e-5),),
    )

    found = compare(BASE, got, TOLERANCE)

    assert found.problem == ""
    assert found.max_error == pytest.approx(5e-5)


@pytest.mark.parametrize(
    ("predictions", "problem"),
    [
        ((_prediction(0, 0.251, 0.75),), "prediction 0 differs by 0.001 (allowed: 0.0001)"),
        ((_prediction(0, None, 0.75),), "prediction 0 differs by inf"),
        ((_prediction(0, 0.25),), "prediction 0 differs by inf"),
        ((_prediction(0, 0.25, 0.75, label="a"),), "prediction 0 is `a`, not `b`"),
        ((_prediction(0, 0.25, 0.75, row=9),), "`row` of prediction 0 is 9, not 0"),
        ((_prediction(0, 0.25, 0.75, time_s=0.1),), "`time_s` of prediction 0 is 0.1, not 0.0"),
        ((BASE.predictions[0],), "there are 1 predictions, not 2"),
        ((*BASE.predictions, _prediction(2, 0.5, 0.5)), "there are 3 predictions, not 2"),
    ],
)
def test_other_predictions_are_found(predictions: tuple[dict[str, Any], ...], problem: str) -> None:
    """Too far, no number, another label, another place, too few, too many."""
    found = compare(BASE, Records(predictions=predictions, events=BASE.events), TOLERANCE)

    assert found.problem.startswith(problem)


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ((), "there are 0 events, not 1"),
        ((BASE.events[0], _event(1, "b", 0.5)), "there are 2 events, not 1"),
        (
            (_event(1, "b", 0.875),),
            "event 0 is `b` at 0.5 s (prediction 1), not `a` at 0.5 s (prediction 1)",
        ),
        ((_event(0, "a", 0.875),), "event 0 is `a` at 0 s (prediction 0), not `a` at 0.5 s"),
        ((_event(1, None, None),), "event 0 is `none` at 0.5 s"),
        ((_event(1, "a", 0.88),), "the score of event 0 is 0.88, not 0.875"),
        ((_event(1, "a", 0.875, output="x"),), "event 0 is `a`"),
    ],
)
def test_other_events_are_found(events: tuple[dict[str, Any], ...], problem: str) -> None:
    """An event more or less, of another state, at another time; only the score has a tolerance."""
    found = compare(BASE, Records(predictions=BASE.predictions, events=events), TOLERANCE)

    assert found.problem.startswith(problem)


def test_labels_may_change_where_the_scores_are_equal() -> None:
    """Two scores that are equal within the tolerance have no order."""
    ours = Records(predictions=(_prediction(0, 0.50001, 0.5),), events=())
    theirs = Records(predictions=(_prediction(0, 0.5, 0.50001),), events=())

    assert compare(ours, theirs, TOLERANCE).problem == ""
    assert compare(ours, theirs, 1e-6).problem != ""


def test_what_is_no_number_equals_itself() -> None:
    """NaN is null in JSON."""
    nan = Records(predictions=(_prediction(0, None, 0.5),), events=(_event(0, "a", None),))

    assert compare(nan, nan, TOLERANCE).problem == ""


def test_a_recording_without_a_prediction_proves_nothing() -> None:
    """It is too short."""
    none = Records(predictions=(), events=())

    assert "too short" in compare(none, none, TOLERANCE).problem
