"""Golden: a pipeline held against its record."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.errors import ConfigError, DataError
from edgekit.model.golden.golden import GoldenReport, _shifted, compare_golden

RAW = np.random.default_rng(5).normal(size=(9, 4, 2)).astype(np.float32)


class FakeReference:
    """A reference whose model alone gives the means of the channels."""

    def __init__(self, source: Any, spec: Any, options: object) -> None:
        del source, options
        assert (spec.scale, spec.activation) == (None, "none")

    def predict(self, windows: Any) -> Any:
        """Return the means."""
        return windows.mean(axis=1)


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search for mistakes without ONNX Runtime."""
    monkeypatch.setattr("edgekit.model.proof.reference.Reference", FakeReference)


def test_a_notebook_needs_numpy_alone(tmp_path: Path) -> None:
    """Writing a record loads neither ONNX nor the engine."""
    code = (
        "import sys, edgekit; edgekit.golden([[[1.0]]], [[0.5]], 'g.npz');"
        "print([name for name in ('onnx', 'onnxruntime', 'edgekit_runtime', 'pydantic') if name in sys.modules])"
    )
    search = {"PYTHONPATH": str(Path(edgekit.__file__).parents[1])}

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=search,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
    assert (tmp_path / "g.npz").is_file()


def test_equal_windows(compiled: Any, tmp_path: Path) -> None:
    """The same numbers, from windows: equal, with how near."""
    edgekit.golden(RAW, RAW.mean(axis=1), tmp_path / "g.npz", labels=["left", "right"])

    report = compare_golden(compiled, tmp_path / "g.npz")

    assert (report.verdict, report.windows, report.argmax_agreement) == ("equal", 9, 1.0)
    assert report.sentence.startswith(
        "pipeline: equal to your golden (9 windows, largest difference"
    )
    json.dumps(report.to_json(), allow_nan=False)


def test_equal_recording_with_its_own_hop(compiled: Any, tmp_path: Path) -> None:
    """A continuous recording goes through the stream, with the record's hop."""
    recording = RAW.reshape(-1, 2)
    outputs = np.stack([recording[start : start + 4].mean(axis=0) for start in range(0, 33, 3)])
    edgekit.golden(recording, outputs, tmp_path / "g.npz", hop=3)

    report = compare_golden(compiled, tmp_path / "g.npz")

    assert (report.verdict, report.windows) == ("equal", 11)


def test_the_mistake_is_in_the_sentence(compiled: Any, tmp_path: Path) -> None:
    """Where it differs, by how much, and what makes it match."""
    edgekit.golden(RAW, RAW.mean(axis=1) / 1000, tmp_path / "g.npz")

    report = compare_golden(compiled, tmp_path / "g.npz")

    assert report.verdict == "differs"
    assert f"at window {report.worst_window}, output `" in report.sentence
    assert "it matches with samples times 0.001 (the recording in milli-units" in report.sentence


def test_windows_shifted_by_one(compiled: Any, tmp_path: Path) -> None:
    """A notebook that left out the first window."""
    outputs = np.roll(RAW.mean(axis=1), -1, axis=0)
    edgekit.golden(RAW, outputs, tmp_path / "g.npz")

    assert "one window earlier" in compare_golden(compiled, tmp_path / "g.npz").reason


@pytest.mark.parametrize(("share", "verdict"), [(0.9, "equal"), (1.1, "differs")])
def test_the_tolerance(compiled: Any, tmp_path: Path, share: float, verdict: str) -> None:
    """1e-4 of the largest output: just below is equal, just above is not."""
    outputs = RAW.mean(axis=1)
    outputs[4, 1] += share * 1e-4 * np.abs(outputs).max()
    edgekit.golden(RAW, outputs, tmp_path / "g.npz")

    report = compare_golden(compiled, tmp_path / "g.npz")

    assert report.verdict == verdict
    assert (report.worst_window, report.worst_output) == (4, 1)


def test_lower_precision_is_recognised(compiled: Any, tmp_path: Path) -> None:
    """Outputs of float16 differ, and the hint says why."""
    outputs = RAW.mean(axis=1).astype(np.float16).astype(np.float32)
    edgekit.golden(RAW, outputs, tmp_path / "g.npz")

    report = compare_golden(compiled, tmp_path / "g.npz")

    assert report.verdict == "differs"
    assert "lower precision, or mean and std are rounded" in str(report.hint)


def test_labels_in_another_order_differ(compiled: Any, tmp_path: Path) -> None:
    """Equal numbers under other names are another result."""
    edgekit.golden(RAW, RAW.mean(axis=1), tmp_path / "g.npz", labels=["right", "left"])

    report = compare_golden(compiled, tmp_path / "g.npz")

    assert report.verdict == "differs"
    assert "the label names stand in another order" in report.reason
    assert "lists left, right; the record right, left" in str(report.hint)


@pytest.mark.parametrize(
    ("theirs", "said"), [(["b", "a"], "stand in another order"), (["a", "c"], "are others")]
)
def test_channels_in_another_order_differ(
    compiled: Any, tmp_path: Path, theirs: list[str], said: str
) -> None:
    """The record's samples fit the model; the project would feed it other columns."""
    edgekit.golden(RAW, RAW.mean(axis=1), tmp_path / "g.npz", channels=theirs)

    report = compare_golden(compiled.but(channels=("a", "b")), tmp_path / "g.npz")

    assert report.verdict == "differs"
    assert f"the channel names {said}" in report.sentence
    assert f"`[input] channels` lists a, b; the record {', '.join(theirs)}" in str(report.hint)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({}, "; channel names and label names not in it)"),
        ({"labels": ["left", "right"]}, "; channel names not in it)"),
        ({"labels": ["left", "right"], "channels": ["a", "b"]}, "0)"),
    ],
)
def test_what_was_not_compared_is_said(
    compiled: Any, tmp_path: Path, names: dict[str, Any], said: str
) -> None:
    """Equal numbers say nothing of names that the record does not hold."""
    edgekit.golden(RAW, RAW.mean(axis=1), tmp_path / "g.npz", **names)

    report = compare_golden(compiled.but(channels=("a", "b")), tmp_path / "g.npz")

    assert report.verdict == "equal"
    assert report.sentence.endswith(said)


def test_a_forgotten_scaler_is_recognised(compiled: Any, tmp_path: Path) -> None:
    """The notebook standardised with numbers of its training data, which the record does not hold."""
    raw = RAW * (3.0, 9.0) + (40.0, -7.0)
    outputs = ((raw - (40.2, -7.3)) / (2.9, 9.2)).mean(axis=1)
    edgekit.golden(raw, outputs, tmp_path / "g.npz")

    report = compare_golden(compiled, tmp_path / "g.npz")

    assert "look standardised in the notebook" in report.reason
    assert report.hint == "put your scaler's numbers into `[input] mean` and `std`"


def test_another_model_is_not_called_standardised(compiled: Any, tmp_path: Path) -> None:
    """Nothing is invented where nothing fits."""
    outputs = np.random.default_rng(6).normal(size=(9, 2)).astype(np.float32)
    edgekit.golden(RAW, outputs, tmp_path / "g.npz")

    report = compare_golden(compiled, tmp_path / "g.npz")

    assert (report.verdict, report.hint) == ("differs", None)
    assert "standardised" not in report.reason


def test_nan_outputs_differ(compiled: Any, tmp_path: Path) -> None:
    """A NaN on our side is no small difference."""
    edgekit.golden(RAW, RAW.mean(axis=1), tmp_path / "g.npz")
    broken = compiled.but(model=lambda windows: np.full((len(windows), 2), np.nan, np.float32))

    report = compare_golden(broken, tmp_path / "g.npz")

    assert report.verdict == "differs"
    assert report.to_json()["max_abs_error"] is None


def test_another_number_of_outputs(compiled: Any, tmp_path: Path) -> None:
    """It is said, not broadcast."""
    edgekit.golden(RAW, RAW.mean(axis=1)[:, 0], tmp_path / "g.npz")

    with pytest.raises(DataError, match="1 outputs a window, the model has 2"):
        compare_golden(compiled, tmp_path / "g.npz")


def test_named_tensors_have_no_golden(compiled: Any, tmp_path: Path) -> None:
    """The key to remove is named."""
    with pytest.raises(ConfigError, match="named tensors"):
        compare_golden(replace(compiled, spec=None), tmp_path / "g.npz")


def test_not_checked_says_how() -> None:
    """Without a record the line is there, and the way to one."""
    report = GoldenReport.not_checked()

    assert report.sentence == "pipeline: not checked"
    assert "edgekit.golden(raw, outputs" in str(report.hint)


@pytest.mark.parametrize("theirs", [[1.0, 2.0], [9.0, 1.0, 1.0, 1.0]])
def test_little_evidence_is_no_shift(theirs: list[float]) -> None:
    """Two windows, or one that differs alone beside equal ones."""
    ours = np.array([[2.0], [7.0]] if len(theirs) == 2 else [[1.0]] * 4, np.float32)

    assert _shifted(ours, np.array(theirs, np.float32)[:, np.newaxis], 1e-4) is None


def test_all_windows_one_later() -> None:
    """That is a shift."""
    ours = np.array([[1.0], [2.0], [3.0]], np.float32)
    theirs = np.array([[0.0], [1.0], [2.0]], np.float32)

    assert str(_shifted(ours, theirs, 1e-4)).startswith("one window later")
