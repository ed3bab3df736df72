"""Activations that an operator ends with: a clamp of its numbers, or of its codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from edgekit.errors import ModelError
from edgekit.model.tflite import requantise
from edgekit.model.tflite.fixed_point import half_away

if TYPE_CHECKING:
    from edgekit.model.tflite.fixed_point import Factor
    from edgekit.model.tflite.graph import Operator, Tensor
    from edgekit.model.tflite.requantise import Reach
    from edgekit.model.tflite.writer import Layout, Writer

_INFINITE: Final = float("inf")
ENDS: Final = {
    0: (-_INFINITE, _INFINITE),
    1: (0.0, _INFINITE),
    2: (-1.0, 1.0),
    3: (0.0, 6.0),
}
"""Of the schema's ActivationFunctionType: none, RELU, RELU_N1_TO_1, RELU6."""


def ends_of(operator: Operator) -> tuple[float, float]:
    """Return what the operator's fused activation leaves."""
    number = operator.options.get("activation", 0)
    if number not in ENDS:
        raise ModelError(
            f"has a {operator.name} with a fused activation of kind {number}",
            hint="convert the model with the activation as a layer of its own",
        )
    return ENDS[number]


def float_activation(writer: Writer, operator: Operator, x: str) -> str:
    """Write the fused activation over float32 numbers."""
    return clamp(writer, x, ends_of(operator))


def clamp(writer: Writer, x: str, ends: tuple[float, float]) -> str:
    """Write a clamp of float32 numbers, nothing where it leaves everything."""
    if ends == (-_INFINITE, _INFINITE):
        return x
    if ends == (0.0, _INFINITE):
        return writer.add("Relu", x)
    return requantise.clip(writer, x, ends)


def kept_codes(tensor: Tensor, ends: tuple[float, float]) -> tuple[int, int]:
    """Return least and largest code, minus zero point, that a quantised output keeps."""
    low, high = tensor.code_range
    scale = np.float32(tensor.scale)
    if np.isfinite(ends[0]):
        low = max(low, int(half_away(np.float32(ends[0]) / scale)))
    if np.isfinite(ends[1]):
        high = min(high, int(half_away(np.float32(ends[1]) / scale)))
    if low > high:
        raise ModelError(
            f"has a scale at `{tensor.name}` with which its activation leaves nothing",
            hint="convert it again",
        )
    return low, high


def requantised(  # noqa: PLR0913 (the sum, its factor, where both stand)
    writer: Writer,
    operator: Operator,
    accumulated: str,
    factor: Factor,
    reach: Reach,
    *,
    layout: Layout,
    shape: tuple[int, ...] = (-1,),
    is_double: bool = False,
) -> None:
    """
    Write the way from whole sums to the operator's only output: requantised, with its activation.

    `reach`: least and largest sum; `shape`: the axes of one factor a channel.
    """
    output = operator.outputs[0]
    kept = kept_codes(output, ends_of(operator))
    form = requantise.staircase(factor, reach, kept)
    name = requantise.write(writer, accumulated, form, kept, shape=shape, is_double=is_double)
    writer.ranges[output.index] = kept
    writer.put(output, name, layout)
