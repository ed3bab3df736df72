"""Operators on one tensor, element by element: formulas over floats, tables or staircases over codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.errors import ModelError
from edgekit.model.tflite import requantise, table
from edgekit.model.tflite.activation import ENDS, clamp, kept_codes
from edgekit.model.tflite.fixed_point import factor
from edgekit.model.tflite.moving import layout_of, lookup
from edgekit.model.tflite.rounding import divide, half_away

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekit.model.tflite.graph import Operator, Tensor
    from edgekit.model.tflite.writer import Writer

    Array = np.ndarray[Any, Any]

_RELU_ENDS: Final = {
    "RELU": ENDS[1],
    "RELU_N1_TO_1": ENDS[2],
    "RELU6": ENDS[3],
    "RELU_0_TO_1": (0.0, 1.0),
}


def relu(writer: Writer, operator: Operator) -> None:
    """RELU and its kin."""
    x, output = operator.input(0), operator.outputs[0]
    layout = layout_of(writer, x)
    given, ends = writer.get(x, layout), _RELU_ENDS[operator.name]
    if x.is_quantised:
        _check_output(operator)
        kept = kept_codes(output, ends)
        # the kernel divides in float32
        real = float(np.float32(x.scale) / np.float32(output.scale))
        result = rescaled(writer, given, x, output, real, kept)
        writer.ranges[output.index] = kept
    else:
        result = clamp(writer, given, ends)
    writer.put(output, result, layout)


def rescaled(  # noqa: PLR0913, PLR0917 (two tensors, the factor between them, what is kept)
    writer: Writer, name: str, x: Tensor, output: Tensor, real: float, kept: tuple[int, int]
) -> str:
    """Bring codes from one scale to another, by the factor `real`."""
    if x.scale == output.scale:
        low, high = writer.range_of(x)
        return name if kept[0] <= low and high <= kept[1] else requantise.clip(writer, name, kept)
    form = requantise.staircase(factor(real), writer.range_of(x), kept)
    return requantise.write(writer, name, form, kept)


def function(writer: Writer, operator: Operator) -> None:
    """Write a function of one number: over floats by its formula, over 8-bit codes by a table of all of them."""
    x, output = operator.input(0), operator.outputs[0]
    layout = layout_of(writer, x)
    given = writer.get(x, layout)
    if not x.is_quantised:
        writer.put(output, _FLOAT[operator.name](writer, operator, given), layout)
        return
    _check_output(operator)
    if x.dtype != "int16" and operator.name in table.FUNCTIONS:
        values = table.of_codes(operator)
        result = lookup(writer, given, x.code_range[0], values)
    elif operator.name in ("LOGISTIC", "TANH"):
        # LiteRT interpolates a table here; what that loses is below its own step
        real = writer.add("Mul", given, writer.constant(x.scale, np.float32))
        result = _FLOAT[operator.name](writer, operator, real)
        result = quantised(writer, result, output)
    else:
        raise ModelError(
            f"has a {operator.name} of {x.dtype} codes, which is not supported",
            hint="convert the model so that this operator stays in float32",
        )
    writer.put(output, result, layout)


def quantised(writer: Writer, x: str, output: Tensor) -> str:
    """Bring floats to codes minus the zero point."""
    codes = half_away(writer, divide(writer, x, output.scale))
    return requantise.clip(writer, codes, output.code_range)


def _check_output(operator: Operator) -> None:
    if not operator.outputs[0].is_quantised:
        raise ModelError(
            f"has a {operator.name} from codes to floats", hint="convert it again, to full int8"
        )


def _simple(op_type: str) -> Callable[[Writer, Operator, str], str]:
    def write(writer: Writer, _: Operator, x: str) -> str:
        return writer.add(op_type, x)

    return write


def _hard_swish(writer: Writer, _: Operator, x: str) -> str:
    """Write x * relu6(x + 3) / 6."""
    shifted = writer.add("Add", x, writer.constant(3, np.float32))
    gate = clamp(writer, shifted, ENDS[3])
    sixth = writer.constant(1 / 6, np.float32)
    return writer.add("Mul", writer.add("Mul", x, gate), sixth)


def _leaky_relu(writer: Writer, operator: Operator, x: str) -> str:
    return writer.add("LeakyRelu", x, alpha=operator.options["alpha"])


def _gelu(writer: Writer, operator: Operator, x: str) -> str:
    """Write x / 2 * (1 + erf(x / √2)), or its approximation by the tangent."""
    if operator.options["approximate"]:
        cube = writer.add("Mul", writer.add("Mul", x, x), x)
        term = writer.add("Mul", cube, writer.constant(0.044715, np.float32))
        inner = writer.add("Add", x, term)
        inner = writer.add("Mul", inner, writer.constant(np.sqrt(2 / np.pi), np.float32))
        bent = writer.add("Tanh", inner)
    else:
        scaled = writer.add("Mul", x, writer.constant(np.sqrt(0.5), np.float32))
        bent = writer.add("Erf", scaled)
    half = writer.add("Mul", x, writer.constant(0.5, np.float32))
    return writer.add("Mul", half, writer.add("Add", bent, writer.constant(1, np.float32)))


def _square(writer: Writer, _: Operator, x: str) -> str:
    return writer.add("Mul", x, x)


def _rsqrt(writer: Writer, _: Operator, x: str) -> str:
    return writer.add("Reciprocal", writer.add("Sqrt", x))


_FLOAT: Final[dict[str, Callable[[Writer, Operator, str], str]]] = {
    "LOGISTIC": _simple("Sigmoid"),
    "TANH": _simple("Tanh"),
    "ABS": _simple("Abs"),
    "SQRT": _simple("Sqrt"),
    "EXP": _simple("Exp"),
    "LOG": _simple("Log"),
    "SIN": _simple("Sin"),
    "COS": _simple("Cos"),
    "NEG": _simple("Neg"),
    "FLOOR": _simple("Floor"),
    "CEIL": _simple("Ceil"),
    "ROUND": _simple("Round"),
    "SIGN": _simple("Sign"),
    "ELU": _simple("Elu"),
    "RSQRT": _rsqrt,
    "SQUARE": _square,
    "HARD_SWISH": _hard_swish,
    "LEAKY_RELU": _leaky_relu,
    "GELU": _gelu,
}

FUNCTIONS: Final = tuple(_FLOAT)
"""Operators that `function` writes."""
