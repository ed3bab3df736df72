"""Shapes of what a model computes, by ONNX's own inference."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.errors import ModelError
from edgekit.model.gate import activations, caps

NODE = helper.make_node


def _model(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    opsets = [helper.make_opsetid("", 17)]
    made: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return made


def _doubled(times: int) -> onnx.ModelProto:
    """Join a tensor with itself, again and again: no constant says how large that becomes."""
    names = ["x", *(f"a{number}" for number in range(times - 1)), "y"]
    return _model(*(NODE("Concat", [a, a], [b], axis=0) for a, b in pairwise(names)))


def test_a_tensor_that_is_too_large_is_named() -> None:
    """Half a gigabyte from four numbers."""
    with pytest.raises(
        ModelError, match=r"operator `Concat` \(`a25`\) makes a tensor of 1,024 MiB"
    ):
        activations.check(_doubled(34), {"x": (1, 4)}, Path("model.onnx"))


def test_all_tensors_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is too large."""
    monkeypatch.setattr(caps, "MOST_COMPUTED_BYTES", 1 << 20)

    with pytest.raises(
        ModelError, match="computes 2 MiB of tensors in one run: the limit is 1 MiB"
    ):
        activations.check(_doubled(16), {"x": (1, 4)}, Path("model.onnx"))


def test_the_inputs_shape_is_the_one_that_will_be() -> None:
    """An open axis is as long as the caller makes it; the model itself stays as it is."""
    model = _doubled(2)
    before = model.SerializeToString()
    activations.check(model, {"x": (1, 4)}, Path("model.onnx"))

    with pytest.raises(ModelError, match="makes a tensor of 1,024 MiB"):
        activations.check(model, {"x": (2**25, 4)}, Path("model.onnx"))

    assert model.SerializeToString() == before


def test_what_the_file_says_of_its_shapes_is_not_believed() -> None:
    """A claim to be small would hide what is large, and the other way round."""
    model = _model(NODE("Relu", ["x"], ["y"]))
    model.graph.value_info.append(
        helper.make_tensor_value_info("unused", TensorProto.FLOAT, [2**40])
    )
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [2**40]))

    activations.check(model, {"x": (1, 4)}, Path("model.onnx"))
