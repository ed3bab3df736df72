"""SAME and VALID as TensorFlow Lite means them, as ONNX's pads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.model.tflite.graph import Operator, Tensor

_SAME = 0
"""Of the schema's Padding; VALID is the other one."""


def conv_padding(operator: Operator, x: Tensor, kernel: Sequence[int]) -> dict[str, Any]:
    """Return strides, dilations and pads of a convolution over `x` `[batch, height, width, channels]`."""
    strides = _strides(operator)
    dilations = [operator.options["dilation_h"], operator.options["dilation_w"]]
    if min(dilations) < 1:
        raise _odd(operator, "dilations", dilations)
    return {
        "strides": strides,
        "dilations": dilations,
        "pads": _pads(operator, x, kernel, strides, dilations),
    }


def pool_padding(operator: Operator, x: Tensor) -> dict[str, Any]:
    """Return kernel, strides and pads of a pool."""
    kernel = [operator.options["filter_h"], operator.options["filter_w"]]
    if min(kernel) < 1:
        raise _odd(operator, "a window", kernel)
    strides = _strides(operator)
    return {
        "kernel_shape": kernel,
        "strides": strides,
        "pads": _pads(operator, x, kernel, strides, [1, 1]),
    }


def transposed_padding(
    operator: Operator, x: Tensor, output: Sequence[int], kernel: Sequence[int]
) -> dict[str, Any]:
    """Return strides, pads and output padding of a transposed convolution that makes the shape `output`."""
    strides = _strides(operator)
    if len(output) != 4:  # noqa: PLR2004 (an image's axes)
        raise _odd(operator, "an output shape", output)
    before, after, more = [], [], []
    for axis in range(2):
        whole = (x.shape[axis + 1] - 1) * strides[axis] + kernel[axis]
        wanted = output[axis + 1]
        total = max(whole - wanted, 0) if operator.options["padding"] == _SAME else 0
        before.append(total // 2)
        rest = whole - total // 2 - wanted
        after.append(max(rest, 0))
        more.append(max(-rest, 0))
    return {
        "strides": strides,
        "pads": [*before, *after],
        "output_padding": more,
    }


def _strides(operator: Operator) -> list[int]:
    strides = [operator.options["stride_h"], operator.options["stride_w"]]
    if min(strides) < 1:
        raise _odd(operator, "strides", strides)
    return strides


def _pads(
    operator: Operator,
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:
    if x.rank != 4:  # noqa: PLR2004 (an image's axes)
        raise _odd(operator, "an input of shape", x.shape)
    if operator.options["padding"] != _SAME:
        return [0, 0, 0, 0]
    before, after = [], []
    for axis in range(2):
        length = x.shape[axis + 1]
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        steps = -(-length // strides[axis])
        total = max((steps - 1) * strides[axis] + reach - length, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return [*before, *after]


def _odd(operator: Operator, what: str, values: Sequence[int]) -> ModelError:
    return ModelError(f"has a {operator.name} with {what} {list(values)}", hint="convert it again")
