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
