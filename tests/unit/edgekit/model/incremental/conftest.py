"""Graphs over windows, and the incremental form of them run step by step in ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.model.incremental.form import IncrementalForm, incremental_form

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Array = np.ndarray[Any, Any]


@pytest.fixture(scope="session")
def make_windows() -> Callable[..., bytes]:
    """Return a function that makes a graph over windows."""

    def make(
        nodes: Sequence[onnx.NodeProto],
        weights: Mapping[str, Any] | None = None,
        *,
        window: int = 12,
        channels: int = 3,
        opset: int = 17,
    ) -> bytes:
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("samples", TensorProto.FLOAT, [window, channels])],
            [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, None)],
            [
                numpy_helper.from_array(np.asarray(value), key)
                for key, value in (weights or {}).items()
            ],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )
        return bytes(model.SerializeToString())

    return make


@pytest.fixture(scope="session")
def same_as_windows() -> Callable[[bytes, int], IncrementalForm]:
    """Return a function that compares the incremental form with the windows, at every one of them."""

    def check(model: bytes, hop: int) -> IncrementalForm:
        form = incremental_form(model, hop)
        assert isinstance(form, IncrementalForm), form
        window, channels = _shape_of_samples(model)
        count = window + hop * (10 * window // hop)
        signal = np.random.default_rng(7).normal(size=(count, channels)).astype(np.float32)
        session = _session(model)
        ends = range(window, count + 1, hop)
        wanted = [
            session.run(["prediction"], {"samples": signal[end - window : end]})[0] for end in ends
        ]
        found = _steps(form, signal, hop)[-len(wanted) :]
        scale = max(float(np.abs(wanted).max()), 1e-3)
        assert np.isfinite(found).all()
        assert np.abs(np.array(found) - np.array(wanted)).max() <= 1e-5 * scale
        return form

    return check


def _steps(form: IncrementalForm, signal: Array, hop: int) -> list[Array]:
    """Return the prediction of every step, those before the first whole window included."""
    session = _session(form.onnx)
    names = {before for before, _ in form.state}
    state = {
        item.name: np.zeros(item.shape, _TYPES[item.type])
        for item in session.get_inputs()
        if item.name in names
    }
    lead = -form.window % hop
    padded = np.concatenate([np.zeros((lead, signal.shape[1]), np.float32), signal])
    outputs = ["prediction", *(after for _, after in form.state)]
    found = []
    for start in range(0, len(padded) - hop + 1, hop):
        step = {"samples": padded[start : start + hop], **state}
        prediction, *after = session.run(outputs, step)
        state = {name: value for (name, _), value in zip(form.state, after, strict=True)}
        found.append(prediction)
    return found


_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


def _shape_of_samples(model: bytes) -> tuple[int, int]:
    axes = onnx.ModelProto.FromString(model).graph.input[0].type.tensor_type.shape.dim
    return axes[0].dim_value, axes[1].dim_value


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
