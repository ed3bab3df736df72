"""A graph with fixed shapes, and what is known of its tensors before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from edgekit.model.operators import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Array = np.ndarray[Any, Any]


class ShapedGraph:
    """The nodes of a model with one input, the shapes of its tensors, and the values of its constants."""

    def __init__(self, model: onnx.ModelProto) -> None:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        graph = model.graph
        self.nodes: Sequence[onnx.NodeProto] = list(graph.node)
        self.input: str = graph.input[0].name
        self.outputs: tuple[str, ...] = tuple(value.name for value in graph.output)
        self.opset: int = next(
            (item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 1
        )
        self._types: dict[str, onnx.TypeProto.Tensor] = {}
        for value in (*graph.input, *inferred.graph.value_info, *inferred.graph.output):
            self._types[value.name] = value.type.tensor_type
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                self._constants.update(_constant_of(node))
        self._moving = self._find_moving()

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return a tensor's shape; None if it is not known, or not fixed."""
        if name in self._constants:
            return tuple(self._constants[name].dims)
        kind = self._types.get(name)
        if kind is None or not kind.HasField("shape"):
            return None
        shape = tuple(axis.dim_value for axis in kind.shape.dim)
        return shape if all(axis.HasField("dim_value") for axis in kind.shape.dim) else None

    def element_type(self, name: str) -> int:
        """Return a tensor's element type, as ONNX numbers them."""
        return int(self._types[name].elem_type)

    def constant(self, name: str) -> Array | None:
        """Return the values of a constant; None for a tensor that is none, or whose values are computed."""
        tensor = self._constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def moves(self, name: str) -> bool:
        """Tell whether a tensor depends on the input."""
        return name in self._moving

    def _find_moving(self) -> set[str]:
        found = {self.input}
        for node in self.nodes:
            if any(name in found for name in reads(node)):
                found.update(filter(None, node.output))
        return found


def _constant_of(node: onnx.NodeProto) -> dict[str, onnx.TensorProto]:
    """Return what a Constant node gives, in whichever way it is written down."""
    values = attributes(node)
    if "value" in values:
        return {node.output[0]: values["value"]}
    for kind, dtype in (("float", np.float32), ("int", np.int64)):
        for key in (f"value_{kind}", f"value_{kind}s"):
            if key in values:
                return {node.output[0]: numpy_helper.from_array(np.asarray(values[key], dtype))}
    return {}  # text, or a sparse tensor: nothing that a rule looks at


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the tensors that a node takes, those that the graphs inside it take from outside included."""
    yield from filter(None, node.input)
    for inner in walk([node]):
        if inner is not node:
            yield from filter(None, inner.input)
    for graph in subgraphs(node):
        yield from (value.name for value in graph.output)


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs inside a node, at any depth."""
    for inner in walk([node]):
        for attribute in inner.attribute:
            if attribute.HasField("g"):
                yield attribute.g
            yield from attribute.graphs


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return a node's attributes as Python values."""
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def set_attributes(node: onnx.NodeProto, **values: Any) -> None:
    """Give a node attributes, in place of those of the same names."""
    kept = [item for item in node.attribute if item.name not in values]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in values.items())
