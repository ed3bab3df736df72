"""A third party's model and real recordings, from raw samples to the verdict."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import edgekit
from edgekit.model.compile import compile_project
from edgekit.model.evaluation.evaluate import evaluate
from edgekit.model.golden.golden import compare_golden
from edgekit.model.meaning.meaning import findings
from edgekit.model.recorded import recorded_windows
from edgekit.project import Project

if TYPE_CHECKING:
    from edgekit.model.compile import CompiledModel

MODELS = Path(
    os.environ.get(
        "EDGEKIT_REFERENCE_MODELS", Path(__file__).parents[3] / "shared" / "reference-models"
    )
)
HAR = MODELS / "har"

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(
        not HAR.is_dir(),
        reason=f"the reference models are not at {MODELS}; EDGEKIT_REFERENCE_MODELS says where they are",
    ),
]

PROJECT = f"""
[project]
name = "har"
[model]
path = "{HAR / "har_st.onnx"}"
labels = ["stationary", "walking", "running"]
[input]
channels = ["ax_mg", "ay_mg", "az_mg"]
rate_hz = 26
window = 26
hop = 13
scale = 0.00025
[test]
data = "{HAR / "stream_26hz_mg.csv"}"
min_accuracy = 0.95
[decision]
threshold = 0.6
hold = 2
"""


@pytest.fixture(scope="module")
def har(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, CompiledModel]:
    """Human activity, compiled and proven on its own recording."""
    folder = tmp_path_factory.mktemp("har")
    (folder / "edgekit.toml").write_text(PROJECT)
    project = Project.load(folder / "edgekit.toml")
    recorded = recorded_windows(HAR / "stream_26hz_mg.csv", project.input, project.columns)  # type: ignore[arg-type]
    return project, compile_project(project, folder, recorded=recorded.raw, use_cache=False)


@pytest.fixture(scope="module")
def record() -> Any:
    """Return the raw samples `[7000, 3]` and, by name, what the third party's own pipeline gave for them."""
    samples = np.loadtxt(HAR / "stream_26hz_mg.csv", delimiter=",", skiprows=1, usecols=(0, 1, 2))
    golden = json.loads((HAR / "golden.json").read_text())
    outputs = np.array([window["probs"] for window in golden["expected"]])
    return samples, {"outputs": outputs, "hop": golden["hop"], "labels": golden["classes"]}


def test_504_of_525_windows_are_right(har: tuple[Project, CompiledModel]) -> None:
    """The accuracy that the models' README states, and every decision as the reference's."""
    project, compiled = har

    result = evaluate(compiled, HAR / "stream_26hz_mg.csv", project)

    assert (result.windows.total, result.windows.judged, result.right) == (537, 525, 504)
    assert result.agreement.whole
    assert result.agreement.same_label == 537
    assert result.agreement.max_abs_difference < 1e-5
    result.require(0.95)


def test_every_window_equals_golden(
    har: tuple[Project, CompiledModel], record: Any, tmp_path: Path
) -> None:
    """All 537 windows within 1e-5, from raw milli-g on, through the stream."""
    samples, golden = record
    edgekit.golden(samples, **golden, path=tmp_path / "golden.npz")

    report = compare_golden(har[1], tmp_path / "golden.npz")

    assert (report.verdict, report.windows, report.argmax_agreement) == ("equal", 537, 1.0)
    assert report.max_abs_error is not None
    assert report.max_abs_error <= 1e-5


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda raw: raw[:, [2, 1, 0]], "channels in the order az_mg, ay_mg, ax_mg"),
        (lambda raw: raw / 1000, "samples times 1000"),
        (lambda raw: raw * 0.00025, "without `scale` and `offset`"),
    ],
)
def test_the_notebooks_mistake_is_found(
    har: tuple[Project, CompiledModel], record: Any, tmp_path: Path, mistake: Any, said: str
) -> None:
    """Raw samples in another order or unit than edgekit.toml says."""
    samples, golden = record
    edgekit.golden(mistake(samples), **golden, path=tmp_path / "golden.npz")

    report = compare_golden(har[1], tmp_path / "golden.npz")

    assert report.verdict == "differs"
    assert said in report.reason


def test_nothing_is_odd_about_the_recording(har: tuple[Project, CompiledModel]) -> None:
    """No finding on a model and a recording that belong together."""
    project, compiled = har
    recorded = recorded_windows(HAR / "stream_26hz_mg.csv", project.input, project.columns)  # type: ignore[arg-type]

    assert recorded.labels == ("stationary", "walking", "running")
    assert findings(compiled, recorded, project) == ()


def test_arrays_are_judged_like_the_recording(
    har: tuple[Project, CompiledModel], record: Any
) -> None:
    """The Python API: windows and labels in memory, 504 of 525."""
    samples, _ = record
    labels = np.loadtxt(HAR / "stream_26hz_mg.csv", delimiter=",", skiprows=1, usecols=3, dtype=str)
    starts = range(0, len(samples) - 25, 13)
    pure = [start for start in starts if len(set(labels[start : start + 26])) == 1]
    windows = np.stack([samples[start : start + 26] for start in pure])

    result = har[1].evaluate(windows, labels[pure].tolist())

    assert (result.right, result.windows.judged) == (504, 525)
    assert result.agreement.share == 1.0
