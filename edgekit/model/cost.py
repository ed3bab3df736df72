"""
What a run of a graph costs, counted from shapes: the same on every machine.

The unit is one multiplication with its addition. A value that is made otherwise counts one or a few, and every node a
fixed number: on the boards that EdgeKit builds for, starting an operator takes about as long.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from edgekit.model.incremental.shaped_graph import ShapedGraph, attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx

NODE: Final = 4000
"""Of starting an operator: about two microseconds on a core that multiplies and adds two thousand million times a second."""

_TRANSCENDENTAL: Final = 10
"""Of one exponential, logarithm or the like."""

_FREE: Final = frozenset(
    ("Constant", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Shape", "Dropout")
)
"""Operators that move no values: the engine makes views of them, or takes them out."""

_SLOW: Final = frozenset(
    (
        *("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Celu", "Cos", "Cosh", "Elu", "Erf"),
        *("Exp", "Gelu", "HardSwish", "Log", "LogSoftmax", "Mish", "Pow", "Selu", "Sigmoid", "Sin"),
        *("Sinh", "Softmax", "Softplus", "Sqrt", "Swish", "Tan", "Tanh"),
    )
)


def operations(model: onnx.ModelProto) -> int:
    """Return the cost of one run of a model with fixed shapes; what has no known shape counts as a node alone."""
    graph = ShapedGraph(model)
    return sum(node_operations(graph, node) for node in graph.nodes)


def node_operations(graph: ShapedGraph, node: onnx.NodeProto) -> int:
    """Return the cost of one node."""
    if node.op_type in _FREE or not any(graph.moves(name) for name in node.output):
        return 0
    count = _COUNTS.get(node.op_type, _values)
    return NODE + count(graph, node)


def _size(graph: ShapedGraph, name: str) -> int:
    return math.prod(graph.shape(name) or (0,))


def _values(graph: ShapedGraph, node: onnx.NodeProto) -> int:
    """Operators on values: each that comes in or goes out, whichever are more."""
    into = max((_size(graph, name) for name in node.input if name), default=0)
    out = sum(_size(graph, name) for name in node.output if name)
    return max(into, out) * (_TRANSCENDENTAL if node.op_type in _SLOW else 1)


def _moved(graph: ShapedGraph, node: onnx.NodeProto) -> int:
    """Operators that copy: every value that goes out."""
    return sum(_size(graph, name) for name in node.output if name)


def _convolution(graph: ShapedGraph, node: onnx.NodeProto) -> int:
    kernel = graph.shape(node.input[3 if node.op_type == "QLinearConv" else 1]) or (0,)
    return _size(graph, node.output[0]) * math.prod(kernel[1:])


def _transposed_convolution(graph: ShapedGraph, node: onnx.NodeProto) -> int:
    kernel = graph.shape(node.input[1]) or (0,)
    return _size(graph, node.input[0]) * math.prod(kernel[1:])


def _pool(graph: ShapedGraph, node: onnx.NodeProto) -> int:
    kernel = attributes(node).get("kernel_shape", [1])
    return int(_size(graph, node.output[0]) * math.prod(kernel))


def _product(graph: ShapedGraph, node: onnx.NodeProto) -> int:
    left = graph.shape(node.input[0]) or (0,)
    is_turned = node.op_type == "Gemm" and attributes(node).get("transA", 0)
    summed = left[0] if is_turned else left[-1]
    return _size(graph, node.output[0]) * summed


def _recurrence(graph: ShapedGraph, node: onnx.NodeProto) -> int:
    """GRU, LSTM, RNN: both weight matrices, and the gates' functions, once a step."""
    steps = math.prod((graph.shape(node.input[0]) or (0, 0))[:2])
    weights, recurrent = (graph.shape(name) or (0, 0, 0) for name in node.input[1:3])
    gates = weights[0] * weights[1]
    return steps * gates * (weights[2] + recurrent[2] + _TRANSCENDENTAL)


def _spectrum(graph: ShapedGraph, node: onnx.NodeProto) -> int:
    """STFT and DFT: five operations a value and power of two, of which two are one multiplication with its addition."""
    shape = graph.shape(node.output[0]) or (0, 0, 2)
    points = max(shape[-2], 2)
    return int(math.prod(shape[:-1]) * 2.5 * math.log2(points))


_COUNTS: Final[dict[str, Callable[[ShapedGraph, onnx.NodeProto], int]]] = {
    **dict.fromkeys(("Conv", "ConvInteger", "QLinearConv"), _convolution),
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), _pool),
    **dict.fromkeys(("Gemm", "MatMul", "MatMulInteger"), _product),
    "QLinearMatMul": _product,
    **dict.fromkeys(("GRU", "LSTM", "RNN"), _recurrence),
    **dict.fromkeys(("DFT", "STFT"), _spectrum),
    **dict.fromkeys(("Concat", "Gather", "Slice", "Split", "Transpose", "Pad"), _moved),
}
