"""Each rewrite keeps what the model computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from edgekit.model.rewrites import plain

MakeOnnx = Callable[..., Path]
Array = np.ndarray[Any, Any]

FLOAT = TensorProto.FLOAT


def _run(model: onnx.ModelProto, inputs: dict[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    outputs: list[Array] = onnxruntime.InferenceSession(model.SerializeToString(), options).run(
        None, inputs
    )
    return outputs


def test_constant_inputs_are_frozen(make_onnx: MakeOnnx) -> None:
    """An input with a default becomes a constant; the result is the same."""
    path = make_onnx(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        {"w": np.array([1, 2, 3, 4], np.float32)},
        inputs=[("x", FLOAT, [1, 4]), ("w", FLOAT, [4])],
    )
    model = onnx.load(path)

    line = plain.freeze_constant_inputs(model)

    assert line == "1 inputs with default values made constants"
    assert [value.name for value in model.graph.input] == ["x"]
    np.testing.assert_array_equal(
        _run(model, {"x": np.ones((1, 4), np.float32)})[0], [[1, 2, 3, 4]]
    )
    assert plain.freeze_constant_inputs(model) is None


def test_local_functions_are_written_out(make_onnx: MakeOnnx) -> None:
    """What PyTorch's newer exporter writes as functions becomes plain operators."""
    path = make_onnx([helper.make_node("Relu", ["x"], ["y"])])
    model = onnx.load(path)
    function = helper.make_function(
        "local",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 13)],
    )
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.graph.node[0].CopyFrom(helper.make_node("Twice", ["x"], ["y"], domain="local"))

    line = plain.inline_functions(model)

    assert line == "1 local functions written out in the graph"
    assert [node.op_type for node in model.graph.node] == ["Add"]
    np.testing.assert_array_equal(
        _run(model, {"x": np.ones((1, 4), np.float32)})[0], [[2, 2, 2, 2]]
    )


def test_wrong_annotations_are_removed(make_onnx: MakeOnnx) -> None:
    """A wrong intermediate shape from an exporter does not reach the engine."""
    path = make_onnx(
        [helper.make_node("Relu", ["x"], ["z"]), helper.make_node("Neg", ["z"], ["y"])]
    )
    model = onnx.load(path)
    model.graph.value_info.append(helper.make_tensor_value_info("z", FLOAT, [7, 7]))
    model.doc_string = "made on a Monday"

    plain.strip_annotations(model)

    assert not model.graph.value_info
    assert not model.doc_string
    assert not model.graph.output[0].type.tensor_type.HasField("shape")


def test_nodes_get_names(make_onnx: MakeOnnx) -> None:
    """A message can then say which of forty Conv it means."""
    model = onnx.load(make_onnx([helper.make_node("Relu", ["x"], ["y"])]))

    plain.name_nodes(model)

    assert model.graph.node[0].name == "y"
