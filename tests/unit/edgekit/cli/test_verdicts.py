"""Verdicts of `eval`, and how long ago something was."""

from __future__ import annotations

import pytest

from edgekit.cli.eval import _failures, _headline
from edgekit.cli.overview import ago
from edgekit.errors import VerificationFailed
from edgekit.model.evaluation.agreement import Agreement
from edgekit.model.evaluation.confusion import Confusion
from edgekit.model.evaluation.evaluation import Evaluation, WindowCounts


def _evaluation(*, right: int, same: int, windows: int = 1000) -> Evaluation:
    return Evaluation(
        kind="classes",
        windows=WindowCounts(total=windows, judged=windows, mixed=0, ignored=0, unlabelled=0),
        agreement=Agreement(
            windows=windows,
            same_label=same,
            events=1,
            reference_events=1,
            same_events=True,
            first_difference=None if same == windows else 17,
            max_abs_difference=1e-7,
            largest_output=1.0,
        ),
        confusion=Confusion(labels=("a", "b"), counts=((right, windows - right), (0, 0))),
    )


@pytest.mark.parametrize(
    ("right", "same", "failed"),
    [
        (900, 1000, []),
        (899, 1000, ["accuracy"]),
        (900, 999, []),
        (900, 998, ["decisions equal the reference pipeline's"]),
        (100, 100, ["decisions equal the reference pipeline's", "accuracy"]),
    ],
)
def test_what_fails_an_evaluation(right: int, same: int, failed: list[str]) -> None:
    """Too many windows wrong, or decided otherwise than by the reference; one in a thousand may lie on the edge."""
    found = _failures(_evaluation(right=right, same=same), 0.9)

    assert list(found) == failed
    assert all(isinstance(error, VerificationFailed) for error in found.values())


def test_without_a_bound_no_accuracy_fails() -> None:
    """Nobody has said what is good enough."""
    evaluation = _evaluation(right=0, same=1000)

    assert _failures(evaluation, None) == {}
    assert _headline(evaluation) == "0.0%: 0 of 1000 windows are right"


@pytest.mark.parametrize(
    ("passed_s", "text"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (7300, "2 hours ago"),
        (200_000, "2 days ago"),
    ],
)
def test_how_long_ago(passed_s: float, text: str) -> None:
    """One unit is enough; a clock that was set back is no error."""
    assert ago(1000.0, 1000.0 + passed_s) == text
