"""
Operators of floats with int8 weights ("dynamic range"), as LiteRT's reference kernels compute them.

The input is quantised on the way in, with a scale that is found anew for each row or picture of a batch; the sums are exact
integers; then come the scales and the bias, in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.model.tflite.accumulate import Reduction, accumulate
from edgekit.model.tflite.activation import float_activation
from edgekit.model.tflite.rounding import divide, divided, half_away
from edgekit.model.tflite.writer import CHANNELS_FIRST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.model.tflite.accumulate import Product
    from edgekit.model.tflite.graph import Operator, Tensor
    from edgekit.model.tflite.writer import Writer

    Array = np.ndarray[Any, Any]

_LOWEST: Final = -128.0
_HIGHEST: Final = 127.0


class Quantised(NamedTuple):
    """A float tensor as whole numbers: code minus offset, times the scale of its row."""

    codes: str
    scale: str
    kept: tuple[int, int]


def convolution(
    writer: Writer, operator: Operator, x: str, kernel: Array, product: Product
) -> None:
    """Write CONV_2D or DEPTHWISE_CONV_2D over `x` `[batch, channel, height, width]`, a scale a picture."""
    weights = operator.input(1)
    scales = _scales(operator, weights)
    # one scale for all channels is the older form, which quantises symmetrically
    asymmetric = scales.size > 1 or operator.name == "DEPTHWISE_CONV_2D"
    given = (asymmetrical if asymmetric else symmetrical)(writer, x, (1, 2, 3))
    reduction = Reduction(product=product, outputs=0, inputs=None, input_axis=1)
    sums = accumulate(writer, given.codes, given.kept, kernel.astype(np.int64), None, reduction)
    values = _to_float(writer, sums.name, is_double=sums.is_double)
    per_channel = writer.constant(scales.reshape(1, -1, 1, 1))
    if operator.name == "CONV_2D" and asymmetric:
        values = writer.add("Mul", writer.add("Mul", values, given.scale), per_channel)
    else:  # the two scales first
        values = writer.add("Mul", values, writer.add("Mul", given.scale, per_channel))
    bias = operator.optional(2)
    if bias is not None:
        shift = writer.float_constant(bias).reshape(1, -1, 1, 1)
        values = writer.add("Add", values, writer.constant(shift))
    writer.put(operator.outputs[0], float_activation(writer, operator, values), CHANNELS_FIRST)


def dense(writer: Writer, operator: Operator, x: str, matrix: Array, product: Product) -> str:
    """Write FULLY_CONNECTED over `x` `[rows, in]` with `matrix` `[in, out]`, a scale a row; return the outputs."""
    scales = _scales(operator, operator.input(1))
    quantise = asymmetrical if operator.options["asymmetric"] else symmetrical
    given = quantise(writer, x, (1,))
    reduction = Reduction(product=product, outputs=1, inputs=0, input_axis=-1)
    sums = accumulate(writer, given.codes, given.kept, matrix.astype(np.int64), None, reduction)
    values = _to_float(writer, sums.name, is_double=sums.is_double)
    if scales.size == 1:
        scale = writer.add("Mul", given.scale, writer.constant(scales[0]))
        values = writer.add("Mul", values, scale)
    else:
        values = writer.add("Mul", values, given.scale)
        values = writer.add("Mul", values, writer.constant(scales))
    bias = operator.optional(2)
    if bias is not None:
        values = writer.add("Add", values, writer.constant(writer.float_constant(bias)))
    return float_activation(writer, operator, values)


def symmetrical(writer: Writer, x: str, axes: Sequence[int]) -> Quantised:
    """Quantise to -127 … 127, the largest magnitude along `axes` being 127."""
    largest = writer.add("ReduceMax", writer.add("Abs", x), axes=axes, keepdims=1)
    scale = divide(writer, largest, _HIGHEST)
    # where all are zero, any scale does
    divisor = writer.add("Max", largest, writer.constant(np.finfo(np.float32).tiny, np.float32))
    inverse = divided(writer, writer.constant(_HIGHEST, np.float64), divisor)
    codes = half_away(writer, writer.add("Mul", x, inverse))
    ends = [writer.constant(end, np.float32) for end in (-_HIGHEST, _HIGHEST)]
    return Quantised(writer.add("Clip", codes, *ends), scale, (-127, 127))


def asymmetrical(writer: Writer, x: str, axes: Sequence[int]) -> Quantised:
    """Quantise to -128 … 127 with an offset, so that least and largest along `axes`, and zero, are codes."""
    zero, lowest, highest = (writer.constant(end, np.float64) for end in (0, _LOWEST, _HIGHEST))
    ends = [writer.add(reduce, x, axes=axes, keepdims=1) for reduce in ("ReduceMin", "ReduceMax")]
    doubles = [writer.add("Cast", end, to=TensorProto.DOUBLE) for end in ends]
    least = writer.add("Min", doubles[0], zero)
    most = writer.add("Max", doubles[1], zero)
    width = writer.add("Sub", most, least)
    # LiteRT takes scale 1 where everything is zero; then every code is zero, whatever the scale
    tiny = writer.constant(np.finfo(np.float32).tiny, np.float64)
    step = writer.add("Div", writer.add("Max", width, tiny), writer.constant(255, np.float64))
    from_least = writer.add("Sub", lowest, writer.add("Div", least, step))
    from_most = writer.add("Sub", highest, writer.add("Div", most, step))
    errors = [
        writer.add("Add", writer.constant(abs(limit), np.float64), writer.add("Abs", quotient))
        for limit, quotient in (
            (_LOWEST, writer.add("Div", least, step)),
            (_HIGHEST, writer.add("Div", most, step)),
        )
    ]
    nearer = writer.add("Less", *errors)
    zero_point = writer.add("Where", nearer, from_least, from_most)
    zero_point = writer.add("Max", writer.add("Min", zero_point, highest), lowest)
    offset = half_away(writer, writer.add("Cast", zero_point, to=TensorProto.FLOAT))
    scale = writer.add("Cast", step, to=TensorProto.FLOAT)
    inverse = divided(writer, writer.constant(1, np.float64), scale)
    shifted = writer.add("Add", offset, writer.add("Mul", x, inverse))
    limits = [writer.constant(end, np.float32) for end in (_LOWEST, _HIGHEST)]
    codes = writer.add("Clip", half_away(writer, shifted), *limits)
    return Quantised(writer.add("Sub", codes, offset), scale, (-255, 255))


def _scales(operator: Operator, weights: Tensor) -> Array:
    quantisation = weights.quantisation
    if quantisation is None or quantisation.zero_points.any():
        raise ModelError(
            f"has a {operator.name} of floats whose weights `{weights.name}` have a zero point",
            hint="convert it again, to float32 or to full int8",
        )
    return quantisation.scales


def _to_float(writer: Writer, name: str, *, is_double: bool) -> str:
    return writer.add("Cast", name, to=TensorProto.FLOAT) if is_double else name
