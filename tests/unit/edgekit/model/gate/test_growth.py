"""Operators whose output is as large as a constant says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.model import gate

Judge = Callable[[onnx.ModelProto | bytes], ModelError]
NODE = helper.make_node

BOMBS: dict[str, tuple[onnx.NodeProto, dict[str, Any]]] = {
    "Expand": (NODE("Expand", ["m", "a"], ["b"]), {"a": [2**32, 4]}),
    "ConstantOfShape": (NODE("ConstantOfShape", ["a"], ["b"]), {"a": [2**34]}),
    "Tile": (NODE("Tile", ["m", "a"], ["b"]), {"a": [2**34, 1]}),
    "a product that wraps": (NODE("ConstantOfShape", ["a"], ["b"]), {"a": [2**32, 2**32]}),
    "Range": (
        NODE("Range", ["a", "c", "d"], ["b"]),
        {"a": np.int64(0), "c": np.int64(2**34), "d": np.int64(1)},
    ),
    "Range backwards": (
        NODE("Range", ["a", "c", "d"], ["b"]),
        {"a": np.float32(2**34), "c": np.float32(0), "d": np.float32(-1)},
    ),
    "Resize by sizes": (NODE("Resize", ["m", "", "", "a"], ["b"]), {"a": [2**17, 2**17]}),
    "Resize by scales": (
        NODE("Resize", ["m", "", "a"], ["b"]),
        {"a": np.array([2**17, 2**17], np.float32)},
    ),
    "OneHot": (
        NODE("OneHot", ["i", "a", "c"], ["b"]),
        {"i": [0], "a": np.int64(2**34), "c": np.array([0, 1], np.float32)},
    ),
    "Pad": (NODE("Pad", ["m", "a"], ["b"]), {"a": [2**17, 0, 0, 2**17]}),
    "HannWindow": (NODE("HannWindow", ["a"], ["b"]), {"a": np.int64(2**34)}),
    "RandomNormal": (NODE("RandomNormal", [], ["b"], shape=[2**20, 2**20]), {}),
    "LSTM": (NODE("LSTM", ["m", "m", "m"], ["b"], hidden_size=2**40), {}),
    "ConvTranspose": (
        NODE("ConvTranspose", ["m", "m"], ["b"], output_shape=[2**20, 2**20]),
        {},
    ),
    "Conv": (NODE("Conv", ["m", "m"], ["b"], pads=[2**20] * 4), {}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_need_terabytes_is_refused(
    model: onnx.ModelProto, refused: Judge, name: str
) -> None:
    """From the constant alone, before any shape is inferred."""
    node, constants = BOMBS[name]
    for key, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), key))
    model.graph.node.append(node)

    assert f"operator `{node.op_type}` (`b`) makes a tensor of at least" in refused(model).message


@pytest.mark.parametrize("attribute", ["value", "value_ints"])
def test_a_constant_node_counts(model: onnx.ModelProto, refused: Judge, attribute: str) -> None:
    """Exporters write constants both ways."""
    value: Any = [2**34]
    if attribute == "value":
        value = helper.make_tensor("v", TensorProto.INT64, [1], value)
    node = NODE("Constant", [], ["a"])
    node.attribute.append(helper.make_attribute(attribute, value))
    model.graph.node.append(node)
    model.graph.node.append(NODE("ConstantOfShape", ["a"], ["b"]))

    assert "makes a tensor of at least 16,384 MiB" in refused(model).message


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (NODE("Expand", ["m", "a"], ["b"]), {"a": [1, 1000]}),
        (NODE("Reshape", ["m", "a"], ["b"]), {"a": [-1]}),
        (NODE("Pad", ["m", "a"], ["b"]), {"a": [0, -1, 0, 0]}),
        (NODE("Slice", ["m", "a", "c"], ["b"]), {"a": [0], "c": [2**63 - 1]}),
        (NODE("Clip", ["m", "a", "c"], ["b"]), {"a": np.float32(0), "c": np.float32(1e30)}),
        (NODE("Resize", ["m", "", "a"], ["b"]), {"a": np.array([1, 2], np.float32)}),
    ],
)
def test_honest_constants_pass(
    model: onnx.ModelProto, node: onnx.NodeProto, constants: dict[str, Any]
) -> None:
    """Large numbers that say no size, and sizes that are small."""
    for key, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), key))
    model.graph.node.append(node)

    gate.admit(model.SerializeToString(), Path("model.onnx"))
