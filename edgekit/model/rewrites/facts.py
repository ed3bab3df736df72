"""What is known of a graph's tensors without running it: types, shapes, constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import onnx
from onnx import numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Facts:
    """Types and shapes by name, of the outer graph and its subgraphs; constants of the outer graph alone."""

    elements: Mapping[str, int]
    """Element type, as `onnx.TensorProto.DataType` numbers it."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of tensors whose every axis is known."""
    constants: Mapping[str, onnx.TensorProto]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Facts:
        """Infer what follows from the shapes of the inputs; what cannot be inferred is missing."""
        try:
            known = onnx.shape_inference.infer_shapes(model, data_prop=True)
        except (onnx.shape_inference.InferenceError, ValueError):
            known = model  # whoever runs the model says what is wrong with it
        elements, shapes = dict[str, int](), dict[str, tuple[int, ...]]()
        for value in _values(known.graph):
            kind = value.type.tensor_type
            if kind.elem_type:
                elements[value.name] = kind.elem_type
            axes = kind.shape.dim
            if kind.HasField("shape") and all(axis.HasField("dim_value") for axis in axes):
                shapes[value.name] = tuple(axis.dim_value for axis in axes)
        constants = {tensor.name: tensor for tensor in model.graph.initializer}
        constants |= {
            node.output[0]: tensor for node in model.graph.node if (tensor := constant_of(node))
        }
        for name, tensor in constants.items():
            elements[name] = tensor.data_type
            shapes[name] = tuple(tensor.dims)
        return cls(elements=elements, shapes=shapes, constants=constants)

    def array(self, name: str) -> Array | None:
        """Return the value of a constant; None if it is none, or damaged."""
        tensor = self.constants.get(name)
        if tensor is None:
            return None
        try:
            return numpy_helper.to_array(tensor)
        except (TypeError, ValueError):
            return None


def constant_of(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """Return the tensor that a node makes out of nothing; None for any other node."""
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
        return None
    return next((item.t for item in node.attribute if item.name == "value"), None)


def _values(graph: onnx.GraphProto) -> Iterable[onnx.ValueInfoProto]:
    yield from graph.input
    yield from graph.output
    yield from graph.value_info
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _values(inner)
