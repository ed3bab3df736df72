"""
Sums of products of whole numbers, exact in float32.

Whole numbers up to 2^24 are exact in float32, in whatever order they are added, fused or not. How large a sum can get
follows from the weights and the range of the codes; where that is more, the sum is cut into parts that are added in
float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import TensorProto

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from edgekit.model.tflite.writer import Writer

    Array = np.ndarray[Any, Any]
    Integers = npt.NDArray[np.int64]
    Product = Callable[[str, Array, Array | None], str]

EXACT: Final = 2**24
_DIGIT: Final = 256


@dataclass(frozen=True, kw_only=True)
class Sums:
    """A tensor of whole sums, and between which two each channel stays."""

    name: str
    is_double: bool
    low: Integers
    high: Integers


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """One sum of products: how it is written, and which axes of the weights are what."""

    product: Product
    """Writes the sums of products of a tensor with weights and, unless None, a bias a channel, both float32; returns their name."""
    outputs: int
    """Axis of the weights that is the output's channel."""
    inputs: int | None
    """Axis of the weights over which the input's channels are summed; None if each is on its own."""
    input_axis: int
    """The same axis in the input."""


def accumulate(  # noqa: PLR0913, PLR0917 (what is summed, with what, and how)
    writer: Writer,
    x: str,
    kept: tuple[int, int],
    weights: Integers,
    bias: Integers | None,
    reduction: Reduction,
) -> Sums:
    """Write the sums of whole numbers `x`, within `kept`, with weights and bias; padding counts as zero."""
    low, high = _reach(weights, kept, reduction.outputs)
    offset = np.zeros_like(low) if bias is None else bias
    whole = np.maximum(-low, high) + np.abs(offset)
    if whole.max(initial=0) < EXACT:
        with_bias = None if bias is None else bias.astype(np.float32)
        name = reduction.product(x, weights.astype(np.float32), with_bias)
        return Sums(name=name, is_double=False, low=low + offset, high=high + offset)
    name = _in_parts(writer, x, kept, weights, reduction)
    if bias is not None:
        # as weights have their channels: the bias has the axes of one value a channel of the output
        name = writer.add("Add", name, writer.constant(_shaped(bias, reduction), np.float64))
    return Sums(name=name, is_double=True, low=low + offset, high=high + offset)


def _in_parts(
    writer: Writer, x: str, kept: tuple[int, int], weights: Integers, reduction: Reduction
) -> str:
    """Write the sums in float64, from parts that are exact."""
    low, high = _reach(weights, kept, reduction.outputs)
    if np.maximum(-low, high).max(initial=0) < EXACT:
        product = reduction.product(x, weights.astype(np.float32), None)
        return writer.add("Cast", product, to=TensorProto.DOUBLE)
    if max(-kept[0], kept[1]) >= 2 * _DIGIT:
        return _in_digits(writer, x, kept, weights, reduction)
    axis = reduction.inputs
    if axis is not None and weights.shape[axis] > 1:
        middle = weights.shape[axis] // 2
        halves = [(0, middle), (middle, weights.shape[axis])]
        parts = [
            _in_parts(
                writer,
                _slice(writer, x, reduction.input_axis, start, stop),
                kept,
                weights.take(range(start, stop), axis),
                reduction,
            )
            for start, stop in halves
        ]
    else:
        odd = np.arange(weights.size).reshape(weights.shape) % 2 == 1
        parts = [
            _in_parts(writer, x, kept, np.where(mask, weights, 0), reduction)
            for mask in (odd, ~odd)
        ]
    return writer.add("Add", *parts)


def _in_digits(
    writer: Writer, x: str, kept: tuple[int, int], weights: Integers, reduction: Reduction
) -> str:
    """Split codes of 16 bits into two digits of 8: `256 * upper + lower`."""
    step = writer.constant(1 / _DIGIT, np.float32)
    upper = writer.add("Floor", writer.add("Mul", x, step))
    base = writer.add("Mul", upper, writer.constant(_DIGIT, np.float32))
    lower = writer.add("Sub", x, base)
    ends = (kept[0] // _DIGIT, kept[1] // _DIGIT)
    large = _in_parts(writer, upper, ends, weights, reduction)
    small = _in_parts(writer, lower, (0, _DIGIT - 1), weights, reduction)
    return writer.add("Add", writer.add("Mul", large, writer.constant(_DIGIT, np.float64)), small)


def _reach(weights: Integers, kept: tuple[int, int], outputs: int) -> tuple[Integers, Integers]:
    """Return between which two the sum and every part of it stays, a channel of the output."""
    axes = tuple(axis for axis in range(weights.ndim) if axis != outputs % weights.ndim)
    ends = (weights * kept[0], weights * kept[1])
    low: Integers = np.minimum(np.minimum(*ends), 0).sum(axis=axes)
    high: Integers = np.maximum(np.maximum(*ends), 0).sum(axis=axes)
    return low, high


def _shaped(bias: Integers, reduction: Reduction) -> Integers:
    """Return one value a channel with the axes of the output: channels come second, or last in a matrix."""
    return bias.reshape(1, -1, 1, 1) if reduction.input_axis == 1 else bias


def _slice(writer: Writer, x: str, axis: int, start: int, stop: int) -> str:
    ends = [writer.constant([value], np.int64) for value in (start, stop, axis)]
    return writer.add("Slice", x, *ends)
