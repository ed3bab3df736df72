"""Samples left out by pools, slices and convolutions: the same numbers, in the forms that the engine reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.model.rewrites import sliding

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]

WEIGHTS = np.random.default_rng(1)


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    ("kernel", "stride", "pads", "length"),
    [
        (2, 3, [0, 0], 64),
        (3, 2, [0, 0], 64),
        (3, 2, [1, 1], 28),
        (2, 2, [1, 1], 5),
        (5, 3, [2, 2], 50),
        (3, 2, [0, 0], 63),
    ],
)
@pytest.mark.parametrize("counted", [0, 1])
def test_a_pool_that_rounds_up(  # noqa: PLR0913, PLR0917 (a pool has so many parts)
    kept: Callable[..., None],
    one_node: Callable[..., onnx.ModelProto],
    op_type: str,
    kernel: int,
    stride: int,
    pads: list[int],
    length: int,
    counted: int,
) -> None:
    """Its last frames are padding, which does not count; the model's own padding may."""
    more: dict[str, Any] = {"count_include_pad": counted} if op_type == "AveragePool" else {}
    node = helper.make_node(
        op_type,
        ["x"],
        ["y"],
        kernel_shape=[kernel],
        strides=[stride],
        pads=pads,
        ceil_mode=1,
        **more,
    )
    model = one_node(node, {}, [1, 2, length], 19)
    inputs = [np.random.default_rng(0).normal(size=(1, 2, length)).astype(np.float32)]

    kept(model, sliding.write_out, inputs, f"1 {op_type}")

    assert all(
        item.i == 0
        for node in model.graph.node
        for item in node.attribute
        if item.name in ("ceil_mode", "count_include_pad")
    )


@pytest.mark.parametrize(
    ("start", "end", "step"), [(1, 2**31 - 1, 2), (-7, -1, 3), (-1, -99, -2), (-1, -99, -1)]
)
def test_a_slice_that_begins_later_and_leaves_out(
    kept: Callable[..., None],
    one_node: Callable[..., onnx.ModelProto],
    start: int,
    end: int,
    step: int,
) -> None:
    """It becomes a choice of places; the engine would take others of a convolution before it."""
    bounds = {
        name: np.array([value], np.int64)
        for name, value in (("start", start), ("end", end), ("axis", 2), ("step", step))
    }
    model = one_node(helper.make_node("Slice", ["x", *bounds], ["y"]), bounds, [1, 3, 16])
    inputs = [np.random.default_rng(0).normal(size=(1, 3, 16)).astype(np.float32)]

    kept(model, sliding.write_out, inputs, "1 Slice")

    assert "Slice" not in [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(("start", "step"), [(0, 2), (3, 1)])
def test_other_slices_stay(one_node: Callable[..., onnx.ModelProto], start: int, step: int) -> None:
    """The engine computes those right, and fewer samples of what comes before."""
    bounds = {
        name: np.array([value], np.int64)
        for name, value in (("start", start), ("end", 16), ("axis", 2), ("step", step))
    }
    model = one_node(helper.make_node("Slice", ["x", *bounds], ["y"]), bounds, [1, 3, 16])

    assert sliding.write_out(model) is None


def test_a_stride_behind_a_recurrence(kept: Callable[..., None]) -> None:
    """Neither a slice nor a convolution of kernel 1 asks the recurrence for some of its frames alone."""

    def numbers(*shape: int) -> Array:
        return WEIGHTS.normal(size=shape).astype(np.float32)

    weights = {"w": numbers(1, 20, 3), "r": numbers(1, 20, 5), "k": numbers(4, 5, 1)}
    integers = {"directions": [1], "first": [0], "end": [99], "axis": [2], "step": [2]}
    weights |= {name: np.array(value, np.int64) for name, value in integers.items()}
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r"], ["all"], hidden_size=5),
        helper.make_node("Squeeze", ["all", "directions"], ["frames"]),
        helper.make_node("Transpose", ["frames"], ["channels"], perm=[1, 2, 0]),
        helper.make_node("Conv", ["channels", "k"], ["fewer"], strides=[3]),
        helper.make_node("Slice", ["fewer", "first", "end", "axis", "step"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [16, 1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    inputs = [np.random.default_rng(0).normal(size=(16, 1, 3)).astype(np.float32)]

    kept(model, sliding.write_out, inputs, "1 Conv, 1 Slice")
