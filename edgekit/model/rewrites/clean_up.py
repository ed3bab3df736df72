"""Operators that do nothing, and those that nobody needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from edgekit.model.operators import STANDARD, walk
from edgekit.model.rewrites.facts import Facts
from edgekit.model.rewrites.steps import counted

if TYPE_CHECKING:
    from collections.abc import Mapping


def remove_idle(model: onnx.ModelProto) -> str | None:
    """Remove Identity, Dropout as it is after training, and Cast to the type that is there already."""
    graph, facts = model.graph, Facts.of(model)
    ends = {value.name for value in graph.output}
    stands_for, removed, kept = dict[str, str](), list[str](), list[onnx.NodeProto]()
    for node in graph.node:
        idle = _is_idle(node, facts) and not ends & set(node.output)
        if idle:
            stands_for[node.output[0]] = stands_for.get(node.input[0], node.input[0])
            removed.append(str(node.op_type))
        else:
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
    if not removed:
        return None
    for node in kept:
        _rename_inputs(node, stands_for)
    del graph.node[:]
    graph.node.extend(kept)
    return f"operators without effect removed: {counted(removed)}"


def _is_idle(node: onnx.NodeProto, facts: Facts) -> bool:
    if node.domain not in STANDARD:
        return False
    if node.op_type == "Identity":
        return True
    if node.op_type == "Cast":
        to = next((item.i for item in node.attribute if item.name == "to"), None)
        return to is not None and facts.elements.get(node.input[0]) == to
    if node.op_type == "Dropout":  # its third input says whether this is training, if it is there
        mask = len(node.output) > 1 and node.output[1]
        trains = len(node.input) > 2 and node.input[2]  # noqa: PLR2004 (data, ratio, training_mode)
        training = facts.array(node.input[2]) if trains else None
        return not mask and (not trains or (training is not None and not training.any()))
    return False


def _rename_inputs(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    for inner in walk([node]):
        inner.input[:] = [names.get(name, name) for name in inner.input]
        for attribute in inner.attribute:
            for graph in (attribute.g, *attribute.graphs):
                for value in graph.output:
                    value.name = names.get(value.name, value.name)


def remove_unused(model: onnx.ModelProto) -> str | None:
    """Remove operators and constants that no output needs; inputs stay."""
    graph = model.graph
    needed = {value.name for value in graph.output}
    kept, removed = list[onnx.NodeProto](), list[str]()
    for node in reversed(graph.node):  # they are sorted: whoever needs this one was seen
        if needed.isdisjoint(node.output):
            removed += [str(node.op_type)] if node.op_type != "Constant" else []
            continue
        kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
        for inner in walk([node]):
            needed.update(inner.input)
            for attribute in inner.attribute:
                for branch in (attribute.g, *attribute.graphs):
                    needed.update(value.name for value in branch.output)
    tensors = [tensor for tensor in graph.initializer if tensor.name in needed]
    copies = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in tensors]
    if len(kept) != len(graph.node) or len(copies) != len(graph.initializer):
        del graph.node[:], graph.initializer[:]
        graph.node.extend(reversed(kept))
        graph.initializer.extend(copies)
    return f"left out, because no output needs it: {counted(removed[::-1])}" if removed else None
