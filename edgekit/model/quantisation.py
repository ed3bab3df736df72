"""What a graph says of the numbers at its ends: the range of a quantised input, the nature of an output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from onnx import numpy_helper

from edgekit.model.proof.tolerance import Nature

if TYPE_CHECKING:
    from edgekit.model.source import SourceModel

_KEEP_VALUES: Final = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")

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
            _scale_and_zero(source.proto.graph, node) if node.op_type == "QuantizeLinear" else None
        )
        if step is not None:
            scale, zero, limits = step
            return float((limits.min - zero) * scale), float((limits.max - zero) * scale)
    return None


def nature_of(graph: onnx.GraphProto, name: str) -> Nature:
    """Return what the operator that makes a tensor says of its numbers."""
    makers = {output: node for node in graph.node for output in node.output}
    node = makers.get(name)
    while node is not None and node.op_type in _KEEP_VALUES:
        node = makers.get(node.input[0])
    if node is None:
        return Nature()
    if node.op_type in ("Sigmoid", "Softmax"):
        return Nature(probability=True)
    if node.op_type == "QuantizeLinear" or node.op_type.startswith("QLinear"):
        return Nature(step=1.0)
    step = _scale_and_zero(graph, node)
    return (
        Nature(step=step[0])
        if node.op_type == "DequantizeLinear" and step is not None
        else Nature()
    )


def _behind(graph: onnx.GraphProto, name: str) -> list[onnx.NodeProto]:
    """Return the nodes that see the values of a tensor unchanged."""
    names, found = {name}, []
    for node in graph.node:
        if any(used in names for used in node.input):
            found.append(node)
            if node.op_type in _KEEP_VALUES:
                names.update(node.output)
    return found


def _scale_and_zero(
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
