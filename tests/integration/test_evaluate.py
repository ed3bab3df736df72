"""Evaluation, golden records and findings over models of our own, through the real engine and the real reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgekit
from edgekit.model.compile import compile_project
from edgekit.model.evaluation.evaluate import evaluate
from edgekit.model.golden.golden import compare_golden
from edgekit.model.meaning.meaning import findings
from edgekit.model.recorded import recorded_windows
from edgekit.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.model.compile import CompiledModel

pytestmark = pytest.mark.native

WINDOW = 8
RANDOM = np.random.default_rng(10)


def save(path: Path, nodes: list[Any], weights: dict[str, Any], outputs: list[int]) -> None:
    """Write a model that takes `x` [1, 8, 2] and gives `y`."""
    graph = helper.make_graph(
        nodes,
        "own",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, WINDOW, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )


def dense(path: Path, weights: Any) -> None:
    """Write a model of one dense layer: `x` flattened, times `[16, n]`."""
    matrix = np.asarray(weights, np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    save(path, nodes, {"w": matrix}, [1, matrix.shape[1]])


def project(folder: Path, more: str) -> tuple[Project, CompiledModel]:
    """Compile `model.onnx` in the folder for two channels."""
    (folder / "edgekit.toml").write_text(
        f'[project]\nname = "own"\n[model]\npath = "model.onnx"\n{more.partition("@")[0]}'
        f'[input]\nchannels = ["a", "b"]\nrate_hz = 20\nwindow = {WINDOW}\nhop = 4\n{more.partition("@")[2]}'
    )
    opened = Project.load(folder / "edgekit.toml")
    return opened, compile_project(opened, folder, use_cache=False)


def record(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    """Write rows `(a, b, label)` with the time of 20 Hz."""
    lines = [f"{index / 20},{','.join(map(str, row))}" for index, row in enumerate(rows)]
    path.write_text("\n".join(["time,a,b,label", *lines]) + "\n")
    return path


def noisy(a: float, b: float, label: str, count: int) -> list[tuple[Any, ...]]:
    """Return rows around a and b."""
    return [(*(RANDOM.normal((a, b), 0.1).round(4)), label) for _ in range(count)]


# The mean of channel a, and the mean of channel b: `x` is flattened time by time.
MEANS = np.tile(np.eye(2), (WINDOW, 1)) / WINDOW


def test_logits_are_noticed_and_softmax_mends_it(tmp_path: Path) -> None:
    """A threshold over logits is a warning; with softmax set, no finding, and every window right."""
    dense(tmp_path / "model.onnx", MEANS * 9)
    path = record(tmp_path / "r.csv", noisy(1, 0, "left", 60) + noisy(0, 1, "right", 60))
    labels, threshold = 'labels = ["left", "right"]\n@', "[decision]\nthreshold = 0.9\n"
    opened, compiled = project(tmp_path, labels + threshold)
    seen = recorded_windows(path, opened.input, opened.columns)  # type: ignore[arg-type]

    (finding,) = findings(compiled, seen, opened)
    assert finding.severity == "warning"
    assert "logits" in finding.message

    opened, compiled = project(tmp_path, f'{labels}[output]\nactivation = "softmax"\n{threshold}')
    assert findings(compiled, seen, opened) == ()
    result = evaluate(compiled, path, opened)
    assert (result.accuracy, result.agreement.whole, result.agreement.events) == (1.0, True, 3)


def test_a_forgotten_softmax_is_named(tmp_path: Path) -> None:
    """The record holds probabilities, edgekit.toml adds no activation."""
    dense(tmp_path / "model.onnx", MEANS * 9)
    _, compiled = project(tmp_path, "@")
    raw = RANDOM.normal(size=(40, WINDOW, 2))
    logits = raw.reshape(40, -1) @ (MEANS * 9)
    edgekit.golden(
        raw, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), tmp_path / "g.npz"
    )

    report = compare_golden(compiled, tmp_path / "g.npz")

    assert report.reason.endswith('it matches when `activation = "softmax"` is set')


def test_one_output_with_sigmoid(tmp_path: Path) -> None:
    """A yes-or-no model: the other label of the recording means no."""
    dense(tmp_path / "model.onnx", (MEANS[:, 1:] - MEANS[:, :1]) * 9)
    path = record(tmp_path / "r.csv", noisy(1, 0, "walk", 60) + noisy(0, 1, "fall", 60))
    opened, compiled = project(tmp_path, 'labels = ["fall"]\n@[output]\nactivation = "sigmoid"\n')

    result = evaluate(compiled, path, opened)

    assert result.accuracy == 1.0
    assert result.confusion is not None
    assert result.confusion.labels == ("not fall", "fall")


def test_a_value(tmp_path: Path) -> None:
    """Regression: the error is the noise of the label, and the model explains most of it."""
    dense(tmp_path / "model.onnx", MEANS[:, :1])
    rows = [
        (level, 0, round(level + RANDOM.normal(0, 0.01), 4))
        for level in (1, 2, 3, 4)
        for _ in range(40)
    ]
    opened, compiled = project(tmp_path, '@[output]\nkind = "value"\n')

    result = evaluate(compiled, record(tmp_path / "r.csv", rows), opened)

    assert result.value is not None
    assert result.value.r_squared is not None
    assert result.value.r_squared > 0.9


def test_a_reconstruction_error(tmp_path: Path) -> None:
    """An autoencoder that gives only small values back: large ones are anomalies."""
    nodes = [helper.make_node("Tanh", ["x"], ["y"])]
    save(tmp_path / "model.onnx", nodes, {}, [1, WINDOW, 2])
    path = record(tmp_path / "r.csv", noisy(0, 0, "normal", 60) + noisy(5, 5, "broken", 60))
    opened, compiled = project(
        tmp_path, '@[output]\nkind = "anomaly"\n[decision]\nthreshold = 1.0\n'
    )

    result = evaluate(compiled, path, opened)

    assert result.anomaly is not None
    assert (result.anomaly.area_under_curve, result.accuracy) == (1.0, 1.0)
    assert result.agreement.whole


def test_named_tensors(tmp_path: Path) -> None:
    """Frames by name, judged through the Python API."""
    dense(tmp_path / "model.onnx", MEANS)
    compiled = edgekit.compile(tmp_path / "model.onnx", labels=("left", "right"))
    frames = np.zeros((6, WINDOW, 2), np.float32)
    frames[:3, :, 0] = frames[3:, :, 1] = 1

    result = compiled.evaluate(frames, ["left"] * 4 + ["right"] * 2)

    assert (result.right, result.windows.judged, result.agreement.share) == (5, 6, 1.0)
