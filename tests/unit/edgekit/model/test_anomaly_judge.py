"""Judging anomaly scores."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.model.evaluation.anomaly_judge import AnomalyJudge
from edgekit.model.evaluation.windows import Windows


def test_scores_are_separated_and_false_ones_listed() -> None:
    """The more frequent label is normal; a missed anomaly and a false alarm are the worst windows."""
    judge = AnomalyJudge((), 0.5)
    truth = judge.encode(("leak", "running", "running", "running", "leak"))
    judge.add(Windows.alone(truth), np.array([[0.9], [0.1], [0.8], [0.2], [0.4]], np.float32))

    verdict = judge.verdict()

    assert verdict.anomaly is not None
    assert (verdict.anomaly.normal, verdict.anomaly.anomalous) == ("running", "leak")
    assert verdict.anomaly.area_under_curve == pytest.approx(5 / 6)
    assert verdict.anomaly.accuracy == pytest.approx(3 / 5)
    assert [(window.index, window.predicted) for window in verdict.worst] == [
        (2, "anomaly"),
        (4, "normal"),
    ]


@pytest.mark.parametrize(("threshold", "accuracy"), [(None, None), (0.15, 1 / 3)])
def test_one_label_alone_is_the_normal_state(
    threshold: float | None, accuracy: float | None
) -> None:
    """There is no curve; with a threshold the false alarms are counted, and a score that is no number is one."""
    judge = AnomalyJudge((), threshold)
    scores = np.array([[0.1], [0.2], [np.nan]], np.float32)
    judge.add(Windows.alone(judge.encode(("fine",) * 3)), scores)

    verdict = judge.verdict()

    assert verdict.anomaly is not None
    assert (verdict.anomaly.normal, verdict.anomaly.anomalous) == ("fine", None)
    assert (verdict.anomaly.area_under_curve, verdict.anomaly.accuracy) == (None, accuracy)
    assert "`fine`, taken for the normal state" in verdict.notes[0]


def test_scores_that_are_no_numbers_are_on_the_wrong_side() -> None:
    """The agent decides nothing by them."""
    judge = AnomalyJudge((), 0.5)
    truth = judge.encode(("ok", "ok", "leak", "leak"))
    scores = np.array([[0.1], [np.nan], [np.nan], [np.inf]], np.float32)
    judge.add(Windows.alone(truth), scores)

    verdict = judge.verdict()

    assert verdict.anomaly is not None
    assert (verdict.anomaly.area_under_curve, verdict.anomaly.right) == (0.0, 1)
    assert [window.predicted for window in verdict.worst] == ["neither"] * 3


def test_three_labels_are_refused() -> None:
    """Unless one of them is ignored."""
    judge = AnomalyJudge((), None)
    judge.encode(("ok", "leak", "repair"))
    with pytest.raises(DataError, match="`ok`, `leak`, `repair`"):
        judge.check()

    judge = AnomalyJudge(("repair",), None)
    judge.encode(("ok", "leak", "repair"))
    judge.check()
