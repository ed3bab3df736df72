"""
Operators that the engine computes as their textbook formula, which overflows, written out in a form that does not.

ONNX Runtime computes the stable forms, so this brings the two together: exp(x) is infinite in float32 from x = 89 on.
Gelu and Erf are here too: the engine has an operator for the exact Gelu, makes it by itself of the steps that exporters
write for it, and then cannot put it into an archive.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import onnx
from onnx import helper

from edgekit.model.operators import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_AXES_OF_SUM_ARE_INPUT: Final = 13
_AXES_OF_MAX_ARE_INPUT: Final = 18
"""First opsets in which ReduceSum and ReduceMax take their axes as an input."""
_SOFTMAX_OF_ONE_AXIS: Final = 13
"""First opset in which LogSoftmax is along one axis."""


def write_out(model: onnx.ModelProto) -> str | None:
    """Replace the operators in place, also in subgraphs; return a line for the report, None if there were none."""
    opset = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)
    graphs = [model.graph]
    for node in walk(model.graph.node):
        for attribute in node.attribute:
            graphs += [attribute.g] if attribute.HasField("g") else []
            graphs += attribute.graphs
    names = [name for graph in graphs for name in _write_out(graph, opset)]
    if not names:
        return None
    counted = ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))
    return f"written out in steps that the engine computes as ONNX Runtime does: {counted}"


class _Steps:
    """The nodes that take one node's place."""

    def __init__(self, node: onnx.NodeProto, opset: int) -> None:
        self.node = node
        self.opset = opset
        self.x: str = node.input[0]
        self.made: list[onnx.NodeProto] = []
        self.given = {item.name: helper.get_attribute_value(item) for item in node.attribute}

    def add(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a step; return the tensor that it makes."""
        name = f"{self.node.output[0]}/{self.node.op_type}_{len(self.made)}"
        self.made.append(helper.make_node(op_type, inputs, [name], name=name, **attributes))
        return name

    def reduce(self, op_type: str, value: str, axes: Sequence[int] | str | None, keep: int) -> str:
        """Add a reduction; `axes`: numbers, the name of a tensor, or None for all of them."""
        first = _AXES_OF_MAX_ARE_INPUT if op_type == "ReduceMax" else _AXES_OF_SUM_ARE_INPUT
        if axes is None:
            return self.add(op_type, value, keepdims=keep)
        if self.opset < first:
            return self.add(op_type, value, axes=axes, keepdims=keep)
        name = axes if isinstance(axes, str) else self.constant("INT64", list(axes))
        return self.add(op_type, value, name, keepdims=keep)

    def constant(self, element: str, values: list[Any]) -> str:
        """Add a constant of one axis."""
        kind = onnx.TensorProto.DataType.Value(element)
        return self.add("Constant", value=helper.make_tensor("value", kind, [len(values)], values))

    def number(self, value: float) -> str:
        """Add a number of the type of `x`."""
        return self.add("CastLike", self.constant("FLOAT", [value]), self.x)

    def finish(self) -> list[onnx.NodeProto]:
        """Let the last step make the node's output."""
        self.made[-1].output[0] = self.node.output[0]
        return self.made


def _write_out(graph: onnx.GraphProto, opset: int) -> list[str]:
    """Return the operators that were replaced."""
    nodes, names = list[onnx.NodeProto](), []
    for node in graph.node:
        form = _FORMS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        steps = _Steps(node, opset) if form is not None else None
        if form is not None and steps is not None and form(steps):
            nodes += steps.finish()
            names.append(node.op_type)
        else:
            nodes.append(node)
    if names:
        del graph.node[:]
        graph.node.extend(nodes)
    return names


def _log_softmax(steps: _Steps) -> bool:
    """Take x - max - log(sum(exp(x - max)))."""
    x, axis = steps.x, steps.given.get("axis", -1)
    flattens = steps.opset < _SOFTMAX_OF_ONE_AXIS
    if flattens:  # all axes from the given one on are one
        x, axis = steps.add("Flatten", x, axis=steps.given.get("axis", 1)), 1
    shifted = steps.add("Sub", x, steps.reduce("ReduceMax", x, [axis], 1))
    total = steps.reduce("ReduceSum", steps.add("Exp", shifted), [axis], 1)
    result = steps.add("Sub", shifted, steps.add("Log", total))
    if flattens:
        steps.add("Reshape", result, steps.add("Shape", steps.x))
    return True


def _softplus(steps: _Steps) -> bool:
    """Take max(x, 0) - log(sigmoid(|x|)), which is max(x, 0) + log(1 + exp(-|x|))."""
    rest = steps.add("Log", steps.add("Sigmoid", steps.add("Abs", steps.x)))
    steps.add("Sub", steps.add("Relu", steps.x), rest)
    return True


def _log_sum_exp(steps: _Steps) -> bool:
    """Take max + log(sum(exp(x - max)))."""
    if steps.given.get("noop_with_empty_axes", 0):
        return False
    keep = steps.given.get("keepdims", 1)
    axes = steps.node.input[1] if len(steps.node.input) > 1 else steps.given.get("axes")
    axes = axes or None
    shifted = steps.add("Sub", steps.x, steps.reduce("ReduceMax", steps.x, axes, 1))
    total = steps.reduce("ReduceSum", steps.add("Exp", shifted), axes, keep)
    largest = steps.reduce("ReduceMax", steps.x, axes, keep)
    steps.add("Add", largest, steps.add("Log", total))
    return True


def _gelu(steps: _Steps) -> bool:
    """Take x / 2 * (1 + erf(x / √2)); the approximation by the tangent is no trouble."""
    if steps.given.get("approximate", b"none") != b"none":
        return False
    scaled = steps.add("Mul", steps.x, steps.number(math.sqrt(0.5)))
    half = steps.add("Mul", steps.x, steps.number(0.5))
    steps.add("Mul", half, steps.add("Add", _odd_erf(steps, scaled), steps.number(1.0)))
    return True


def _erf(steps: _Steps) -> bool:
    """Take -erf(-x): exactly the same, and the engine does not see a Gelu in it."""
    _odd_erf(steps, steps.x)
    return True


def _odd_erf(steps: _Steps, x: str) -> str:
    return steps.add("Neg", steps.add("Erf", steps.add("Neg", x)))


_FORMS: Final[dict[str, Callable[[_Steps], bool]]] = {
    "LogSoftmax": _log_softmax,
    "Softplus": _softplus,
    "ReduceLogSumExp": _log_sum_exp,
    "Gelu": _gelu,
    "Erf": _erf,
}
"""Each adds the steps and tells whether it did."""
