"""SOFTMAX and LOG_SOFTMAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.model.tflite import requantise
from edgekit.model.tflite.rounding import divided
from edgekit.model.tflite.unary import quantised

if TYPE_CHECKING:
    from edgekit.model.tflite.graph import Operator, Tensor
    from edgekit.model.tflite.writer import Writer


def softmax(writer: Writer, operator: Operator) -> None:
    """SOFTMAX along the last axis."""
    x, output = operator.input(0), operator.outputs[0]
    given, beta = writer.get(x), np.float32(operator.options["beta"])
    if not x.is_quantised:
        scaled = given if beta == 1 else writer.add("Mul", given, writer.constant(beta))
        writer.put(output, writer.add("Softmax", scaled, axis=-1))
        return
    if not output.is_quantised:
        raise ModelError(
            "has a SOFTMAX from codes to floats", hint="convert it again, to full int8"
        )
    if x.dtype == "int16":
        # LiteRT interpolates tables here; what that loses is a few codes of 65,536
        real = writer.add("Mul", given, writer.constant(np.float32(x.scale) * beta))
        result = quantised(writer, writer.add("Softmax", real, axis=-1), output)
    else:
        result = _of_codes(writer, given, np.float32(x.scale) * beta, output)
    writer.put(output, result)


def log_softmax(writer: Writer, operator: Operator) -> None:
    """LOG_SOFTMAX of floats."""
    if operator.input(0).is_quantised:
        raise ModelError(
            "has a quantised LOG_SOFTMAX", hint="convert the model so that it ends in float32"
        )
    name = writer.add("LogSoftmax", writer.get(operator.input(0)), axis=-1)
    writer.put(operator.outputs[0], name)


def _of_codes(writer: Writer, codes: str, scale: np.float32, output: Tensor) -> str:
    """
    Write the kernel's float32 steps: exp(-scale * (largest - code)) over their sum, in steps of the output.

    Exponential and sum are taken in float64, so that they come out correctly rounded, on whatever machine.
    """
    largest = writer.add("ReduceMax", codes, axes=[-1], keepdims=1)
    below = writer.add("Sub", largest, codes)
    exponent = writer.add("Mul", below, writer.constant(-scale))
    exponent = writer.add("Cast", exponent, to=TensorProto.DOUBLE)
    powers = writer.add("Cast", writer.add("Exp", exponent), to=TensorProto.FLOAT)
    doubles = writer.add("Cast", powers, to=TensorProto.DOUBLE)
    total = writer.add("ReduceSum", doubles, writer.constant([-1], np.int64), keepdims=1)
    total = writer.add("Cast", total, to=TensorProto.FLOAT)
    total = writer.add("Mul", total, writer.constant(output.scale, np.float32))
    inverse = divided(writer, writer.constant(1, np.float64), total)
    steps = writer.add("Mul", powers, inverse)
    rounded = writer.add("Floor", writer.add("Add", steps, writer.constant(0.5, np.float32)))
    return requantise.clip(writer, rounded, output.code_range)
