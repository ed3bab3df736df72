"""Every operator that is understood, and what writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edgekit.errors import ModelError
from edgekit.model.tflite import (
    convolution,
    dense,
    elementwise,
    moving,
    pooling,
    quantise,
    reduce,
    resize,
    slicing,
    softmax,
    unary,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgekit.model.tflite.graph import Graph, Operator
    from edgekit.model.tflite.writer import Writer

OPERATORS: Final[Mapping[str, Callable[[Writer, Operator], None]]] = {
    **dict.fromkeys(unary.FUNCTIONS, unary.function),
    **dict.fromkeys(("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"), unary.relu),
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV"), elementwise.arithmetic),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), elementwise.extremes),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), moving.reshape),
    **dict.fromkeys(("PAD", "PADV2"), moving.pad),
    **dict.fromkeys(("SPLIT", "SPLIT_V"), moving.split),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), reduce.reduce),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), reduce.arg),
    "CONV_2D": convolution.conv_2d,
    "DEPTHWISE_CONV_2D": convolution.depthwise_conv_2d,
    "TRANSPOSE_CONV": convolution.transpose_conv,
    "FULLY_CONNECTED": dense.fully_connected,
    "BATCH_MATMUL": dense.batch_matmul,
    "AVERAGE_POOL_2D": pooling.average_pool_2d,
    "MAX_POOL_2D": pooling.max_pool_2d,
    "SQUARED_DIFFERENCE": elementwise.squared_difference,
    "PRELU": elementwise.prelu,
    "SOFTMAX": softmax.softmax,
    "LOG_SOFTMAX": softmax.log_softmax,
    "TRANSPOSE": moving.transpose,
    "MIRROR_PAD": moving.mirror_pad,
    "CONCATENATION": moving.concatenation,
    "PACK": moving.pack,
    "UNPACK": moving.unpack,
    "GATHER": moving.gather,
    "SHAPE": moving.shape_of,
    "SLICE": slicing.slice_,
    "STRIDED_SLICE": slicing.strided_slice,
    "RESIZE_BILINEAR": resize.bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resize.nearest,
    "QUANTIZE": quantise.quantize,
    "DEQUANTIZE": quantise.dequantize,
    "CAST": quantise.cast,
}


def check(graph: Graph) -> None:
    """Raise ModelError naming all operators of the model that are not understood, at once."""
    unknown = sorted({operator.name for operator in graph.operators} - set(OPERATORS))
    if unknown:
        raise ModelError(
            f"uses operators that EdgeKit does not read from TensorFlow Lite: {', '.join(unknown)}",
            hint="convert the original model to ONNX where it was trained, or build it from other layers",
        )
