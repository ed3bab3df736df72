"""
Everything that does not depend on an input, computed once: constants, shapes, and branches that are always taken.

ONNX Runtime computes it, so that a folded value is what the reference would have there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekit.model.operators import STANDARD, walk
from edgekit.model.rewrites.facts import Facts, constant_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    Array = np.ndarray[Any, Any]

_ROUNDS: Final = 8
"""A shape may follow from a value, which follows from a shape; exporters nest that two or three deep."""

_MOST_VALUES: Final = 2**22
"""A larger result stays an operator: it would make the archive large, not the model fast."""

_NEVER: Final = frozenset(
    {
        "Constant",
        *(
            "RandomNormal",
            "RandomNormalLike",
            "RandomUniform",
            "RandomUniformLike",
            "Multinomial",
            "Bernoulli",
        ),
        "DequantizeLinear",  # weights stay integers: that is what makes a quantised model small
        *("If", "Loop", "Scan", "SequenceMap"),  # their bodies see names of the graph around them
    }
)

_SMALLER: Final = frozenset({"Compress", "NonZero", "Unique"})
"""How much these give follows from values alone; it is never more than a few times what they take."""


def fold(model: onnx.ModelProto) -> str | None:
    """Replace what is constant by its value, in place, until nothing is left to replace."""
    folded, branches = 0, 0
    for _ in range(_ROUNDS):
        taken = _take_branches(model)
        facts = Facts.of(model)
        shapes = _write_shapes(model, facts)
        values = _write_values(model, facts)
        folded, branches = folded + shapes + values, branches + taken
        if not taken + shapes + values:
            break
    parts = [f"{folded} constant operators computed"] if folded else []
    parts += (
        [f"{branches} branches that are always taken put in place of their If"] if branches else []
    )
    return ", ".join(parts) or None


def _write_shapes(model: onnx.ModelProto, facts: Facts) -> int:
    """Replace Shape and Size of tensors whose shape is known."""
    count = 0
    for node in model.graph.node:
        if node.domain not in STANDARD or node.op_type not in ("Shape", "Size"):
            continue
        shape = facts.shapes.get(node.input[0])
        if shape is None:
            continue
        given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        value = np.array(math.prod(shape), np.int64)
        if node.op_type == "Shape":
            value = np.array(shape[slice(given.get("start"), given.get("end"))], np.int64)
        _become_constant(node, value)
        count += 1
    return count


def _become_constant(node: onnx.NodeProto, value: Array) -> None:
    node.CopyFrom(
        helper.make_node(
            "Constant", [], [node.output[0]], name=node.name, value=numpy_helper.from_array(value)
        )
    )


def _write_values(model: onnx.ModelProto, facts: Facts) -> int:
    """Replace operators over constants by what ONNX Runtime computes of them."""
    known = set(facts.constants)
    chosen = list[onnx.NodeProto]()
    for node in model.graph.node:
        if _can_fold(node, known, facts):
            chosen.append(node)
            known.update(node.output)
    if not chosen:
        return 0
    made = [name for node in chosen for name in node.output if name]
    names = {id(node) for node in chosen}
    used = {
        name
        for node in walk(n for n in model.graph.node if id(n) not in names)
        for name in node.input
    }
    used |= {value.name for value in model.graph.output}
    wanted = [name for name in made if name in used]
    values = _computed(model, chosen, wanted, facts)
    if values is None:
        return 0
    rest = [node for node in model.graph.node if id(node) not in names]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in rest]
    constants = [
        helper.make_node("Constant", [], [name], name=name, value=numpy_helper.from_array(value))
        for name, value in values.items()
    ]
    del model.graph.node[:]
    model.graph.node.extend([*constants, *kept])
    return len(chosen)


def _can_fold(node: onnx.NodeProto, known: set[str], facts: Facts) -> bool:
    if node.domain not in STANDARD or node.op_type in _NEVER or not any(node.input):
        return False
    if not all(name in known for name in node.input if name):
        return False
    if node.op_type in _SMALLER:
        return True
    sizes = [math.prod(facts.shapes[name]) for name in node.output if name in facts.shapes]
    return len(sizes) == sum(map(bool, node.output)) and max(sizes, default=0) <= _MOST_VALUES


def _computed(
    model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto], wanted: list[str], facts: Facts
) -> dict[str, Array] | None:
    """Return what the nodes make of constants; None if ONNX Runtime cannot compute one of them."""
    import onnxruntime  # noqa: PLC0415 (only where there is something to fold)

    from edgekit.model.proof.reference_job import open_session  # noqa: PLC0415 (as above)

    nodes = list(nodes)
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "constants",
        [],
        [onnx.ValueInfoProto(name=name) for name in wanted],
        [_named(tensor, name) for name, tensor in facts.constants.items() if name in used],
    )
    part = helper.make_model(
        graph, opset_imports=model.opset_import, ir_version=max(model.ir_version, 8)
    )
    errors = onnxruntime.capi.onnxruntime_pybind11_state
    try:
        if not wanted:
            return {}
        values = open_session(part.SerializeToString(), optimise=False).run(wanted, {})
    except (
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.NotImplemented,
        errors.RuntimeException,
    ):
        return None
    if not all(isinstance(value, np.ndarray) and value.dtype.kind in "fiub" for value in values):
        return None
    return dict(zip(wanted, values, strict=True))


def _named(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy


def _take_branches(model: onnx.ModelProto) -> int:
    """Put the branch that is taken in place of every If whose condition is a constant."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {
        node.output[0]: tensor for node in model.graph.node if (tensor := constant_of(node))
    }
    nodes, count = list[onnx.NodeProto](), 0
    for node in model.graph.node:
        tensor = (
            constants.get(node.input[0])
            if node.op_type == "If" and node.domain in STANDARD
            else None
        )
        if tensor is None or len(numpy_helper.to_array(tensor).ravel()) != 1:
            nodes.append(node)
            continue
        name = "then_branch" if numpy_helper.to_array(tensor).item() else "else_branch"
        branch = next(item.g for item in node.attribute if item.name == name)
        nodes += _inlined(branch, node)
        count += 1
    if count:
        kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del model.graph.node[:]
        model.graph.node.extend(kept)
    return count


def _inlined(branch: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the nodes of a branch under names of their own, and the If's outputs."""
    prefix = f"{node.output[0]}/"
    own = {tensor.name for tensor in branch.initializer}
    own |= {name for inner in branch.node for name in inner.output}
    names = {name: prefix + name for name in own if name}
    nodes = [
        helper.make_node(
            "Constant", [], [names[tensor.name]], name=names[tensor.name], value=tensor
        )
        for tensor in branch.initializer
    ]
    for inner in branch.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(inner)
        copy.name = prefix + (inner.name or next(iter(inner.output), ""))
        _rename(copy, names)
        nodes.append(copy)
    for value, output in zip(branch.output, node.output, strict=True):
        source = names.get(value.name, value.name)
        nodes.append(helper.make_node("Identity", [source], [output], name=output))
    return nodes


def _rename(node: onnx.NodeProto, names: dict[str, str]) -> None:
    """Rename what a node takes and gives, and what its subgraphs take from around them."""
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            hidden = {value.name for value in graph.input} | {
                tensor.name for tensor in graph.initializer
            }
            hidden |= {name for inner in graph.node for name in inner.output}
            outer = {old: new for old, new in names.items() if old not in hidden}
            for inner in graph.node:
                _rename(inner, outer)
            for value in graph.output:
                value.name = outer.get(value.name, value.name)
