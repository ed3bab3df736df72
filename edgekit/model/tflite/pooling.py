"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from edgekit.model.tflite import requantise
from edgekit.model.tflite.activation import ends_of, float_activation, kept_codes
from edgekit.model.tflite.moving import same_codes
from edgekit.model.tflite.padding import pool_padding
from edgekit.model.tflite.writer import CHANNELS_FIRST

if TYPE_CHECKING:
    from edgekit.model.tflite.graph import Operator
    from edgekit.model.tflite.writer import Writer


def max_pool_2d(writer: Writer, operator: Operator) -> None:
    """MAX_POOL_2D; what lies outside of the picture does not count."""
    x, output = operator.input(0), operator.outputs[0]
    attributes = pool_padding(operator, x)
    result = writer.add("MaxPool", writer.get(x, CHANNELS_FIRST), **attributes)
    if x.is_quantised:
        same_codes(operator)
        kept = kept_codes(output, ends_of(operator))
        writer.ranges[output.index] = kept
        result = requantise.clip(writer, result, kept)
    else:
        result = float_activation(writer, operator, result)
    writer.put(output, result, CHANNELS_FIRST)


def average_pool_2d(writer: Writer, operator: Operator) -> None:
    """AVERAGE_POOL_2D; the mean of what lies within the picture."""
    x = operator.input(0)
    attributes = pool_padding(operator, x)
    if x.is_quantised:
        same_codes(operator)
        _quantised_average(writer, operator, attributes)
        return
    result = writer.add("AveragePool", writer.get(x, CHANNELS_FIRST), **attributes)
    writer.put(operator.outputs[0], float_activation(writer, operator, result), CHANNELS_FIRST)


def _quantised_average(writer: Writer, operator: Operator, attributes: dict[str, Any]) -> None:
    """
    Write the mean of codes: their sum, divided by their number, halves away from zero.

    The sum is of the codes themselves, not counted from the zero point, so rounding goes the way of the code's sign; half
    of an odd number of codes is rounded down before it is added.
    """
    x, output = operator.input(0), operator.outputs[0]
    kernel = attributes["kernel_shape"]
    channels = x.shape[3]
    ones = np.ones((channels, 1, *kernel), np.float32)
    places = [attributes[key] for key in ("strides", "pads")]
    total = writer.add(
        "Conv",
        writer.get(x, CHANNELS_FIRST),
        writer.constant(ones),
        kernel_shape=kernel,
        strides=places[0],
        pads=places[1],
        group=channels,
    )
    count = _counts(x.shape[1:3], kernel, *places)
    codes = writer.add("Add", total, writer.constant(count * x.zero_point, np.float32))
    magnitude = writer.add("Add", writer.add("Abs", codes), writer.constant(count // 2, np.float32))
    # half a unit more keeps whole quotients whole, whichever way the reciprocal is rounded
    magnitude = writer.add("Cast", magnitude, to=TensorProto.DOUBLE)
    magnitude = writer.add("Add", magnitude, writer.constant(0.5, np.float64))
    quotient = writer.add("Mul", magnitude, writer.constant(1 / count.astype(np.float64)))
    quotient = writer.add("Cast", writer.add("Floor", quotient), to=TensorProto.FLOAT)
    mean = writer.add("Mul", quotient, writer.add("Sign", codes))
    mean = writer.add("Sub", mean, writer.constant(output.zero_point, np.float32))
    kept = kept_codes(output, ends_of(operator))
    writer.ranges[output.index] = kept
    writer.put(output, requantise.clip(writer, mean, kept), CHANNELS_FIRST)


def _counts(
    size: tuple[int, ...], kernel: list[int], strides: list[int], pads: list[int]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return how many values each window sees `[1, 1, height, width]`, or one number where that is the same for all."""
    along = []
    for axis in range(2):
        whole = size[axis] + pads[axis] + pads[axis + 2]
        starts = np.arange(0, whole - kernel[axis] + 1, strides[axis]) - pads[axis]
        ends = np.minimum(starts + kernel[axis], size[axis])
        along.append(ends - np.maximum(starts, 0))
    counts: np.ndarray[Any, np.dtype[np.int64]] = along[0][:, np.newaxis] * along[1]
    if counts.size and (counts == math.prod(kernel)).all():
        return np.array(math.prod(kernel), np.int64)
    return counts.reshape(1, 1, *counts.shape)
