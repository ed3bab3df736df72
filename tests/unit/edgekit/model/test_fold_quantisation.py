"""Quantisation folded to float32: the rounding goes, the range stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgekit.model.fold_quantisation import fold_quantisation

Array = np.ndarray[Any, Any]


def _model(nodes: list[onnx.NodeProto], constants: dict[str, Array]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _run(model: onnx.ModelProto) -> Array:
    outputs: Any = ReferenceEvaluator(model).run(None, {"x": X})
    return np.asarray(outputs[0])


def _pair(scale: str = "s") -> onnx.ModelProto:
    """Return rounding to uint8 from 0 on, a transposition, and back."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("Transpose", ["q"], ["t"], perm=[1, 0]),
        helper.make_node("DequantizeLinear", ["t", scale, "z"], ["y"]),
    ]
    constants: dict[str, Array] = {"s": np.array(0.5, np.float32), "z": np.array(0, np.uint8)}
    return _model(nodes, {**constants, "other": np.array(0.25, np.float32)})


X = np.array([[-1.0, 0.3, 1.1], [127.5, 500.0, 2.0]], np.float32)


def test_the_range_that_stood_for_a_relu_stays() -> None:
    """What is below the first code or above the last is clipped; between them nothing is rounded."""
    model = _pair()

    line = fold_quantisation(model)

    y = _run(model)
    np.testing.assert_allclose(y, np.clip(X, 0, 127.5).T, rtol=1e-6)
    assert line is not None
    assert "1 roundings taken out" in line
    assert [node.op_type for node in model.graph.node] == ["Clip", "Transpose"]


def test_codes_that_are_read_with_another_scale_stay() -> None:
    """That is a computation, not a way there and back."""
    model = _pair("other")
    before = model.SerializeToString()

    assert fold_quantisation(model) is None
    assert model.SerializeToString() == before


def test_weights_become_their_values() -> None:
    """One scale a column."""
    codes = np.arange(12, dtype=np.int8).reshape(3, 4)
    scale = np.array([1, 2, 3, 4], np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["float_w"], axis=1),
        helper.make_node("MatMul", ["x", "float_w"], ["y"]),
    ]
    model = _model(nodes, {"w": codes, "s": scale, "z": np.zeros(4, np.int8)})

    line = fold_quantisation(model)

    y = _run(model)
    np.testing.assert_allclose(y, X @ (codes * scale), rtol=1e-6)
    assert line is not None
    assert "1 constants dequantised" in line
    assert [tensor.name for tensor in model.graph.initializer] == ["float_w"]
