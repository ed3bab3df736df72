"""Operators that move numbers without changing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.errors import ModelError
from edgekit.model.tflite import requantise
from edgekit.model.tflite.activation import ends_of, float_activation, kept_codes
from edgekit.model.tflite.fixed_point import half_away
from edgekit.model.tflite.writer import (
    CHANNELS_FIRST,
    IMAGE_RANK,
    PLAIN,
    TO_FIRST,
    integers_of,
)

if TYPE_CHECKING:
    from edgekit.model.tflite.graph import Operator, Tensor
    from edgekit.model.tflite.writer import Layout, Writer

    Array = np.ndarray[Any, Any]

_SYMMETRIC: Final = 1
"""Of the schema's MirrorPadMode; REFLECT is the other one."""


def same_codes(operator: Operator, *positions: int) -> None:
    """Raise ModelError unless the data inputs at these positions (the first one) and all outputs have one scale and zero point."""
    tensors = [operator.input(position) for position in positions or (0,)]
    tensors += operator.outputs
    if not any(tensor.is_quantised for tensor in tensors):
        return
    if not all(tensor.is_quantised for tensor in tensors) or any(
        (tensor.scale, tensor.zero_point) != (tensors[0].scale, tensors[0].zero_point)
        for tensor in tensors
    ):
        raise ModelError(
            f"has a {operator.name} at `{operator.outputs[0].name}` whose input and output have different scales",
            hint="convert it again with a current converter",
        )


def passes(writer: Writer, operator: Operator, name: str, layout: Layout = PLAIN) -> None:
    """Note the output of an operator that keeps its first input's numbers."""
    x, output = operator.input(0), operator.outputs[0]
    if x.is_quantised:
        writer.ranges[output.index] = writer.range_of(x)
    writer.put(output, name, layout)


def layout_of(writer: Writer, *tensors: Tensor) -> Layout:
    """Return the order of axes in which these tensors stand already; plain if they do not agree."""
    computed = [tensor for tensor in tensors if tensor.data is None]
    image = all(tensor.rank == IMAGE_RANK for tensor in computed)
    if image and any(not writer.has(tensor, PLAIN) for tensor in computed):
        return CHANNELS_FIRST
    return PLAIN


def axis_in(axis: int, rank: int, layout: Layout) -> int:
    """Return where an axis, which may be negative, stands in an order of axes."""
    if not -rank <= axis < rank:
        raise ModelError(f"names axis {axis} of {rank}", hint="convert it again")
    axis %= rank
    return TO_FIRST.index(axis) if layout == CHANNELS_FIRST else axis


def reshape(writer: Writer, operator: Operator) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: to the shape that the output has in the file."""
    same_codes(operator)
    x, output = operator.input(0), operator.outputs[0]
    if x.size != output.size:
        raise ModelError(
            f"has a {operator.name} from {list(x.shape)} to {list(output.shape)}",
            hint="convert the model with fixed input shapes",
        )
    shape = writer.constant(output.shape, np.int64)
    passes(writer, operator, writer.add("Reshape", writer.get(x), shape))


def transpose(writer: Writer, operator: Operator) -> None:
    """TRANSPOSE."""
    same_codes(operator)
    order = integers_of(operator, 1)
    if sorted(order) != list(range(operator.input(0).rank)):
        raise ModelError(f"has a TRANSPOSE with the axes {order}", hint="convert it again")
    name = writer.add("Transpose", writer.get(operator.input(0)), perm=order)
    passes(writer, operator, name)


def pad(writer: Writer, operator: Operator) -> None:
    """PAD and PADV2: with zero, or with a number."""
    same_codes(operator)
    x = operator.input(0)
    layout = layout_of(writer, x)
    given = writer.get(x, layout)
    pads = writer.constant(_pads(operator, layout), np.int64)
    terms = [given, pads]
    filler = operator.optional(2)
    if filler is not None:
        if filler.data is None or filler.size != 1:
            raise ModelError(
                f"computes `{filler.name}`, with which it pads", hint="convert it again"
            )
        number = filler.data.item() - (x.zero_point if x.is_quantised else 0)
        terms.append(writer.constant(number, np.float32 if x.is_quantised else x.dtype))
    result = writer.add("Pad", *terms, mode="constant")
    passes(writer, operator, result, layout)
    if x.is_quantised:
        low, high = writer.range_of(x)
        filled = int(number) if filler is not None else 0
        writer.ranges[operator.outputs[0].index] = (min(low, filled), max(high, filled))


def mirror_pad(writer: Writer, operator: Operator) -> None:
    """MIRROR_PAD: with what lies at the edge, the edge itself once more or not, axis by axis."""
    same_codes(operator)
    x = operator.input(0)
    layout = layout_of(writer, x)
    name = writer.get(x, layout)
    pads = _pads(operator, layout)
    rank = x.rank
    lengths = [x.shape[axis] for axis in (TO_FIRST if layout == CHANNELS_FIRST else range(rank))]
    symmetric = operator.options["mode"] == _SYMMETRIC
    for axis, length in enumerate(lengths):
        before, after = pads[axis], pads[axis + rank]
        if before or after:
            most = length if symmetric else length - 1
            if max(before, after) > most:
                raise ModelError(
                    f"mirrors {max(before, after)} values at an axis of {length}",
                    hint="convert it again",
                )
            places = np.arange(length)
            order = np.pad(places, (before, after), mode="symmetric" if symmetric else "reflect")
            name = writer.add("Gather", name, writer.constant(order, np.int64), axis=axis)
    passes(writer, operator, name, layout)


def _pads(operator: Operator, layout: Layout) -> list[int]:
    values = integers_of(operator, 1)
    rank = operator.input(0).rank
    if len(values) != 2 * rank or min(values, default=0) < 0:
        raise ModelError(f"has a {operator.name} with the pads {values}", hint="convert it again")
    axes = TO_FIRST if layout == CHANNELS_FIRST else range(rank)
    return [values[2 * axis + end] for end in (0, 1) for axis in axes]


def concatenation(writer: Writer, operator: Operator) -> None:
    """CONCATENATION; uint8 inputs of another scale are brought to the output's."""
    output = operator.outputs[0]
    inputs = [operator.input(position) for position in range(len(operator.inputs))]
    if output.is_quantised and output.dtype != "uint8":
        same_codes(operator, *range(len(inputs)))
    layout = layout_of(writer, *inputs)
    axis = axis_in(operator.options["axis"], output.rank, layout)
    names = [_rescaled(writer, tensor, output, writer.get(tensor, layout)) for tensor in inputs]
    result = writer.add("Concat", *names, axis=axis)
    if output.is_quantised:
        kept = kept_codes(output, ends_of(operator))
        if kept != output.code_range:
            result = requantise.clip(writer, result, kept)
    else:
        result = float_activation(writer, operator, result)
    writer.put(output, result, layout)


def _rescaled(writer: Writer, x: Tensor, output: Tensor, name: str) -> str:
    """Return uint8 codes counted as the output's, by a table that holds LiteRT's float32 arithmetic."""
    if not output.is_quantised or (x.scale, x.zero_point) == (output.scale, output.zero_point):
        return name
    low, high = x.code_range
    scale = np.float32(x.scale) * (np.float32(1) / np.float32(output.scale))
    bias = np.float32(-x.zero_point) * scale
    codes = np.arange(low, high + 1, dtype=np.float32) + np.float32(x.zero_point)
    table = np.clip(half_away(codes * scale + bias), *output.code_range)
    return lookup(writer, name, low, table.astype(np.float32))


def lookup(writer: Writer, x: str, low: int, table: Array) -> str:
    """Replace whole numbers by a table's values, of which the first is for `low`."""
    places = writer.add("Sub", x, writer.constant(low, np.float32))
    index = writer.add("Cast", places, to=7)  # INT64
    return writer.add("Gather", writer.constant(table), index, axis=0)


def split(writer: Writer, operator: Operator) -> None:
    """SPLIT (axis, input) and SPLIT_V (input, sizes, axis): sizes are those of the outputs in the file."""
    is_even = operator.name == "SPLIT"
    position = 1 if is_even else 0
    x = operator.input(position)
    same_codes(operator, position)
    axes = integers_of(operator, 0 if is_even else 2)
    layout = layout_of(writer, x)
    if not axes:
        raise ModelError(f"has a {operator.name} without an axis", hint="convert it again")
    axis = axis_in(axes[0], x.rank, PLAIN)
    sizes = [tensor.shape[axis] for tensor in operator.outputs]
    names = writer.add_many(
        "Split",
        [writer.get(x, layout), writer.constant(sizes, np.int64)],
        len(sizes),
        axis=axis_in(axis, x.rank, layout),
    )
    for tensor, name in zip(operator.outputs, names, strict=True):
        if x.is_quantised:
            writer.ranges[tensor.index] = writer.range_of(x)
        writer.put(tensor, name, layout)


def pack(writer: Writer, operator: Operator) -> None:
    """PACK: tensors of one shape along a new axis."""
    inputs = [operator.input(position) for position in range(len(operator.inputs))]
    same_codes(operator, *range(len(inputs)))
    output = operator.outputs[0]
    axis = axis_in(operator.options["axis"], output.rank, PLAIN)
    axes = writer.constant([axis], np.int64)
    names = [writer.add("Unsqueeze", writer.get(tensor), axes) for tensor in inputs]
    writer.put(output, writer.add("Concat", *names, axis=axis))


def unpack(writer: Writer, operator: Operator) -> None:
    """UNPACK: one tensor for each index along an axis."""
    same_codes(operator)
    x = operator.input(0)
    axis = axis_in(operator.options["axis"], x.rank, PLAIN)
    for number, tensor in enumerate(operator.outputs):
        place = writer.constant(number, np.int64)
        writer.put(tensor, writer.add("Gather", writer.get(x), place, axis=axis))


def gather(writer: Writer, operator: Operator) -> None:
    """GATHER along one axis."""
    same_codes(operator)
    if operator.options["batch_dims"]:
        raise ModelError("has a GATHER with batch dimensions", hint="convert it again without them")
    x, places = operator.input(0), operator.input(1)
    axis = axis_in(operator.options["axis"], x.rank, PLAIN)
    index = writer.get(places)
    if places.dtype not in ("int32", "int64"):
        index = writer.add("Cast", index, to=7)  # INT64
    passes(writer, operator, writer.add("Gather", writer.get(x), index, axis=axis))


def shape_of(writer: Writer, operator: Operator) -> None:
    """SHAPE: a constant, because shapes are fixed."""
    output = operator.outputs[0]
    dtype = output.dtype if output.dtype in ("int32", "int64") else "int32"
    writer.put(output, writer.constant(operator.input(0).shape, dtype))
