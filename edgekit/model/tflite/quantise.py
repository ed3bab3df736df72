"""QUANTIZE, DEQUANTIZE and CAST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from onnx import TensorProto, helper

from edgekit.errors import ModelError
from edgekit.model.tflite.activation import kept_codes
from edgekit.model.tflite.moving import layout_of
from edgekit.model.tflite.unary import quantised, rescaled

if TYPE_CHECKING:
    from edgekit.model.tflite.graph import Operator
    from edgekit.model.tflite.writer import Writer

_EVERYTHING: Final = (-float("inf"), float("inf"))
_CAST: Final = ("float32", "int32", "int64", "bool")


def quantize(writer: Writer, operator: Operator) -> None:
    """QUANTIZE: floats to codes, or codes to those of another scale or type."""
    x, output = operator.input(0), operator.outputs[0]
    layout = layout_of(writer, x)
    if not output.is_quantised:
        raise ModelError(
            f"has a QUANTIZE whose output `{output.name}` has no scale", hint="convert it again"
        )
    given = writer.get(x, layout)
    if x.is_quantised:
        kept = kept_codes(output, _EVERYTHING)
        result = rescaled(writer, given, x, output, x.scale / output.scale, kept)
    else:
        result = quantised(writer, given, output)
    writer.put(output, result, layout)


def dequantize(writer: Writer, operator: Operator) -> None:
    """DEQUANTIZE: codes to floats; constants are dequantised when the file is read."""
    x, output = operator.input(0), operator.outputs[0]
    layout = layout_of(writer, x)
    given = writer.get(x, layout)
    if x.is_quantised:
        given = writer.add("Mul", given, writer.constant(x.scale, np.float32))
    elif x.dtype != "float32":
        given = writer.add("Cast", given, to=TensorProto.FLOAT)
    writer.put(output, given, layout)


def cast(writer: Writer, operator: Operator) -> None:
    """CAST between types of plain numbers."""
    x, output = operator.input(0), operator.outputs[0]
    if x.dtype not in _CAST or output.dtype not in _CAST:
        raise ModelError(
            f"has a CAST from {x.dtype} to {output.dtype}",
            hint="convert the model so that it computes in float32",
        )
    element = helper.np_dtype_to_tensor_dtype(np.dtype(output.dtype))
    writer.put(output, writer.add("Cast", writer.get(x), to=element))
