"""Convolutions: CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.errors import ModelError
from edgekit.model.tflite import hybrid
from edgekit.model.tflite.accumulate import Reduction, accumulate
from edgekit.model.tflite.activation import float_activation, requantised
from edgekit.model.tflite.fixed_point import factor
from edgekit.model.tflite.padding import conv_padding, transposed_padding
from edgekit.model.tflite.writer import CHANNELS_FIRST, integers_of, values_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from edgekit.model.tflite.fixed_point import Factor
    from edgekit.model.tflite.graph import Operator, Tensor
    from edgekit.model.tflite.writer import Writer

    Array = np.ndarray[Any, Any]

_PER_CHANNEL: Final = (1, -1, 1, 1)


def conv_2d(writer: Writer, operator: Operator) -> None:
    """CONV_2D: weights `[out, height, width, in / groups]`."""
    x, weights = operator.input(0), operator.input(1)
    kernel = constant_weights(operator, weights).transpose(0, 3, 1, 2)
    channels = kernel.shape[1]
    if channels == 0 or x.shape[3] % channels:
        raise ModelError(
            f"has a CONV_2D whose weights take {channels} channels of {x.shape[3]}",
            hint="convert it again",
        )
    attributes = conv_padding(operator, x, kernel.shape[2:])
    groups = x.shape[3] // channels
    attributes["group"] = groups
    _convolve(writer, operator, kernel, attributes, inputs=1 if groups == 1 else None)


def depthwise_conv_2d(writer: Writer, operator: Operator) -> None:
    """DEPTHWISE_CONV_2D: weights `[1, height, width, out]`, each channel on its own."""
    x, weights = operator.input(0), operator.input(1)
    kernel = constant_weights(operator, weights).transpose(3, 0, 1, 2)
    attributes = conv_padding(operator, x, kernel.shape[2:])
    attributes["group"] = x.shape[3]
    _convolve(writer, operator, kernel, attributes, inputs=None)


def _convolve(
    writer: Writer,
    operator: Operator,
    kernel: Array,
    attributes: dict[str, Any],
    inputs: int | None,
) -> None:
    """Write a convolution with the kernel as ONNX has it, in the arithmetic that the tensors ask for."""

    def product(x: str, weights: Array, bias: Array | None) -> str:
        terms = [x, writer.constant(weights)]
        terms += [] if bias is None else [writer.constant(bias)]
        return writer.add("Conv", *terms, kernel_shape=weights.shape[2:], **attributes)

    x, weights = operator.input(0), operator.input(1)
    given = writer.get(x, CHANNELS_FIRST)
    if x.is_quantised:
        reduction = Reduction(product=product, outputs=0, inputs=inputs, input_axis=1)
        _quantised(writer, operator, given, x, kernel, reduction)
        return
    if weights.is_quantised:
        hybrid.convolution(writer, operator, given, kernel, product)
        return
    result = product(given, kernel, float_bias(writer, operator, 2))
    writer.put(operator.outputs[0], float_activation(writer, operator, result), CHANNELS_FIRST)


def transpose_conv(writer: Writer, operator: Operator) -> None:
    """TRANSPOSE_CONV: output shape, weights `[out, height, width, in]`, input, bias."""
    weights, x = operator.input(1), operator.input(2)
    kernel = constant_weights(operator, weights).transpose(3, 0, 1, 2)
    attributes = transposed_padding(operator, x, integers_of(operator, 0), kernel.shape[2:])

    def product(given: str, values: Array, bias: Array | None) -> str:
        terms = [given, writer.constant(values)]
        terms += [] if bias is None else [writer.constant(bias)]
        return writer.add("ConvTranspose", *terms, kernel_shape=values.shape[2:], **attributes)

    given = writer.get(x, CHANNELS_FIRST)
    if x.is_quantised:
        reduction = Reduction(product=product, outputs=1, inputs=0, input_axis=1)
        _quantised(writer, operator, given, x, kernel, reduction, bias=3)
        return
    if weights.is_quantised:
        raise ModelError(
            "has a TRANSPOSE_CONV of floats with quantised weights",
            hint="convert the model to float32 or to full int8",
        )
    result = product(given, kernel, float_bias(writer, operator, 3))
    writer.put(operator.outputs[0], float_activation(writer, operator, result), CHANNELS_FIRST)


def _quantised(  # noqa: PLR0913, PLR0917 (the operator, its parts, how it sums)
    writer: Writer,
    operator: Operator,
    given: str,
    x: Tensor,
    kernel: Array,
    reduction: Reduction,
    *,
    bias: int = 2,
) -> None:
    sums = accumulate(
        writer,
        given,
        writer.range_of(x),
        kernel.astype(np.int64),
        integer_bias(operator, bias),
        reduction,
    )
    requantised(
        writer,
        operator,
        sums.name,
        conv_factor(operator, x, operator.input(1), bias),
        (sums.low, sums.high),
        layout=CHANNELS_FIRST,
        shape=_PER_CHANNEL,
        is_double=sums.is_double,
    )


def conv_factor(operator: Operator, x: Tensor, weights: Tensor, bias: int) -> Factor:
    """Return the factor from sums to codes of the output, one a channel."""
    quantisation, output = weights.quantisation, operator.outputs[0]
    if quantisation is None or not output.is_quantised:
        raise ModelError(
            f"has a quantised {operator.name} whose weights or output have no scale",
            hint="convert it again, to full int8",
        )
    scales = x.scale * quantisation.scales.astype(np.float64)
    if x.dtype == "uint8":  # one scale; its product is taken in float32
        scales = (np.float32(x.scale) * quantisation.scales).astype(np.float64)
    return factor(scales / output.scale, "wide" if is_wide(operator, x, bias) else "twice")


def is_wide(operator: Operator, x: Tensor, bias: int) -> bool:
    """Tell whether sums have 64 bits: with 16-bit activations, unless the bias has 32."""
    given = operator.optional(bias)
    return x.dtype == "int16" and (given is None or given.dtype == "int64")


def constant_weights(operator: Operator, weights: Tensor) -> Array:
    """Return the weights: codes minus zero points where they are quantised, else float32."""
    if weights.data is None or weights.rank != 4:  # noqa: PLR2004 (an image's axes)
        raise ModelError(
            f"has a {operator.name} whose weights `{weights.name}` are no constant of 4 axes",
            hint="convert it again, with the weights inside",
        )
    quantised = operator.input(2 if operator.name == "TRANSPOSE_CONV" else 0).is_quantised
    if weights.is_quantised or not quantised:
        return values_of(weights)
    raise ModelError(
        f"has a quantised {operator.name} whose weights `{weights.name}` have no scale",
        hint="convert it again, to full int8",
    )


def float_bias(writer: Writer, operator: Operator, position: int) -> Array | None:
    """Return the bias as float32."""
    bias = operator.optional(position)
    if bias is None:
        return None
    if bias.data is None:
        raise ModelError(
            f"computes the bias `{bias.name}` of {operator.name}",
            hint="convert it again, with the weights inside",
        )
    return writer.float_constant(bias)


def integer_bias(operator: Operator, position: int) -> npt.NDArray[np.int64] | None:
    """Return the bias of a quantised operator, in units of its sums."""
    bias = operator.optional(position)
    if bias is None:
        return None
    if bias.data is None or bias.data.dtype.kind != "i":
        raise ModelError(
            f"has a bias `{bias.name}` of {operator.name} that is no integer constant",
            hint="convert it again, to full int8",
        )
    return bias.data.reshape(-1).astype(np.int64)
