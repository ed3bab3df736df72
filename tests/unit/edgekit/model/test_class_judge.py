"""Judging classes: unknown labels, numbers for names, one output."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.model.evaluation.class_judge import ClassJudge
from edgekit.model.evaluation.windows import Windows


def test_unknown_labels_are_named_with_near_ones() -> None:
    """The error says which labels, which name is near, and both ways out."""
    judge = ClassJudge(("walking", "running"), 2, (), None)
    judge.encode(("walking", "wlking", "sitting"))

    assert judge.unusable
    with pytest.raises(DataError) as caught:
        judge.check()

    assert "`wlking` (near: `walking`)" in caught.value.message
    assert "`sitting`" in caught.value.message
    assert caught.value.hint is not None
    assert "[test] ignore" in caught.value.hint
    assert "[model] labels" in caught.value.hint


def test_many_unknown_labels_are_counted() -> None:
    """A column of something else does not fill the screen."""
    judge = ClassJudge(("a",) * 2, 2, (), None)
    judge.encode([f"subject {index}" for index in range(100)])

    with pytest.raises(DataError, match="`subject 7` and 92 more"):
        judge.check()


def test_blank_and_ignored_labels_do_not_count() -> None:
    """They become NaN and are no error."""
    judge = ClassJudge(("a", "b"), 2, ("transition",), None)

    codes = judge.encode(("a", "", "transition", "b"))
    judge.check()

    assert np.isnan(codes).tolist() == [False, True, True, False]


@pytest.mark.parametrize("label", ["1", "1.0", 1, 1.0])
def test_without_names_numbers_are_indices(label: object) -> None:
    """However a whole number is written."""
    judge = ClassJudge((), 3, (), None)

    assert judge.encode((label,)).tolist() == [1.0]


def test_numbers_beyond_the_outputs_are_unknown() -> None:
    """Class 3 of three outputs does not exist."""
    judge = ClassJudge((), 3, (), None)
    judge.encode(("3",))

    with pytest.raises(DataError, match="`3`"):
        judge.check()


def test_the_most_confident_errors_come_first() -> None:
    """Loss is how far the wrong output stands above the right one."""
    judge = ClassJudge(("a", "b"), 2, (), None)
    truth = np.array([0.0, 0.0, 1.0])
    judge.add(Windows.alone(truth), np.array([[0.4, 0.6], [0.9, 0.1], [0.95, 0.05]], np.float32))

    verdict = judge.verdict()

    assert verdict.confusion is not None
    assert verdict.confusion.counts == ((1, 1), (1, 0))
    assert [(window.index, window.true, window.predicted) for window in verdict.worst] == [
        (2, "b", "a"),
        (0, "a", "b"),
    ]
    assert verdict.worst[0].loss == pytest.approx(0.9)


def test_one_output_is_its_label_or_not() -> None:
    """Any other label in the recording means "not"; the threshold divides."""
    judge = ClassJudge(("fall",), 1, (), 0.7)
    truth = judge.encode(("fall", "walk", "fall", "sit"))
    judge.check()
    judge.add(Windows.alone(truth), np.array([[0.7], [0.69], [0.1], [0.9]], np.float32))

    confusion = judge.verdict().confusion

    assert confusion is not None
    assert confusion.labels == ("not fall", "fall")
    assert confusion.counts == ((1, 1), (1, 1))


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_no_numbers_are_wrong(outputs: int, bad: float) -> None:
    """They make no label, as in the agent; they are counted, and the worst of all."""
    judge = ClassJudge(("a", "b")[:outputs], outputs, (), None)
    true = np.array([0.0, 0.0, 1.0])
    judge.add(Windows.alone(true), np.array([[bad] * outputs] * 3, np.float32))

    verdict = judge.verdict()

    assert verdict.confusion is not None
    assert (verdict.confusion.right, verdict.confusion.total) == (0, 3)
    assert verdict.confusion.no_label == (2, 1)
    assert [score.recall for score in verdict.confusion.by_label] == [0, 0]
    assert {window.predicted for window in verdict.worst} == {"no label"}


@pytest.mark.parametrize("label", ["Falling", "FALLING", "faling", "fallling"])
def test_a_near_name_of_the_one_label_is_a_slip(label: str) -> None:
    """It would count as its opposite."""
    judge = ClassJudge(("falling",), 1, (), None)
    judge.encode(("walk", label))

    with pytest.raises(DataError, match=f"`{label}`.*did you mean `falling`"):
        judge.check()


@pytest.mark.parametrize(
    ("positive", "other"), [("abnormal", "normal"), ("active", "inactive"), ("fall", "walk")]
)
def test_an_opposite_is_no_slip(positive: str, other: str) -> None:
    """However alike the two are written."""
    judge = ClassJudge((positive,), 1, (), None)
    judge.encode((other, positive))

    judge.check()


def test_without_a_window_of_the_one_label() -> None:
    """All is right as long as nothing is found: a note says so."""
    judge = ClassJudge(("fall",), 1, (), None)
    judge.add(Windows.alone(judge.encode(("walk",))), np.array([[0.1]], np.float32))

    assert "no window has the label `fall`" in judge.verdict().notes[0]
