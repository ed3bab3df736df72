"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, ARG_MAX and ARG_MIN."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.model.tflite.accumulate import EXACT
from edgekit.model.tflite.activation import requantised
from edgekit.model.tflite.fixed_point import Factor, factor
from edgekit.model.tflite.moving import axis_in, layout_of, same_codes
from edgekit.model.tflite.writer import CHANNELS_FIRST, PLAIN, integers_of

if TYPE_CHECKING:
    from edgekit.model.tflite.graph import Operator
    from edgekit.model.tflite.writer import Layout, Writer

_ONNX: Final = {
    "MEAN": "ReduceMean",
    "SUM": "ReduceSum",
    "REDUCE_MAX": "ReduceMax",
    "REDUCE_MIN": "ReduceMin",
    "REDUCE_PROD": "ReduceProd",
}


def reduce(writer: Writer, operator: Operator) -> None:
    """Reduce along axes."""
    x, output = operator.input(0), operator.outputs[0]
    layout, axes = _place(writer, operator)
    keep = bool(operator.options["keep_dims"])
    given = writer.get(x, layout)
    after = layout if keep else PLAIN
    if x.is_quantised and operator.name == "MEAN":
        _quantised_mean(writer, operator, given, layout, axes)
        return
    if x.is_quantised:
        if operator.name in (
            "SUM",
            "REDUCE_PROD",
        ):  # LiteRT's reference kernel lets the codes overflow
            raise ModelError(
                f"has a quantised {operator.name}",
                hint="convert the model so that it stays in float32, or use the mean",
            )
        same_codes(operator)
    name = _reduced(writer, _ONNX[operator.name], given, axes, keep=keep)
    if x.is_quantised:
        writer.ranges[output.index] = writer.range_of(x)
    writer.put(output, name, after)


def arg(writer: Writer, operator: Operator) -> None:
    """ARG_MAX and ARG_MIN; of equal ones the first."""
    x, output = operator.input(0), operator.outputs[0]
    axis = axis_in(integers_of(operator, 1)[0], x.rank, PLAIN)
    op_type = "ArgMax" if operator.name == "ARG_MAX" else "ArgMin"
    name = writer.add(op_type, writer.get(x), axis=axis, keepdims=0)
    if output.dtype == "int32":
        name = writer.add("Cast", name, to=TensorProto.INT32)
    writer.put(output, name)


def _place(writer: Writer, operator: Operator) -> tuple[Layout, list[int]]:
    """Return in which order of axes to reduce, and along which of its axes."""
    x = operator.input(0)
    layout = layout_of(writer, x)
    axes = sorted({axis_in(axis, x.rank, PLAIN) for axis in integers_of(operator, 1)})
    # what is left of a picture has another order in the two, where it is channels and more
    together = 3 in axes or {1, 2} <= set(axes)  # noqa: PLR2004 (the axis of channels)
    if layout == CHANNELS_FIRST and not operator.options["keep_dims"] and not together:
        layout = PLAIN
    return layout, [axis_in(axis, x.rank, layout) for axis in axes]


def _reduced(writer: Writer, op_type: str, x: str, axes: list[int], *, keep: bool) -> str:
    if not axes:
        return writer.add("Identity", x)
    if op_type == "ReduceSum":
        return writer.add(op_type, x, writer.constant(axes, np.int64), keepdims=int(keep))
    return writer.add(op_type, x, axes=axes, keepdims=int(keep))


def _quantised_mean(
    writer: Writer, operator: Operator, given: str, layout: Layout, axes: list[int]
) -> None:
    x, output = operator.input(0), operator.outputs[0]
    plain = {axis_in(axis, x.rank, PLAIN) for axis in integers_of(operator, 1)}
    count = math.prod(x.shape[axis] for axis in plain)
    low, high = (end * count for end in writer.range_of(x))
    is_double = max(-low, high) >= EXACT
    if is_double:
        given = writer.add("Cast", given, to=TensorProto.DOUBLE)
    total = _reduced(writer, "ReduceSum", given, axes, keep=bool(operator.options["keep_dims"]))
    step = _divided(factor(x.scale / output.scale), count)
    after = layout if operator.options["keep_dims"] else PLAIN
    requantised(
        writer,
        operator,
        total,
        step,
        (min(low, 0), max(high, 0)),
        layout=after,
        is_double=is_double,
    )


def _divided(step: Factor, count: int) -> Factor:
    """Return the factor divided by the number of values, as the kernel does it: in integers."""
    shift = min(max(count, 1).bit_length() - 1, 32, 31 + int(step.shift[0]))
    multiplier = (int(step.multiplier[0]) << shift) // max(count, 1)
    return Factor(np.array([multiplier], np.int64), step.shift - shift, step.rounding)
