"""Evaluate: the whole pipeline over recordings, with functions for models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgekit.errors import ConfigError, DataError, ModelError, VerificationFailed
from edgekit.model.evaluation import tally
from edgekit.model.evaluation.evaluate import evaluate
from edgekit.model.graph_spec import GraphSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgekit.project import Project

    Make = Callable[[str], Project]


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    """Write rows `(a, b, label)` as CSV."""

    def write(rows: list[tuple[Any, ...]], header: str = "a,b,label") -> Path:
        path = tmp_path / "recording.csv"
        path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
        return path

    return write


LEFT, RIGHT = (1.0, 0.0, "left"), (0.0, 1.0, "right")


def test_right_wrong_and_mixed(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """Windows of one label are judged, the others are counted apart, and the sums add up."""
    path = recording([LEFT] * 8 + [RIGHT] * 6 + [(1.0, 0.0, "right")] * 4)

    result = evaluate(compiled, path, project(""))

    # 8 windows: left 0-4, 2-6, 4-8; mixed 6-10; right 8-12, 10-14; (2 wrong rows: a tie, argmax left) 12-16; 14-18
    assert (result.windows.total, result.windows.judged, result.windows.mixed) == (8, 7, 1)
    assert result.confusion is not None
    assert result.confusion.counts == ((3, 0), (2, 2))
    assert result.accuracy == 5 / 7
    worst = result.worst[0]
    assert (worst.first_row, worst.last_row, worst.true, worst.predicted) == (
        16,
        19,
        "right",
        "left",
    )
    assert result.agreement.whole


def test_to_json_is_json(compiled: Any, project: Make, recording: Callable[..., Path]) -> None:
    """It survives a strict writer, and carries what the report shows."""
    result = evaluate(compiled, recording([LEFT] * 4 + [(1.0, 0.0, "right")] * 4), project(""))

    document = json.loads(json.dumps(result.to_json(), allow_nan=False))

    assert document["windows"] == {
        "total": 3,
        "judged": 2,
        "mixed": 1,
        "ignored": 0,
        "unlabelled": 0,
    }
    assert document["confusion"]["counts"] == [[1, 0], [1, 0]]
    assert document["agreement"]["share"] == 1.0


def test_unknown_labels_stop_the_evaluation(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """All of them are named, also one that comes long after the first."""
    path = recording([LEFT] * 6 + [(0, 0, "rihgt")] * 300 + [(0, 0, "up")])

    with pytest.raises(DataError) as caught:
        evaluate(compiled, path, project(""))

    assert "`rihgt` (near: `right`)" in caught.value.message
    assert "`up`" in caught.value.message


def test_ignored_labels_are_not_judged(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """Their windows, and those with a blank label, are counted apart."""
    path = recording([LEFT] * 4 + [(0, 0, "up")] * 4 + [(0, 0, "")] * 4)

    result = evaluate(compiled, path, project('[test]\nlabel = "label"\nignore = ["up"]\n'))

    assert (result.windows.judged, result.windows.ignored, result.windows.mixed) == (1, 4, 0)


def test_without_labels_only_agreement(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """Nothing is right or wrong; a sentence says so, and `min_accuracy` cannot be met."""
    result = evaluate(compiled, recording([(1, 0)] * 8, header="a,b"), project(""))

    assert (result.accuracy, result.windows.unlabelled) == (None, 3)
    assert any("no label column" in note for note in result.notes)
    with pytest.raises(VerificationFailed, match="no window could be judged"):
        result.require(0.5)


def test_accuracy_below_the_least(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """The error has both numbers."""
    result = evaluate(compiled, recording([LEFT] * 4 + [(1.0, 0.0, "right")] * 4), project(""))

    result.require(0.5)
    with pytest.raises(VerificationFailed, match=r"0\.5000 \(1 of 2 windows\).*0\.6"):
        result.require(0.6)


def test_a_difference_to_the_reference_is_found(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """A reference that swaps the channels decides every window otherwise."""
    swapped = compiled.but(reference_model=lambda windows: windows.mean(axis=1)[:, ::-1])

    result = evaluate(swapped, recording([LEFT] * 8), project(""))

    assert (result.accuracy, result.agreement.share, result.agreement.same_events) == (
        1.0,
        0.0,
        False,
    )
    assert result.agreement.max_abs_difference == 1.0


def test_decisions_restart_where_the_agent_restarts(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """Two groups of one label make an event each; a bad row between them only cuts the windows."""
    rows = [(*LEFT, "x")] * 6 + [("nan", 0, "left", "x")] + [(*LEFT, "x")] * 6 + [(*LEFT, "y")] * 6

    result = evaluate(compiled, recording(rows, header="a,b,label,group"), project(""))

    assert result.windows.total == 6
    assert (result.agreement.events, result.agreement.same_events) == (2, True)
    assert result.samples_dropped == {"bad_value": 1}
    assert result.samples_read == 19


def test_batches_change_nothing(
    compiled: Any, project: Make, recording: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording that needs many runs of the reference has the result of one that needs one."""
    random = np.random.default_rng(3)
    rows = [
        (*random.normal(size=2).round(3), random.choice(["left", "right"]), index // 90)
        for index in range(900)
    ]
    path = recording([row for row in rows for _ in range(5)], header="a,b,label,group")
    whole = evaluate(compiled, path, project(""))
    calls: list[int] = []

    def count(windows: Any) -> Any:
        calls.append(len(windows))
        return compiled.model(windows)

    monkeypatch.setattr(tally, "BATCH_BYTES", 4096)
    parts = evaluate(compiled.but(reference_model=count), path, project(""))

    assert len(calls) > 5
    assert sum(calls) == whole.windows.total
    assert parts == whole


def test_values_against_the_last_sample(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """The error is to the last sample's number; a blank is left out."""
    spec = GraphSpec(window=4, channels=2, output_kind="value")
    value = compiled.but(
        spec=spec,
        labels=(),
        model=lambda windows: windows[:, -1, :1],
        reference_model=lambda windows: windows[:, -1, :1],
    )
    rows = [(index, 0, index + (2 if index == 5 else 0)) for index in range(9)] + [(9, 0, "")]

    result = evaluate(value, recording(rows), project('[output]\nkind = "value"\n'))

    assert result.value is not None
    assert (result.value.windows, result.value.mean_absolute, result.value.largest) == (
        3,
        2 / 3,
        2.0,
    )
    assert (result.windows.ignored, result.windows.mixed) == (1, 0)
    assert (result.worst[0].true, result.worst[0].predicted) == ("7", "5")


def test_values_need_numbers(compiled: Any, project: Make, recording: Callable[..., Path]) -> None:
    """A label that is no number is named."""
    spec = GraphSpec(window=4, channels=2, output_kind="value")
    value = compiled.but(spec=spec, labels=(), model=lambda windows: windows[:, -1, :1])

    with pytest.raises(DataError, match="`left`"):
        evaluate(value, recording([LEFT] * 8), project('[output]\nkind = "value"\n'))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('[output]\nkind = "value"\n[test]\nmin_accuracy = 0.9\n', "neither"),
        ('[output]\nkind = "anomaly"\n[test]\nmin_accuracy = 0.9\n', "needs a threshold"),
    ],
)
def test_min_accuracy_that_makes_no_sense(
    compiled: Any, project: Make, recording: Callable[..., Path], more: str, message: str
) -> None:
    """It is refused before anything runs."""
    with pytest.raises(ConfigError, match=message):
        evaluate(compiled, recording([LEFT] * 8), project(more))


def test_anomaly_scores(compiled: Any, project: Make, recording: Callable[..., Path]) -> None:
    """Two labels and a threshold: area under the curve, accuracy."""
    spec = GraphSpec(window=4, channels=2, output_kind="anomaly")
    score = compiled.but(
        spec=spec,
        labels=(),
        model=lambda windows: windows[:, -1, :1],
        reference_model=lambda windows: windows[:, -1, :1],
    )
    rows = [(0.1, 0, "normal")] * 8 + [(0.9, 0, "leak")] * 8

    result = evaluate(
        score, recording(rows), project('[output]\nkind = "anomaly"\n[decision]\nthreshold = 0.5\n')
    )

    assert result.anomaly is not None
    assert (result.anomaly.area_under_curve, result.accuracy) == (1.0, 1.0)


def test_a_recording_without_a_whole_window(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """Three samples for windows of four."""
    with pytest.raises(DataError, match="no whole window"):
        evaluate(compiled, recording([LEFT] * 3), project(""))


def test_labels_that_do_not_fit_the_outputs(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """Both numbers are said."""
    with pytest.raises(ConfigError, match="3 names for 2 outputs"):
        evaluate(compiled.but(labels=("a", "b", "c")), recording([LEFT] * 8), project(""))


def test_an_engine_that_fails_is_a_sentence(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """It names the rows."""

    def fail(windows: Any) -> Any:
        if windows.any():
            raise RuntimeError("out of order")
        return np.zeros((1, 2))

    with pytest.raises(ModelError, match="between row 2 and 9: out of order"):
        evaluate(compiled.but(model=fail), recording([LEFT] * 8), project(""))


def test_named_tensors_have_no_recording(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """The hint says how arrays are evaluated."""
    with pytest.raises(ConfigError) as caught:
        evaluate(compiled.but(spec=None), recording([LEFT] * 8), project(""))

    assert "evaluate(X, y)" in str(caught.value.hint)


def test_outputs_that_are_no_numbers_are_counted(
    compiled: Any, project: Make, recording: Callable[..., Path]
) -> None:
    """A model that gives NaN is not right by its first label; the JSON says how many windows."""

    def broken(windows: Any) -> Any:
        return np.full((len(windows), 2), np.nan, np.float32)

    result = evaluate(
        compiled.but(model=broken, reference_model=broken), recording([LEFT] * 8), project("")
    )

    assert (result.accuracy, result.nonfinite) == (0.0, 3)
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert document["nonfinite"] == 3
    assert document["confusion"]["no_label"] == [3, 0]


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ("[decision]\nthreshold = 0.5\n", r"accuracy is 0\.6667 \(2 of 3 windows\)"),
        ("", "by a threshold, and there is none"),
    ],
)
def test_normal_windows_alone(
    compiled: Any,
    project: Make,
    recording: Callable[..., Path],
    threshold: str,
    message: str,
) -> None:
    """Those below the threshold are right; without one the sentence says what is missing."""
    score = compiled.but(
        spec=GraphSpec(window=4, channels=2, output_kind="anomaly"),
        labels=(),
        model=lambda windows: windows[:, -1, :1],
        reference_model=lambda windows: windows[:, -1, :1],
    )
    rows = [(0.1, 0, "fine")] * 7 + [(0.9, 0, "fine")]

    result = evaluate(score, recording(rows), project('[output]\nkind = "anomaly"\n' + threshold))

    assert any("`fine`, taken for the normal state" in note for note in result.notes)
    with pytest.raises(VerificationFailed, match=message):
        result.require(0.9)
