"""Constant tensors: their shapes, and as many numbers as those say."""

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
from edgekit.model.gate import caps

Judge = Callable[[onnx.ModelProto | bytes], ModelError]


def _with(model: onnx.ModelProto, **parts: Any) -> onnx.ModelProto:
    """Return the model with an unused tensor `t` of these parts."""
    tensor = model.graph.initializer.add(name="t")
    for name, value in {"data_type": TensorProto.FLOAT, **parts}.items():
        if isinstance(value, list):
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)
    return model


@pytest.mark.parametrize(
    ("dims", "says"),
    [
        ([-1, 4], "negative length"),
        ([-(2**63), 2], "negative length"),
        ([2**32, 2**32], "constant numbers"),
        ([2**62, 2, 2], "constant numbers"),
        ([0, 2**62], "constant numbers"),
        ([2**31], "constant numbers"),
        ([1] * 9, "9 axes: the limit is 8"),
    ],
)
def test_shapes_that_no_tensor_has(
    model: onnx.ModelProto, refused: Judge, dims: list[int], says: str
) -> None:
    """Negative ones, those whose product wraps, and those that a zero hides."""
    assert says in refused(_with(model, dims=dims)).message


def test_the_numbers_of_all_tensors_are_counted(
    model: onnx.ModelProto, refused: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small ones are a large model."""
    monkeypatch.setattr(caps, "MOST_ELEMENTS", 20)

    assert (
        "more than 20 constant numbers"
        in refused(_with(model, dims=[9], raw_data=bytes(36))).message
    )


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"dims": [3], "raw_data": bytes(11)}, "has 11 bytes: its shape [3] in FLOAT says 12"),
        ({"dims": [0], "raw_data": bytes(4)}, "has 4 bytes"),
        ({"dims": [3], "float_data": [1.0, 2.0]}, "has 2 numbers"),
        ({"dims": [3]}, "has 0 numbers"),
        ({"dims": [2], "int64_data": [1, 2]}, "where FLOAT is in float_data"),
        ({"dims": [1], "raw_data": bytes(4), "float_data": [1.0]}, "has its numbers twice"),
        ({"dims": [1], "int32_data": [300], "data_type": TensorProto.INT8}, "no INT8"),
        ({"dims": [1], "int32_data": [-1], "data_type": TensorProto.UINT16}, "no UINT16"),
        ({"dims": [1], "int32_data": [2], "data_type": TensorProto.BOOL}, "no BOOL"),
        ({"dims": [1], "uint64_data": [2**40], "data_type": TensorProto.UINT32}, "no UINT32"),
        ({"dims": [1], "raw_data": b"\x02", "data_type": TensorProto.BOOL}, "neither 0 nor 1"),
        ({"dims": [1], "raw_data": b"text", "data_type": TensorProto.STRING}, "text as raw data"),
        ({"dims": [1], "raw_data": b"", "data_type": TensorProto.STRING}, "text as raw data"),
        ({"dims": [2], "string_data": [b"a"], "data_type": TensorProto.STRING}, "has 1 numbers"),
    ],
)
def test_data_that_do_not_fit(
    model: onnx.ModelProto, refused: Judge, parts: dict[str, Any], says: str
) -> None:
    """Too short, too long, of another type, twice, out of range: engines each do something else with them."""
    error = refused(_with(model, **parts))

    assert says in error.message
    assert "tensor `t`" in error.message


def test_a_part_of_a_tensor_is_refused(model: onnx.ModelProto, refused: Judge) -> None:
    """`segment` is in the format and in no engine."""
    _with(model, dims=[1], raw_data=bytes(4)).graph.initializer[-1].segment.begin = 0

    assert "part of a larger one" in refused(model).message


def test_a_tensor_in_an_attribute_is_judged(model: onnx.ModelProto, refused: Judge) -> None:
    """A Constant's value is a weight as any other."""
    value = helper.make_tensor("v", TensorProto.FLOAT, [2], [1.0, 2.0])
    value.dims[0] = 3
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=value, name="here"))

    message = refused(model).message

    assert "the tensor in `value` of operator `Constant` (`here`) has 2 numbers" in message


def test_sparse_tensors_are_refused(model: onnx.ModelProto, refused: Judge) -> None:
    """As a constant of the graph, and in an attribute."""
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("i", TensorProto.INT64, [1], [2]),
        [2**40],
    )
    in_attribute = onnx.ModelProto.FromString(model.SerializeToString())
    in_attribute.graph.node.insert(0, helper.make_node("Constant", [], ["c"], sparse_value=sparse))
    model.graph.sparse_initializer.append(sparse)

    assert "`s` is sparse" in refused(model).message
    assert "`sparse_value` of operator `Constant`" in refused(in_attribute).message


def test_half_precision_and_small_integers_pass(model: onnx.ModelProto) -> None:
    """Every way to write numbers that exporters use."""
    for dtype in ("float16", "int8", "bool", "uint32", "uint64", "float64"):
        value = numpy_helper.from_array(np.array([1, 0], dtype), dtype)
        model.graph.initializer.append(value)
    model.graph.initializer.append(helper.make_tensor("a", TensorProto.INT8, [2], [-128, 127]))
    model.graph.initializer.append(helper.make_tensor("b", TensorProto.FLOAT16, [1], [1.5]))
    model.graph.initializer.append(TensorProto(name="c", data_type=TensorProto.STRING, dims=[1]))
    model.graph.initializer[-1].string_data.append(b"walk")

    _, admitted = gate.admit(model.SerializeToString(), Path("model.onnx"))

    assert len(admitted.graph.initializer) == 10
