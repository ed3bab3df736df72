"""
Quantisation folded to float32, where a project asks for it: faster in this engine, but another model.

A QuantizeLinear with the DequantizeLinear behind it rounds to a code and clips to the codes' range. Exporters leave a Relu out
where that range already begins at 0, so the clip stays; only the rounding goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekit.model import quantisation

if TYPE_CHECKING:
    from typing import Any

    Array = np.ndarray[Any, Any]

_LIMITS_ARE_INPUTS: Final = 11
"""First opset in which Clip takes its limits as inputs."""


def fold_quantisation(model: onnx.ModelProto) -> str | None:
    """Replace pairs of rounding and back by a clip, and constant codes by their values, in place; return the report's line."""
    opset = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)
    fold = _Fold(model.graph, opset)
    pairs = weights = 0
    for node in list(model.graph.node):
        if node.op_type == "DequantizeLinear":
            constant = fold.constant(node)
            weights += constant
            pairs += not constant and fold.pair(node)
    if not pairs + weights:
        return None
    fold.finish()
    return f"quantisation folded to float32: {pairs} roundings taken out (their ranges kept), {weights} constants dequantised"


class _Fold:
    def __init__(self, graph: onnx.GraphProto, opset: int) -> None:
        self._graph = graph
        self._opset = opset
        self._makers = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._instead: dict[str, list[onnx.NodeProto]] = {}
        """Nodes that take the place of a DequantizeLinear, by its output."""

    def constant(self, node: onnx.NodeProto) -> bool:
        """Make a constant of a DequantizeLinear of constants; tell whether it was one."""
        if not all(name in self._constants or not name for name in node.input):
            return False
        if any(item.name == "block_size" and item.i for item in node.attribute):
            return False
        codes, scale, *zero = (
            numpy_helper.to_array(self._constants[name]) for name in node.input if name
        )
        axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
        centred = codes.astype(np.int64) - (_along(zero[0], codes, axis) if zero else 0)
        values = (centred * _along(scale, codes, axis)).astype(np.float32)
        self._graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        self._instead[node.output[0]] = []
        return True

    def pair(self, node: onnx.NodeProto) -> bool:
        """Compute in float32 what a DequantizeLinear gives back; tell whether a QuantizeLinear with its scale made its codes."""
        chain = [node]
        maker = self._makers.get(node.input[0])
        while maker is not None and maker.op_type in quantisation.KEEP_VALUES:
            chain.append(maker)
            maker = self._makers.get(maker.input[0])
        if maker is None or maker.op_type != "QuantizeLinear":
            return False
        there = quantisation.scale_and_zero(self._graph, maker)
        back = quantisation.scale_and_zero(self._graph, node)
        if there is None or back is None or there[:2] != back[:2]:
            return False
        scale, zero, limits = there
        low, high = (limits.min - zero) * scale, (limits.max - zero) * scale
        name = node.output[0]
        made = [self._clip(maker.input[0], f"{name}/clip", low, high)]
        for number, kept in enumerate(reversed(chain[1:])):
            again = onnx.NodeProto()
            again.CopyFrom(kept)
            again.input[0] = made[-1].output[0]
            again.output[0] = again.name = f"{name}/{number}"
            made.append(again)
        made[-1].output[0] = name
        self._instead[name] = made
        return True

    def finish(self) -> None:
        """Put the new nodes in, and take out what nothing uses any more."""
        nodes = [
            new
            for node in self._graph.node
            for new in self._instead.get(next(iter(node.output), ""), [node])
        ]
        used = {value.name for value in self._graph.output}
        kept = []
        for node in reversed(nodes):
            if used.intersection(node.output):
                kept.append(node)
                used.update(node.input)
                used.update(_names_in_bodies(node))
        constants = [tensor for tensor in self._graph.initializer if tensor.name in used]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(reversed(kept))
        self._graph.initializer.extend(constants)

    def _clip(self, value: str, name: str, low: float, high: float) -> onnx.NodeProto:
        if self._opset < _LIMITS_ARE_INPUTS:
            return helper.make_node("Clip", [value], [name], name=name, min=low, max=high)
        limits = []
        for end, number in (("low", low), ("high", high)):
            tensor = numpy_helper.from_array(np.array(number, np.float32), f"{name}_{end}")
            self._graph.initializer.append(tensor)
            limits.append(tensor.name)
        return helper.make_node("Clip", [value, *limits], [name], name=name)


def _along(values: Array, codes: Array, axis: int) -> Array:
    """Return one value, or one for each position along an axis, so that it broadcasts over the codes."""
    if values.size == 1:
        return values.reshape(())
    shape = [1] * codes.ndim
    shape[axis] = values.size
    return values.reshape(shape)


def _names_in_bodies(node: onnx.NodeProto) -> set[str]:
    """Return the tensors that the bodies of a node use, among them those from outside."""
    bodies = [item.g for item in node.attribute if item.HasField("g")]
    names = set()
    for body in bodies:
        for inner in body.node:
            names.update(inner.input)
            names.update(_names_in_bodies(inner))
        names.update(value.name for value in body.output)
    return names
