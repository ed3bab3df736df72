"""Writing a chain of ONNX nodes: every node takes the tensor of the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx

if TYPE_CHECKING:
    from collections.abc import Sequence


_OPSET_OF_REDUCED_AXES: Final = 18
"""Since then ReduceMin and ReduceMax take their axes as an input, as ReduceSum has since 13."""


class Emitter:
    """Nodes and constants in the order they are asked for; `at` is the tensor that the next node takes."""

    def __init__(self, at: str, opset: int) -> None:
        self.at = at
        self._opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, op_type: str, name: str, more: Sequence[str] = (), **attributes: Any) -> str:
        """Add a node that takes `at` and `more`; return the name of its output, the next `at`."""
        result = f"edgekit_{name}"
        self.nodes.append(
            onnx.helper.make_node(op_type, [self.at, *more], [result], name=result, **attributes)
        )
        self.at = result
        return result

    def from_(self, at: str) -> Emitter:
        """Go on from another tensor."""
        self.at = at
        return self

    def constant(self, name: str, values: Any) -> str:
        """Add an array as it is; return its name."""
        tensor = onnx.numpy_helper.from_array(np.asarray(values), f"edgekit_{name}")
        self.constants.append(tensor)
        return tensor.name

    def axes(self, name: str, *values: int) -> str:
        """Add a list of axes, starts or ends; return its name."""
        return self.constant(name, np.array(values, np.int64))

    def slice(self, name: str, start: int, end: int, axis: int) -> str:
        """Take a part of one axis."""
        limits = [
            self.axes(f"{name}_start", start),
            self.axes(f"{name}_end", end),
            self.axes(f"{name}_axis", axis),
        ]
        return self.node("Slice", name, limits)

    def reduce(self, op_type: str, name: str, axis: int) -> str:
        """Keep the least or the largest value along one axis, whose length becomes 1."""
        if self._opset < _OPSET_OF_REDUCED_AXES:
            return self.node(op_type, name, keepdims=1, axes=[axis])
        return self.node(op_type, name, [self.axes(f"{name}_axis", axis)], keepdims=1)

    def sum(self, name: str, axis: int, *, keep: bool) -> str:
        """Add up along one axis."""
        return self.node("ReduceSum", name, [self.axes(f"{name}_axis", axis)], keepdims=int(keep))
