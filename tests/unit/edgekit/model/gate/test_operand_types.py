"""Types of what operators are given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.model import gate

Judge = Callable[[onnx.ModelProto | bytes], ModelError]
NODE = helper.make_node


def test_int8_weights_in_a_float_operator(model: onnx.ModelProto, refused: Judge) -> None:
    """A converter left the DequantizeLinear out; the values would be taken for what they are not."""
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((4, 3), np.int8), "w"))

    error = refused(model)

    assert "wires the int8 numbers `w` into operator `MatMul` (`product`)" in error.message
    assert "left out what makes floats of quantised weights" in error.message
    assert ".tflite" in str(error.hint)


def test_two_types_where_one_is_meant(model: onnx.ModelProto, refused: Judge) -> None:
    """Both are allowed, but not together."""
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((4, 3)), "w"))

    message = refused(model).message

    assert "takes float numbers, `x`, and double numbers, `w`, which must be of one type" in message


def test_types_are_followed_through_the_graph(model: onnx.ModelProto, refused: Judge) -> None:
    """Through Cast, through operators that keep the type, and those whose output has a type of its own."""
    model.graph.node[1].CopyFrom(NODE("Cast", ["m"], ["c"], to=TensorProto.INT32))
    model.graph.node.append(NODE("Abs", ["c"], ["a"]))
    model.graph.node.append(NODE("Add", ["a", "m"], ["y"], name="sum"))

    message = refused(model).message

    assert "operator `Add` (`sum`) takes int32 numbers, `a`, and float numbers, `m`" in message


def test_a_type_that_an_operator_does_not_have(model: onnx.ModelProto, refused: Judge) -> None:
    """Nothing of quantisation here: the sentence is another one."""
    model.graph.node[1].CopyFrom(NODE("Cast", ["m"], ["c"], to=TensorProto.BOOL))
    model.graph.node.append(NODE("Sigmoid", ["c"], ["y"], name="last"))

    message = refused(model).message

    assert "wires bool numbers, `c`, into operator `Sigmoid` (`last`)" in message


def test_operators_that_take_several_types_pass(model: onnx.ModelProto) -> None:
    """Where does not ask for one type of all its inputs, Concat does."""
    model.graph.initializer.append(numpy_helper.from_array(np.array([True]), "c"))
    model.graph.node[1].CopyFrom(NODE("Where", ["c", "m", "m"], ["w2"]))
    model.graph.node.append(NODE("Shape", ["w2"], ["s"]))
    model.graph.node.append(NODE("Concat", ["s", "s"], ["s2"], axis=0))
    model.graph.node.append(NODE("Relu", ["w2"], ["y"]))

    gate.admit(model.SerializeToString(), Path("model.onnx"))
