"""Products of matrices: FULLY_CONNECTED and BATCH_MATMUL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.model.tflite import hybrid
from edgekit.model.tflite.accumulate import EXACT, Reduction, accumulate
from edgekit.model.tflite.activation import float_activation, requantised
from edgekit.model.tflite.convolution import float_bias, integer_bias
from edgekit.model.tflite.fixed_point import factor
from edgekit.model.tflite.writer import PLAIN, values_of

if TYPE_CHECKING:
    from edgekit.model.tflite.fixed_point import Factor, Rounding
    from edgekit.model.tflite.graph import Operator, Tensor
    from edgekit.model.tflite.writer import Writer

    Array = np.ndarray[Any, Any]


def fully_connected(writer: Writer, operator: Operator) -> None:
    """FULLY_CONNECTED: input flattened to rows, weights `[out, in]`."""
    x, weights, output = operator.input(0), operator.input(1), operator.outputs[0]
    if operator.options["weights_format"] != 0:
        raise ModelError(
            "has a FULLY_CONNECTED with shuffled weights", hint="convert it again, to full int8"
        )
    matrix = _matrix(operator, weights).T
    given = writer.get(x)
    if x.rank != 2:  # noqa: PLR2004 (a matrix)
        given = writer.add("Reshape", given, writer.constant([-1, len(matrix)], np.int64))

    def product(rows: str, values: Array, bias: Array | None) -> str:
        result = writer.add("MatMul", rows, writer.constant(values))
        return result if bias is None else writer.add("Add", result, writer.constant(bias))

    if x.is_quantised:
        reduction = Reduction(product=product, outputs=1, inputs=0, input_axis=-1)
        codes = matrix.astype(np.int64)
        bias = integer_bias(operator, 2)
        sums = accumulate(writer, given, writer.range_of(x), codes, bias, reduction)
        requantised(
            writer,
            operator,
            sums.name,
            _factor(operator, x, weights),
            (sums.low, sums.high),
            layout=PLAIN,
            is_double=sums.is_double,
        )
        result = writer.get(output)
    elif weights.is_quantised:
        result = hybrid.dense(writer, operator, given, matrix, product)
    else:
        result = product(given, matrix, float_bias(writer, operator, 2))
        result = float_activation(writer, operator, result)
    if output.rank != 2:  # noqa: PLR2004 (a matrix)
        result = writer.add("Reshape", result, writer.constant(output.shape, np.int64))
    writer.put(output, result)


def batch_matmul(writer: Writer, operator: Operator) -> None:
    """BATCH_MATMUL of two computed tensors, or of one and a constant."""
    left, right, output = operator.input(0), operator.input(1), operator.outputs[0]
    names = [
        _adjoint(writer, tensor, adjoint=operator.options[key])
        for tensor, key in ((left, "adj_x"), (right, "adj_y"))
    ]
    if left.is_quantised != right.is_quantised:
        raise ModelError(
            "has a BATCH_MATMUL of a float and a quantised tensor",
            hint="convert it again, to float32 or to full int8",
        )
    if not left.is_quantised:
        writer.put(output, writer.add("MatMul", *names))
        return
    terms = left.shape[-2] if operator.options["adj_x"] else left.shape[-1]
    ends = [a * b for a in writer.range_of(left) for b in writer.range_of(right)]
    low, high = min(0, *ends) * terms, max(0, *ends) * terms
    is_double = max(-low, high) >= EXACT
    if is_double:
        names = [writer.add("Cast", name, to=TensorProto.DOUBLE) for name in names]
    result = writer.add("MatMul", *names)
    # one scale each, whose product is taken in float32
    scale = float(np.float32(left.scale) * np.float32(right.scale)) / output.scale
    rounding: Rounding = "wide" if left.dtype == "int16" else "twice"
    requantised(
        writer,
        operator,
        result,
        factor(scale, rounding),
        (low, high),
        layout=PLAIN,
        is_double=is_double,
    )


def _adjoint(writer: Writer, tensor: Tensor, *, adjoint: bool) -> str:
    name = writer.get(tensor)
    if not adjoint:
        return name
    axes = list(range(tensor.rank))
    return writer.add("Transpose", name, perm=[*axes[:-2], axes[-1], axes[-2]])


def _factor(operator: Operator, x: Tensor, weights: Tensor) -> Factor:
    quantisation, output = weights.quantisation, operator.outputs[0]
    if quantisation is None or not output.is_quantised:
        raise ModelError(
            "has a quantised FULLY_CONNECTED whose weights or output have no scale",
            hint="convert it again, to full int8",
        )
    if quantisation.scales.size > 1:
        scales = x.scale * quantisation.scales.astype(np.float64)
    else:  # one scale; its product is taken in float32
        scales = (np.float32(x.scale) * quantisation.scales).astype(np.float64)
    return factor(scales / output.scale, "once")


def _matrix(operator: Operator, weights: Tensor) -> Array:
    if weights.data is None or weights.rank != 2:  # noqa: PLR2004 (a matrix)
        raise ModelError(
            f"has a {operator.name} whose weights `{weights.name}` are no constant matrix",
            hint="convert it again, with the weights inside",
        )
    if operator.input(0).is_quantised and not weights.is_quantised:
        raise ModelError(
            f"has a quantised {operator.name} whose weights `{weights.name}` have no scale",
            hint="convert it again, to full int8",
        )
    return values_of(weights)
