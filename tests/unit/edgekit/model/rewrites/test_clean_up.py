"""Operators that do nothing or that nobody needs are gone, and the numbers are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekit.model.rewrites import clean_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array = np.ndarray[Any, Any]

FLOAT = TensorProto.FLOAT
node = helper.make_node


def _model(nodes: Sequence[onnx.NodeProto], weights: dict[str, Array]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _inputs() -> list[Array]:
    return [np.array([[-1, 0, 2, 3]], np.float32)]


def test_idle_operators_are_removed(kept: Callable[..., None]) -> None:
    """Also one behind the other, in front of a branch that sees them by name, and of an output that keeps its own."""
    branch = helper.make_graph(
        [node("Neg", ["third"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", FLOAT, None)],
    )
    model = _model(
        [
            node("Identity", ["x"], ["first"]),
            node("Cast", ["first"], ["second"], to=FLOAT),
            node("Dropout", ["second", "ratio"], ["third"]),
            node("ReduceMax", ["third"], ["largest"], keepdims=0),
            node("Greater", ["largest", "ratio"], ["high"]),
            node("If", ["high"], ["z"], then_branch=branch, else_branch=branch),
            node("Identity", ["z"], ["y"]),
        ],
        {"ratio": np.array(0.5, np.float32)},
    )

    kept(model, clean_up.remove_idle, _inputs(), "1 Identity, 1 Cast, 1 Dropout")

    kinds = [item.op_type for item in model.graph.node]
    assert kinds == ["ReduceMax", "Greater", "If", "Identity"]


def test_operators_with_an_effect_stay() -> None:
    """A Cast that rounds, and a Dropout whose mask is taken."""
    model = _model(
        [
            node("Cast", ["x"], ["whole"], to=TensorProto.INT32),
            node("Cast", ["whole"], ["back"], to=FLOAT),
            node("Dropout", ["back"], ["kept", "mask"]),
            node("Where", ["mask", "kept", "x"], ["y"]),
        ],
        {},
    )

    assert clean_up.remove_idle(model) is None
    assert len(model.graph.node) == 4


def test_what_no_output_needs_is_removed(kept: Callable[..., None]) -> None:
    """With its constants; the input stays even where nothing takes it."""
    model = _model(
        [
            node("Exp", ["x"], ["unused"]),
            node("Mul", ["unused", "w"], ["unused_too"]),
            node("Add", ["x", "b"], ["y"]),
        ],
        {"w": np.ones(4, np.float32), "b": np.ones(4, np.float32)},
    )

    kept(model, clean_up.remove_unused, _inputs(), "1 Exp, 1 Mul")

    assert [item.op_type for item in model.graph.node] == ["Add"]
    assert [tensor.name for tensor in model.graph.initializer] == ["b"]
    assert clean_up.remove_unused(model) is None
