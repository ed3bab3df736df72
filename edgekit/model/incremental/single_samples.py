"""Picking one sample, or one channel, without losing its axis: so that it can be told which samples are meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from onnx import numpy_helper

from edgekit.model.incremental.shaped_graph import ShapedGraph

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX: Final = "edgekit_pick_"


def keep_axes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with every Gather of one constant index, which drops an axis, as one that keeps it and a Reshape."""
    graph = ShapedGraph(model)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    nodes = [made for node in model.graph.node for made in _kept(graph, node, result.graph)]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result


def _kept(
    graph: ShapedGraph, node: onnx.NodeProto, result: onnx.GraphProto
) -> Iterator[onnx.NodeProto]:
    index = graph.constant(node.input[1]) if node.op_type == "Gather" else None
    shape = graph.shape(node.output[0]) if index is not None and index.ndim == 0 else None
    if index is None or shape is None:
        yield node
        return
    name = f"{_PREFIX}{node.output[0]}"
    for what, values in (("index", index.reshape(1)), ("shape", np.array(shape, np.int64))):
        result.initializer.append(numpy_helper.from_array(values, f"{name}_{what}"))
    picked = onnx.NodeProto()
    picked.CopyFrom(node)
    picked.input[1] = f"{name}_index"
    picked.output[0] = name
    yield picked
    yield onnx.helper.make_node("Reshape", [name, f"{name}_shape"], [node.output[0]], name=name)
