"""Agreement: decisions of two pipelines side by side."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.config import Decision
from edgekit.model.evaluation.agreement import AgreementCount

LABELS = ("left", "right")


def rows(*scores: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return outputs of two classes, from the score of the second."""
    return np.array([(1 - score, score) for score in scores], np.float32)


def test_equal_outputs_agree_wholly() -> None:
    """The same numbers give the same labels and events."""
    count = AgreementCount("classes", LABELS, Decision(threshold=0.6), sequence=True)
    count.add(rows(0.1, 0.9, 0.9), rows(0.1, 0.9, 0.9))

    result = count.result()

    assert (result.share, result.events, result.same_events, result.whole) == (1.0, 2, True, True)


def test_a_tiny_difference_at_the_threshold_is_seen() -> None:
    """The label is the same, the event is not: outputs within any tolerance, another decision."""
    count = AgreementCount("classes", LABELS, Decision(threshold=0.6), sequence=True)
    count.add(rows(0.1, 0.60001), rows(0.1, 0.59999))

    result = count.result()

    assert result.same_label == 2
    assert (result.same_events, result.first_difference) == (False, 1)
    assert result.max_abs_difference == pytest.approx(2e-5, rel=0.01)


def test_another_label_is_counted() -> None:
    """One of four windows is decided otherwise."""
    count = AgreementCount("classes", LABELS, Decision(), sequence=True)
    count.add(rows(0.1, 0.9, 0.49, 0.1), rows(0.1, 0.9, 0.51, 0.1))

    result = count.result()

    assert (result.share, result.first_difference) == (0.75, 2)


def test_a_new_recording_forgets_the_state() -> None:
    """After a new group the same label is an event again; after a gap it is not."""
    count = AgreementCount("classes", LABELS, Decision(), sequence=True)
    for new_recording in (True, False, True):
        count.restart(new_recording=new_recording)
        count.add(rows(0.9), rows(0.9))

    assert count.result().events == 2


def test_nan_on_one_side_is_no_agreement() -> None:
    """A NaN does not hide in the largest difference."""
    count = AgreementCount("raw", (), Decision(), sequence=True)
    count.add(np.array([[np.nan, 1]], np.float32), np.array([[0, 1]], np.float32))

    assert count.result().max_abs_difference == np.inf


def test_windows_that_stand_alone_make_no_events() -> None:
    """Arrays are no sequence: labels are compared, events are not counted."""
    count = AgreementCount("classes", LABELS, Decision(), sequence=False)
    count.add(rows(0.9, 0.1), rows(0.9, 0.2))

    result = count.result()

    assert (result.share, result.events, result.same_events) == (1.0, None, None)


def test_equal_infinities_do_not_differ() -> None:
    """Infinity less infinity is no number; here it is 0."""
    count = AgreementCount("raw", (), Decision(), sequence=True)
    both = np.array([[np.inf, -np.inf, 1]], np.float32)
    count.add(both, both.copy())

    assert count.result().max_abs_difference == 0
