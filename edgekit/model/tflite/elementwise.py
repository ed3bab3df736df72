"""Operators on two tensors, element by element, with NumPy's broadcasting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.model.tflite import requantise
from edgekit.model.tflite.activation import float_activation, requantised
from edgekit.model.tflite.fixed_point import Factor, factor
from edgekit.model.tflite.moving import layout_of, lookup
from edgekit.model.tflite.writer import CHANNELS_FIRST, IMAGE_RANK, TO_FIRST, values_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.model.tflite.graph import Operator, Tensor
    from edgekit.model.tflite.writer import Layout, Writer

    Array = np.ndarray[Any, Any]

_ONNX: Final = {
    "ADD": "Add",
    "SUB": "Sub",
    "MUL": "Mul",
    "DIV": "Div",
    "MAXIMUM": "Max",
    "MINIMUM": "Min",
}
_UPSHIFT: Final = {"int8": 20, "uint8": 20, "int16": 15}
"""Bits by which ADD and SUB shift codes up before they are brought to one scale."""
_UPSHIFT_OF_DIFFERENCE: Final = 7
_EXACT: Final = 2**24


def arithmetic(writer: Writer, operator: Operator) -> None:
    """ADD, SUB, MUL and DIV."""
    names, layout = _operands(writer, operator)
    if not operator.input(0).is_quantised:
        result = writer.add(_ONNX[operator.name], *names)
        if operator.outputs[0].dtype == "float32":
            result = float_activation(writer, operator, result)
        writer.put(operator.outputs[0], result, layout)
    elif operator.name == "MUL":
        _multiply(writer, operator, names, layout)
    elif operator.name == "DIV":
        raise ModelError(
            "has a quantised DIV", hint="convert the model so that the division stays in float32"
        )
    else:
        _add(writer, operator, names, layout)


def extremes(writer: Writer, operator: Operator) -> None:
    """MAXIMUM and MINIMUM; of quantised tensors the codes are compared as they are."""
    names, layout = _operands(writer, operator)
    output = operator.outputs[0]
    if output.is_quantised:
        tensors = [operator.input(0), operator.input(1)]
        names = [
            _shifted(writer, name, tensor.zero_point - output.zero_point)
            for name, tensor in zip(names, tensors, strict=True)
        ]
    writer.put(output, writer.add(_ONNX[operator.name], *names), layout)


def squared_difference(writer: Writer, operator: Operator) -> None:
    """SQUARED_DIFFERENCE."""
    names, layout = _operands(writer, operator)
    left, right, output = operator.input(0), operator.input(1), operator.outputs[0]
    if not left.is_quantised:
        difference = writer.add("Sub", *names)
        writer.put(output, writer.add("Mul", difference, difference), layout)
        return
    twice = 2 * float(max(np.float32(left.scale), np.float32(right.scale)))
    scaled, ends = _to_one_scale(writer, (left, right), names, twice, _UPSHIFT_OF_DIFFERENCE)
    difference = writer.add("Sub", *scaled)
    largest = max(ends[0][1] - ends[1][0], ends[1][1] - ends[0][0])
    product = writer.add("Mul", difference, difference)
    real = twice * twice / (float(1 << 2 * _UPSHIFT_OF_DIFFERENCE) * output.scale)
    requantised(
        writer, operator, product, factor(real), (0, largest**2), layout=layout, is_double=True
    )


def prelu(writer: Writer, operator: Operator) -> None:
    """PRELU: what is negative times a slope of its own."""
    names, layout = _operands(writer, operator)
    x, alpha, output = operator.input(0), operator.input(1), operator.outputs[0]
    zero = writer.constant(0, np.float32)
    positive = writer.add("Max", names[0], zero)
    negative = writer.add("Mul", writer.add("Min", names[0], zero), names[1])
    if not x.is_quantised:
        writer.put(output, writer.add("Add", positive, negative), layout)
        return
    kept, low, high = output.code_range, *writer.range_of(x)
    slopes = [low * end for end in writer.range_of(alpha)]
    product = float(np.float32(x.scale) * np.float32(alpha.scale))
    parts = [
        (positive, x.scale / output.scale, (0, max(high, 0))),
        (negative, product / output.scale, (min(0, *slopes), max(0, *slopes))),
    ]
    names = [
        requantise.write(writer, part, requantise.staircase(factor(real), reach, kept), kept)
        for part, real, reach in parts
    ]
    writer.put(output, writer.add("Add", *names), layout)


def _multiply(writer: Writer, operator: Operator, names: list[str], layout: Layout) -> None:
    left, right, output = operator.input(0), operator.input(1), operator.outputs[0]
    products = [a * b for a in writer.range_of(left) for b in writer.range_of(right)]
    is_double = max(abs(product) for product in products) >= _EXACT
    if is_double:
        names = [writer.add("Cast", name, to=TensorProto.DOUBLE) for name in names]
    # both steps in float32, as the kernel prepares it
    real = np.float32(left.scale) * np.float32(right.scale) / np.float32(output.scale)
    requantised(
        writer,
        operator,
        writer.add("Mul", *names),
        factor(float(real)),
        (min(products), max(products)),
        layout=layout,
        is_double=is_double,
    )


def _add(writer: Writer, operator: Operator, names: list[str], layout: Layout) -> None:
    """Write ADD or SUB: both brought to twice the larger scale, with more bits, then to the output's."""
    left, right, output = operator.input(0), operator.input(1), operator.outputs[0]
    upshift = _UPSHIFT[left.dtype]
    twice = 2 * float(max(np.float32(left.scale), np.float32(right.scale)))
    scaled, ends = _to_one_scale(writer, (left, right), names, twice, upshift)
    result = writer.add(_ONNX[operator.name], *scaled)
    if operator.name == "SUB":
        ends = [ends[0], (-ends[1][1], -ends[1][0])]
    reach = (ends[0][0] + ends[1][0], ends[0][1] + ends[1][1])
    real = twice / (float(1 << upshift) * output.scale)
    requantised(writer, operator, result, factor(real), reach, layout=layout, is_double=True)


def _to_one_scale(
    writer: Writer, tensors: Sequence[Tensor], names: Sequence[str], twice: float, upshift: int
) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the tensors in float64, in units of `twice / 2 ** upshift`, and between which whole numbers they stay."""
    scaled, ends = [], []
    for tensor, name in zip(tensors, names, strict=True):
        low, high = writer.range_of(tensor)
        codes = np.arange(low, high + 1, dtype=np.int64)
        step = factor(tensor.scale / twice)
        values = step.times(codes << upshift)
        scaled.append(_written_out(writer, name, codes, values, step, upshift))
        ends.append((int(values.min()), int(values.max())))
    return scaled, ends


def _written_out(  # noqa: PLR0913, PLR0917 (a function of codes, and what is known of it)
    writer: Writer, x: str, codes: Array, values: Array, step: Factor, upshift: int
) -> str:
    """Write codes → values in float64: an affine staircase if there is one, else a table."""
    slope = float(np.ldexp(step.real[0], upshift))
    products = codes * slope
    if (products == values).all():
        double = writer.add("Cast", x, to=TensorProto.DOUBLE)
        return writer.add("Mul", double, writer.constant(slope, np.float64))
    least, too_large = float((values - products).max()), float((values + 1 - products).min())
    offset = (least + too_large) / 2
    if (np.floor(products + offset) == values).all():
        double = writer.add("Cast", x, to=TensorProto.DOUBLE)
        product = writer.add("Mul", double, writer.constant(slope, np.float64))
        return writer.add("Floor", writer.add("Add", product, writer.constant(offset, np.float64)))
    return lookup(writer, x, int(codes[0]), values.astype(np.float64))


def _shifted(writer: Writer, x: str, by: int) -> str:
    return x if by == 0 else writer.add("Add", x, writer.constant(by, np.float32))


def _operands(writer: Writer, operator: Operator) -> tuple[list[str], Layout]:
    """Return the two operands in one order of axes, and that order."""
    tensors = [operator.input(0), operator.input(1)]
    if any(tensor.is_quantised for tensor in (*tensors, operator.outputs[0])) and not all(
        tensor.is_quantised and tensor.dtype == tensors[0].dtype
        for tensor in (*tensors, operator.outputs[0])
    ):
        raise ModelError(
            f"has a {operator.name} at `{operator.outputs[0].name}` of quantised and other tensors",
            hint="convert it again, to full int8 or to float32",
        )
    layout = layout_of(writer, *tensors)
    return [_operand(writer, tensor, layout) for tensor in tensors], layout


def _operand(writer: Writer, tensor: Tensor, layout: Layout) -> str:
    if layout == CHANNELS_FIRST and tensor.data is not None and tensor.rank < IMAGE_RANK:
        # axes in front of the others first: then channels can come second
        values = values_of(tensor)
        values = values.reshape((1,) * (IMAGE_RANK - tensor.rank) + tensor.shape)
        return writer.constant(values.transpose(TO_FIRST))
    return writer.get(tensor, layout)
