"""Operators written out: the same numbers as the operator itself, also where the textbook formula overflows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edgekit.model import stable_forms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeOnnx = Callable[..., Path]
    Array = np.ndarray[Any, Any]

FLOAT = TensorProto.FLOAT
AXES = {"axes": np.array([1, 2])}


def _run(model: onnx.ModelProto, x: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    outputs: list[Array] = session.run(None, {"x": x})
    return outputs[0]


def _model(make_onnx: MakeOnnx, node: onnx.NodeProto, opset: int, weights: Any) -> onnx.ModelProto:
    path = make_onnx(
        [node],
        weights,
        inputs=[("x", FLOAT, [2, 3, 4])],
        outputs=[("y", FLOAT, None)],
        opset=opset,
    )
    return onnx.load(path)


@pytest.mark.parametrize(
    ("operator", "opset", "attributes", "weights"),
    [
        ("LogSoftmax", 13, {}, {}),
        ("LogSoftmax", 18, {"axis": 1}, {}),
        ("LogSoftmax", 11, {}, {}),
        ("LogSoftmax", 11, {"axis": -1}, {}),
        ("Softplus", 13, {}, {}),
        ("ReduceLogSumExp", 11, {"axes": [1], "keepdims": 0}, {}),
        ("ReduceLogSumExp", 13, {"axes": [-1]}, {}),
        ("ReduceLogSumExp", 13, {"keepdims": 0}, {}),
        ("ReduceLogSumExp", 18, {}, AXES),
        ("ReduceLogSumExp", 18, {"keepdims": 0}, AXES),
        ("Gelu", 20, {}, {}),
        ("Erf", 13, {}, {}),
    ],
)
def test_the_numbers_stay(
    make_onnx: MakeOnnx, operator: str, opset: int, attributes: dict[str, Any], weights: Any
) -> None:
    """From small values to those whose exponential float32 has not."""
    node = helper.make_node(operator, ["x", *weights], ["y"], **attributes)
    model = _model(make_onnx, node, opset, weights)
    expected = [_run(model, x) for x in _inputs()]

    line = stable_forms.write_out(model)

    assert (
        line == f"written out in steps that the engine computes as ONNX Runtime does: 1 {operator}"
    )
    assert model.graph.node[-1].output == ["y"]
    assert len(model.graph.node) > 2
    for x, wanted in zip(_inputs(), expected, strict=True):
        scale = float(np.abs(wanted).max())
        np.testing.assert_allclose(_run(model, x), wanted, rtol=0, atol=1e-6 * scale)


def _inputs() -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-reach, reach, (2, 3, 4)).astype(np.float32) for reach in (1, 10, 2000)]


@pytest.mark.parametrize(
    ("operator", "opset", "attributes"),
    [
        ("ReduceLogSumExp", 18, {"noop_with_empty_axes": 1}),
        ("Gelu", 20, {"approximate": "tanh"}),
        ("Softmax", 13, {}),
    ],
)
def test_what_the_engine_computes_right_stays(
    make_onnx: MakeOnnx, operator: str, opset: int, attributes: dict[str, Any]
) -> None:
    """No line for the report where nothing was done."""
    model = _model(make_onnx, helper.make_node(operator, ["x"], ["y"], **attributes), opset, {})

    assert stable_forms.write_out(model) is None
    assert [node.op_type for node in model.graph.node] == [operator]


def test_branches_are_written_out_as_well(make_onnx: MakeOnnx) -> None:
    """What stands in an If is computed by the same engine."""
    branch = helper.make_graph(
        [helper.make_node("Softplus", ["x"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", FLOAT, None)],
    )
    path = make_onnx(
        [helper.make_node("If", ["always"], ["y"], then_branch=branch, else_branch=branch)],
        {"always": np.array(True)},
    )
    model = onnx.load(path)
    x = np.array([[-1000, -1, 1, 1000]], np.float32)
    expected = _run(model, x)

    line = stable_forms.write_out(model)

    assert str(line).endswith(": 2 Softplus")
    np.testing.assert_allclose(_run(model, x), expected, rtol=1e-6)
