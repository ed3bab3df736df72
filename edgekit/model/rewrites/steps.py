"""Writing one node's work as other nodes: what most rewrites do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import helper, numpy_helper

from edgekit.model.operators import STANDARD, graphs, opset
from edgekit.model.rewrites.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import onnx

    Array = np.ndarray[Any, Any]
    Form = Callable[["Steps"], bool]
    """Adds the steps, gives every output and returns True; or returns False, and the node stays."""

AXES_OF_SUM_ARE_INPUT: Final = 13
AXES_OF_OTHERS_ARE_INPUT: Final = 18
"""First opsets in which ReduceSum, and all other reductions, take their axes as an input."""


class Steps:
    """The nodes that take one node's place."""

    def __init__(self, node: onnx.NodeProto, opset: int, facts: Facts) -> None:
        self.node = node
        self.opset = opset
        """Version of the standard operators."""
        self.facts = facts
        self.made: list[onnx.NodeProto] = []
        self.given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        """The node's attributes; texts are bytes."""

    @property
    def x(self) -> str:
        """The first input."""
        return self.input(0)

    def like_x(self, value: float) -> str:
        """Add a number of the first input's type."""
        return self.add("CastLike", self.constant([value]), self.x)

    def input(self, position: int) -> str:
        """Return the name of an input; empty if it is left out."""
        return str(self.node.input[position]) if position < len(self.node.input) else ""

    def output(self, position: int) -> str:
        """Return the name of an output; empty if nobody asks for it."""
        return str(self.node.output[position]) if position < len(self.node.output) else ""

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a text."""
        value = self.given.get(name)
        return default if value is None else value.decode(errors="replace")

    def shape(self, position: int) -> tuple[int, ...] | None:
        """Return the shape of an input, if it is known."""
        return self.facts.shapes.get(self.input(position))

    def array(self, position: int) -> Array | None:
        """Return the value of an input that is a constant."""
        return self.facts.array(self.input(position))

    def dtype(self, position: int) -> np.dtype[Any] | None:
        """Return NumPy's type of an input, if it is known."""
        element = self.facts.elements.get(self.input(position))
        return None if element is None else helper.tensor_dtype_to_np_dtype(element)

    def add(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a step of one output; return the tensor that it makes."""
        return self.add_many(op_type, inputs, 1, **attributes)[0]

    def add_many(
        self, op_type: str, inputs: Iterable[str], count: int, **attributes: Any
    ) -> list[str]:
        """Add a step of `count` outputs; return the tensors that it makes."""
        base = f"{next(filter(None, self.node.output))}/{self.node.op_type}_{len(self.made)}"
        names = [f"{base}_{number}" if number else base for number in range(count)]
        self.made.append(helper.make_node(op_type, list(inputs), names, name=base, **attributes))
        return names

    def constant(self, value: Array | Sequence[Any] | float, dtype: Any = np.float32) -> str:
        """Add a constant, of `dtype` unless it is an array."""
        array = value if isinstance(value, np.ndarray) else np.array(value, dtype)
        return self.add(
            "Constant",
            value=numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape)),
        )

    def integers(self, values: Sequence[int]) -> str:
        """Add a constant axis of int64, as shapes and axes are."""
        return self.constant(values, np.int64)

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        """Add a Reshape to a constant shape."""
        return self.add("Reshape", value, self.integers(shape))

    def gather(self, value: str, indices: Sequence[int], axis: int) -> str:
        """Add a choice of places along an axis, which stays."""
        return self.add("Gather", value, self.integers(indices), axis=axis)

    def reduce(self, op_type: str, value: str, axes: Sequence[int] | str | None, keep: int) -> str:
        """Add a reduction; `axes`: numbers, the name of a tensor, or None for all of them."""
        first = AXES_OF_SUM_ARE_INPUT if op_type == "ReduceSum" else AXES_OF_OTHERS_ARE_INPUT
        if axes is None:
            return self.add(op_type, value, keepdims=keep)
        if self.opset < first:
            return self.add(op_type, value, axes=axes, keepdims=keep)
        name = axes if isinstance(axes, str) else self.integers(axes)
        return self.add(op_type, value, name, keepdims=keep)

    def give(self, position: int, value: str) -> None:
        """Let a tensor be an output of the node; nothing happens if nobody asks for that."""
        if self.output(position):
            name = self.output(position)
            self.made.append(helper.make_node("Identity", [value], [name], name=name))


def replace(model: onnx.ModelProto, forms: Mapping[tuple[str, str], Form]) -> list[str]:
    """Replace the nodes, also in subgraphs, whose (domain, operator) has a form; return the operators replaced."""
    found = graphs(model.graph)
    if not any((_domain(node), node.op_type) in forms for graph in found for node in graph.node):
        return []
    facts, version, names = Facts.of(model), opset(model), []
    for graph in found:
        nodes = []
        for node in graph.node:
            form = forms.get((_domain(node), node.op_type))
            steps = Steps(node, version, facts)
            if form is not None and form(steps):
                nodes += steps.made
                names.append(str(node.op_type))
            else:
                nodes.append(node)
        kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(kept)
    return names


def counted(names: Iterable[str]) -> str:
    """Return operators with how many there are, such as `2 Celu, 1 Scaler`."""
    names = list(names)
    return ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))


def _domain(node: onnx.NodeProto) -> str:
    return "" if node.domain in STANDARD else str(node.domain)
