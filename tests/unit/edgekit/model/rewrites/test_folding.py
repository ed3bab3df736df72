"""What does not depend on an input is computed once; the rest stays as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.model.rewrites import folding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array = np.ndarray[Any, Any]

FLOAT = TensorProto.FLOAT
node = helper.make_node


def _model(
    nodes: Sequence[onnx.NodeProto], weights: dict[str, Array] | None = None
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, [2, 3, 4])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _inputs() -> list[Array]:
    return [np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)]


def _kinds(model: onnx.ModelProto) -> list[str]:
    return [item.op_type for item in model.graph.node if item.op_type != "Constant"]


def test_a_shape_that_is_looked_up_becomes_a_constant(kept: Callable[..., None]) -> None:
    """As PyTorch writes `x.view(x.size(0), -1)`: what is left is the Reshape."""
    model = _model(
        [
            node("Shape", ["x"], ["shape"]),
            node("Gather", ["shape", "zero"], ["batch"], axis=0),
            node("Unsqueeze", ["batch", "axis"], ["row"]),
            node("Concat", ["row", "rest"], ["wanted"], axis=0),
            node("Reshape", ["x", "wanted"], ["y"]),
        ],
        {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1])},
    )

    kept(model, folding.fold, _inputs(), "constant operators computed")

    assert _kinds(model) == ["Reshape"]


def test_a_branch_that_is_always_taken_takes_its_place(kept: Callable[..., None]) -> None:
    """Its own names do not clash with those outside, and nested branches follow."""

    def branch(op_type: str, inner: onnx.NodeProto | None = None) -> onnx.GraphProto:
        name, scale, result = (f"{op_type}_{part}" for part in ("value", "scale", "result"))
        nodes = [node(op_type, ["x"], [name])]
        if inner is not None:
            nodes += [inner, node("Add", [name, inner.output[0]], [result])]
        else:
            nodes.append(node("Add", [name, scale], [result]))
        weights = [numpy_helper.from_array(np.array([2], np.float32), scale)]
        ends = [helper.make_tensor_value_info(result, FLOAT, None)]
        return helper.make_graph(nodes, "branch", [], ends, weights)

    nested = node("If", ["never"], ["deep"], then_branch=branch("Abs"), else_branch=branch("Neg"))
    model = _model(
        [
            node("Not", ["never"], ["always"]),
            node(
                "If",
                ["always"],
                ["z"],
                then_branch=branch("Relu", nested),
                else_branch=branch("Exp"),
            ),
            node("Identity", ["z"], ["y"]),
        ],
        {"never": np.array(False)},
    )

    kept(model, folding.fold, _inputs(), "2 branches that are always taken")

    assert "If" not in _kinds(model)
    assert "Neg" in _kinds(model)


@pytest.mark.parametrize(
    ("op_type", "attributes"),
    [("RandomNormalLike", {"seed": 1.0}), ("DequantizeLinear", {})],
)
def test_what_must_not_be_computed_stays(op_type: str, attributes: dict[str, Any]) -> None:
    """Noise is no constant, and integer weights stay small."""
    quantised = op_type == "DequantizeLinear"
    weights: dict[str, Array] = {"w": np.ones((2, 3, 4), np.int8 if quantised else np.float32)}
    inputs = ["w"]
    if quantised:
        weights["scale"] = np.array(0.5, np.float32)
        inputs.append("scale")
    model = _model(
        [node(op_type, inputs, ["z"], **attributes), node("Add", ["x", "z"], ["y"])], weights
    )

    assert folding.fold(model) is None
    assert _kinds(model) == [op_type, "Add"]


def test_what_depends_on_the_input_stays() -> None:
    """Nothing to compute, no line."""
    model = _model([node("Relu", ["x"], ["z"]), node("Neg", ["z"], ["y"])])

    assert folding.fold(model) is None
    assert _kinds(model) == ["Relu", "Neg"]


def test_a_constant_that_would_be_huge_is_not_made() -> None:
    """The archive would be as large."""
    model = _model(
        [
            node("ConstantOfShape", ["shape"], ["big"]),
            node("ReduceSum", ["big"], ["z"], keepdims=0),
            node("Add", ["x", "z"], ["y"]),
        ],
        {"shape": np.array([2**14, 2**14])},
    )

    assert folding.fold(model) is None
