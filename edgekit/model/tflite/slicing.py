"""SLICE and STRIDED_SLICE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from edgekit.errors import ModelError
from edgekit.model.tflite.moving import passes, same_codes
from edgekit.model.tflite.writer import integers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.model.tflite.graph import Operator
    from edgekit.model.tflite.writer import Writer

_BACKWARDS_TO_THE_END: Final = -(2**31)
"""Before the first index, whatever the length: ONNX reads -1 as the last one."""


def slice_(writer: Writer, operator: Operator) -> None:
    """SLICE: from `begin`, `size` values; -1 is all that are left."""
    same_codes(operator)
    x = operator.input(0)
    begin, size = integers_of(operator, 1), integers_of(operator, 2)
    if len(begin) != x.rank or len(size) != x.rank:
        raise _odd(operator, begin)
    stop = [
        length if count == -1 else start + count
        for length, start, count in zip(x.shape, begin, size, strict=True)
    ]
    if any(
        not 0 <= start <= end <= length
        for start, end, length in zip(begin, stop, x.shape, strict=True)
    ):
        raise _odd(operator, [*begin, *size])
    passes(writer, operator, _slice(writer, writer.get(x), begin, stop, [1] * x.rank))


def strided_slice(writer: Writer, operator: Operator) -> None:
    """STRIDED_SLICE with its masks; axes that are taken away or added are in the output's shape."""
    same_codes(operator)
    x, output = operator.input(0), operator.outputs[0]
    if operator.options.get("ellipsis_mask") or operator.options.get("offset"):
        raise ModelError(
            "has a STRIDED_SLICE with an ellipsis or with offsets",
            hint="convert it again with a current converter",
        )
    begin, end, stride = (integers_of(operator, position) for position in (1, 2, 3))
    masks = {
        key: operator.options.get(f"{key}_mask", 0)
        for key in ("begin", "end", "new_axis", "shrink_axis")
    }
    if not len(begin) == len(end) == len(stride) or 0 in stride:
        raise _odd(operator, [*begin, *end, *stride])
    starts, stops, steps = list[int](), list[int](), list[int]()
    for position, step in enumerate(stride):
        if _has(masks["new_axis"], position):
            continue
        if len(starts) == x.rank:
            raise _odd(operator, begin)
        length = x.shape[len(starts)]
        if _has(masks["shrink_axis"], position):
            # LiteRT reads the mask of beginnings first, TensorFlow never both
            first = 0 if _has(masks["begin"], position) else begin[position]
            start = first + length * (first < 0)
            if not 0 <= start < length:
                raise _odd(operator, begin)
            starts, stops, steps = [*starts, start], [*stops, start + 1], [*steps, 1]
            continue
        begins = None if _has(masks["begin"], position) else begin[position]
        ends = None if _has(masks["end"], position) else end[position]
        start, stop, _ = slice(begins, ends, step).indices(length)
        starts, steps = [*starts, start], [*steps, step]
        stops.append(stop if stop >= 0 else _BACKWARDS_TO_THE_END)
    name = _slice(writer, writer.get(x), starts, stops, steps)
    passes(writer, operator, writer.add("Reshape", name, writer.constant(output.shape, np.int64)))


def _slice(
    writer: Writer, x: str, start: Sequence[int], stop: Sequence[int], step: Sequence[int]
) -> str:
    if not start:
        return x
    axes = range(len(start))
    ends = [writer.constant(list(values), np.int64) for values in (start, stop, axes, step)]
    return writer.add("Slice", x, *ends)


def _has(mask: int, position: int) -> bool:
    return bool(mask >> position & 1)


def _odd(operator: Operator, values: Sequence[int]) -> ModelError:
    return ModelError(
        f"has a {operator.name} of {list(operator.input(0).shape)} with {list(values)}",
        hint="convert it again, with fixed input shapes",
    )
