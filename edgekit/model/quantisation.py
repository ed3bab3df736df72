"""What a graph says of the numbers at its ends: the range of a quantised input, the nature of an output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from onnx import numpy_helper

from edgekit.model.proof.tolerance import Nature

if TYPE_CHECKING:
    import numpy.typing as npt

    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.source import SourceModel

    Floats = npt.NDArray[np.float32]

KEEP_VALUES: Final = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
"""Operators that move values without changing them."""

_EFFECT: Final = {"Softmax": 0.5, "Sigmoid": 0.25}
"""
How much one code in every value before them moves their output at most, in units of that code: the derivative of both is
p (1 - p), at most a quarter, and in a softmax the others may move the other way.
"""
_ROUNDING: Final = ("QuantizeLinear", "DynamicQuantizeLinear")

_WIDEST: Final = 1e30
"""A range of float32 numbers that can still be multiplied by what the probes need."""

QUANTISED: Final = ("int8", "uint8", "int16", "uint16")


def input_range(source: SourceModel, name: str) -> tuple[float, float] | None:
    """
    Return the least and largest value of an input that the model can tell apart, in the model's own units.

    That is the integer type's range, or what a QuantizeLinear right behind the input keeps; None where the model
    does not say.
    """
    tensor = next(tensor for tensor in source.inputs if tensor.name == name)
    if tensor.dtype in QUANTISED:
        limits = np.iinfo(tensor.dtype)
        return float(limits.min), float(limits.max)
    for node in _behind(source.proto.graph, name):
        step = (
            scale_and_zero(source.proto.graph, node) if node.op_type == "QuantizeLinear" else None
        )
        if step is not None:
            scale, zero, limits = step
            low, high = float((limits.min - zero) * scale), float((limits.max - zero) * scale)
            # a damaged scale may be negative, infinite or no number: then it says nothing of the range
            return (low, high) if low < high and high - low <= _WIDEST else None
    return None


def nature_of(graph: onnx.GraphProto, name: str) -> Nature:
    """Return what the operator that makes a tensor says of its numbers."""
    makers = {output: node for node in graph.node for output in node.output}
    node = makers.get(name)
    while node is not None and node.op_type in KEEP_VALUES:
        name = node.input[0]
        node = makers.get(name)
    if node is None:
        return Nature()
    if node.op_type == "If":
        at = list(node.output).index(name)
        branches = {nature_of(item.g, item.g.output[at].name) for item in node.attribute}
        return branches.pop() if len(branches) == 1 else Nature()
    if node.op_type == "ReduceMean":  # of probabilities is one; of codes it is between them
        return Nature(probability=nature_of(graph, node.input[0]).probability)
    if node.op_type in _EFFECT:
        before = nature_of(graph, node.input[0])
        return through_activation(before, node.op_type)
    if node.op_type == "QuantizeLinear" or node.op_type.startswith("QLinear"):
        return Nature(step=1.0)
    step = scale_and_zero(graph, node)
    return (
        Nature(step=step[0])
        if node.op_type == "DequantizeLinear" and step is not None
        else Nature()
    )


def through_activation(before: Nature, op_type: str) -> Nature:
    """Return the nature of a Softmax or Sigmoid of a tensor: a code of that one is worth this much of a probability."""
    return Nature(probability=True, step=before.step * _EFFECT[op_type], codes=before.codes)


def nature_of_prediction(spec: GraphSpec, own: Nature, reference: Floats) -> Nature:
    """
    Return the nature of what the graph makes of an output whose own nature is `own`.

    `reference`: predictions `[n, outputs]`; the mean of (input - output)² moves by at most s (s + 2 √mean) if every output
    moves by a code s.
    """
    if spec.output_kind == "anomaly":
        finite = reference[np.isfinite(reference)]
        root = float(np.sqrt(finite.max(initial=0.0)))
        return Nature(step=own.step * (own.step + 2 * root), codes=own.codes)
    if spec.activation == "softmax":
        return through_activation(own, "Softmax")
    return through_activation(own, "Sigmoid") if spec.activation == "sigmoid" else own


def is_quantised(graph: onnx.GraphProto) -> bool:
    """Tell whether a model rounds to codes somewhere; weights alone that are stored as codes are no rounding."""
    return any(
        node.op_type in _ROUNDING or node.op_type.startswith("QLinear") for node in graph.node
    )


def _behind(graph: onnx.GraphProto, name: str) -> list[onnx.NodeProto]:
    """Return the nodes that see the values of a tensor unchanged."""
    names, found = {name}, []
    for node in graph.node:
        if any(used in names for used in node.input):
            found.append(node)
            if node.op_type in KEEP_VALUES:
                names.update(node.output)
    return found


def scale_and_zero(
    graph: onnx.GraphProto, node: onnx.NodeProto
) -> tuple[float, float, np.iinfo] | None:
    """Return scale, zero point and integer range of a per-tensor (de)quantisation whose parameters are constants."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    if len(node.input) != 3 or not all(used in constants for used in node.input[1:]):  # noqa: PLR2004 (x, scale, zero point)
        return None
    try:
        scale, zero = (numpy_helper.to_array(constants[used]) for used in node.input[1:])
    except (TypeError, ValueError):  # a damaged tensor: whoever runs the model says so
        return None
    if scale.size != 1 or zero.size != 1 or zero.dtype.name not in QUANTISED:
        return None
    return float(scale.item()), float(zero.item()), np.iinfo(zero.dtype)
