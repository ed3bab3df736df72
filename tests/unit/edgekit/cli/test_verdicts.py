"""Verdicts of `eval`, and how long ago something was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.config import Columns, Stream
from edge_agent.recording import RecordingReader
from edgekit.cli.console import Console
from edgekit.cli.eval import _failures, _headline, _rows, _show, _usual_label
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
    found = _failures(_evaluation(right=right, same=same), 0.9, proven=True)

    assert list(found) == failed
    assert all(isinstance(error, VerificationFailed) for error in found.values())


def test_an_approximate_model_may_decide_otherwise() -> None:
    """That it does is what its verdict says; its accuracy is judged all the same."""
    found = _failures(_evaluation(right=100, same=100), 0.9, proven=False)

    assert list(found) == ["accuracy"]


def test_without_a_bound_no_accuracy_fails() -> None:
    """Nobody has said what is good enough."""
    evaluation = _evaluation(right=0, same=1000)

    assert _failures(evaluation, None, proven=True) == {}
    assert _headline(evaluation) == "0.0%: 0 of 1000 windows are right"


@pytest.mark.parametrize(
    ("counts", "usual"),
    [
        (((90, 0), (9, 1)), None),
        (((90, 0), (10, 0)), "a"),
        (((0, 10), (5, 85)), "b"),
        (((10, 90), (0, 0)), None),
    ],
    ids=["better", "only ever the one", "worse", "nothing else to say"],
)
def test_a_model_that_is_no_better_than_a_constant(
    counts: tuple[tuple[int, ...], ...], usual: str | None
) -> None:
    """90 of 100 are right, and so would be who always says the most frequent label."""
    evaluation = replace(
        _evaluation(right=0, same=100, windows=100),
        confusion=Confusion(labels=("a", "b"), counts=counts),
    )

    assert _usual_label(evaluation) == usual


def test_quiet_leaves_the_headline(capsys: pytest.CaptureFixture[str]) -> None:
    """No tables and no notes."""
    evaluation = replace(_evaluation(right=999, same=1000), notes=("dropped as ragged: 1",))

    _show(evaluation, Path("val.csv"), Console(quiet=True))

    shown = capsys.readouterr()
    assert shown.out == "\n99.9%: 999 of 1000 windows are right (val.csv)\n"
    assert shown.err == ""


def test_notes_that_matter_are_told_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the reader really says of a bad sample and of another rate; which column is the time, `check` has said."""
    rows = [f"{index / 20},1,a" for index in range(100)]
    rows[50] = "2.5,nan,a"
    path = tmp_path / "val.csv"
    path.write_text("\n".join(["stamp,ax,gesture", *rows]) + "\n")
    stream = Stream(channels=("ax",), rate_hz=50, window=4, hop=2)
    reader = RecordingReader(path, stream, Columns(time="stamp"))
    for _ in reader:
        pass
    evaluation = replace(_evaluation(right=999, same=1000), notes=tuple(reader.notes))

    _show(evaluation, path, Console())
    short = capsys.readouterr().err
    _show(evaluation, path, Console(verbose=True))
    long = capsys.readouterr().err

    assert "note: the recording runs at 20 Hz, `rate_hz` is 50" in short
    assert "note: dropped as bad value: 1" in short
    assert "gesture" not in short
    assert "gesture" in long


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


def test_outputs_that_are_no_numbers_are_said() -> None:
    """With their number."""
    rows = dict(_rows(replace(_evaluation(right=999, same=1000), nonfinite=7)))

    assert rows["not finite"].startswith("the outputs of 7 windows")
    assert "not finite" not in dict(_rows(_evaluation(right=999, same=1000)))
