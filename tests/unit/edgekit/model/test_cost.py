"""The cost of a graph: counted from shapes, in multiplications with their additions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.model.cost import NODE, operations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    MakeOnnx = Callable[..., Path]

FLOAT = TensorProto.FLOAT
node = helper.make_node


def ones(*shape: int) -> np.ndarray[Any, Any]:
    """Return weights."""
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("shape", "one", "weights", "wanted"),
    [
        # 5 filters of 3 channels by 3 samples, at 14 places
        ([1, 3, 16], node("Conv", ["x", "k"], ["y"]), {"k": ones(5, 3, 3)}, 5 * 14 * 9),
        # a filter a channel
        ([1, 3, 16], node("Conv", ["x", "k"], ["y"], group=3), {"k": ones(3, 1, 3)}, 3 * 14 * 3),
        ([1, 8], node("Gemm", ["x", "k"], ["y"]), {"k": ones(8, 4)}, 32),
        ([4, 8], node("MatMul", ["x", "k"], ["y"]), {"k": ones(8, 2)}, 64),
        ([1, 3, 16], node("MaxPool", ["x"], ["y"], kernel_shape=[4]), {}, 3 * 13 * 4),
        ([2, 8], node("Relu", ["x"], ["y"]), {}, 16),
        ([2, 8], node("Sigmoid", ["x"], ["y"]), {}, 160),
        ([1, 3, 16], node("GlobalAveragePool", ["x"], ["y"]), {}, 48),
        # 4 gates of 6 cells, 5 steps, over 3 inputs and 6 states, and ten for each gate's function
        (
            [5, 1, 3],
            node("LSTM", ["x", "k", "r"], ["y"], hidden_size=6),
            {"k": ones(1, 24, 3), "r": ones(1, 24, 6)},
            5 * 24 * (3 + 6 + 10),
        ),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else "",
)
def test_each_kind_of_operator_is_counted_by_what_it_does(
    make_onnx: MakeOnnx,
    shape: Sequence[int],
    one: onnx.NodeProto,
    weights: Mapping[str, Any],
    wanted: int,
) -> None:
    """Products by their factors, values by their number, and a fixed number for the node."""
    path = make_onnx([one], weights, inputs=[("x", FLOAT, shape)], outputs=[("y", FLOAT, None)])

    assert operations(onnx.load(path)) == NODE + wanted


def test_what_is_constant_or_only_looked_at_otherwise_costs_nothing(make_onnx: MakeOnnx) -> None:
    """Views are free, and what does not follow from the input is computed once, before."""
    path = make_onnx(
        [
            node("Exp", ["k"], ["e"]),
            node("Reshape", ["x", "shape"], ["r"]),
            node("Identity", ["r"], ["i"]),
            node("Add", ["i", "e"], ["y"]),
        ],
        {"k": ones(4), "shape": np.array([4, 1])},
        inputs=[("x", FLOAT, [1, 4])],
        outputs=[("y", FLOAT, None)],
    )

    assert operations(onnx.load(path)) == NODE + 16
