"""Types of numbers: each that ONNX has is read, or refused with a sentence of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.errors import ModelError
from edgekit.model.gate import element_types

Judge = Callable[[onnx.ModelProto | bytes], ModelError]

READ = {*element_types.ITEM_BYTES, TensorProto.STRING}


@pytest.mark.parametrize("element", sorted(set(TensorProto.DataType.values()) - READ))
def test_other_types_are_refused_with_a_way_out(
    model: onnx.ModelProto, refused: Judge, element: int
) -> None:
    """As the type of an input; the type is named."""
    model.graph.input[0].type.tensor_type.elem_type = element

    error = refused(model)

    assert f"({TensorProto.DataType.Name(element)})" in error.message
    assert "`x` has" in error.message


def test_a_type_that_onnx_does_not_have(model: onnx.ModelProto, refused: Judge) -> None:
    """A damaged number."""
    model.graph.input[0].type.tensor_type.elem_type = 99

    assert "does not have (99)" in refused(model).message


def test_a_type_in_the_middle_is_seen(model: onnx.ModelProto, refused: Judge) -> None:
    """A Cast there and back would lose digits in one engine and not in the other."""
    model.graph.node[1].CopyFrom(
        helper.make_node("Cast", ["m"], ["y"], to=TensorProto.BFLOAT16, name="cast")
    )

    error = refused(model)

    assert "the output of operator `Cast` (`cast`) has bfloat16 numbers" in error.message
    assert "model.float()" in str(error.hint)


def test_a_type_in_a_sequence_is_seen(model: onnx.ModelProto, refused: Judge) -> None:
    """Wrapped types are types too."""
    inner: Any = helper.make_tensor_type_proto(TensorProto.COMPLEX64, [1])
    model.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(inner))

    assert "complex numbers" in refused(model).message


def test_an_output_without_a_type_passes(model: onnx.ModelProto) -> None:
    """Exporters may leave it to inference."""
    model.graph.output[0].ClearField("type")

    element_types.check(model, Path("model.onnx"))
