"""
Small rewrites of an ONNX model that keep what it computes.

Each changes the model in place and returns a line for the report, or None where there was nothing to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx.inliner

from edgekit.model.operators import walk

if TYPE_CHECKING:
    from collections.abc import Mapping


def inline_functions(model: onnx.ModelProto) -> str | None:
    """Replace calls of functions that the model brings along by their bodies (PyTorch's newer exporter writes them)."""
    count = len(model.functions)
    if count == 0:
        return None
    model.CopyFrom(onnx.inliner.inline_local_functions(model))
    return f"{count} local functions written out in the graph"


def freeze_constant_inputs(model: onnx.ModelProto) -> str | None:
    """Make inputs that have a default value constants: left open, they cost time on every run."""
    constants = {tensor.name for tensor in model.graph.initializer}
    constants |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    kept = [value for value in model.graph.input if value.name not in constants]
    count = len(model.graph.input) - len(kept)
    if count == 0:
        return None
    del model.graph.input[:]
    model.graph.input.extend(kept)
    return f"{count} inputs with default values made constants"


def strip_annotations(model: onnx.ModelProto) -> None:
    """Remove what is no computation: descriptions, and shapes that are inferred again (exporters get them wrong)."""
    del model.metadata_props[:]
    model.ClearField("doc_string")
    graphs = [model.graph]
    for node in walk(model.graph.node):
        node.ClearField("doc_string")
        del node.metadata_props[:]
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
            graphs += [attribute.g] if attribute.HasField("g") else []
            graphs += attribute.graphs
    for graph in graphs:
        graph.ClearField("doc_string")
        del graph.value_info[:]
        del graph.metadata_props[:]
        for value in graph.output:
            if value.type.HasField("tensor_type"):
                value.type.tensor_type.ClearField("shape")


def name_nodes(model: onnx.ModelProto) -> None:
    """Give nodes without a name the name of their first output, so that a message can say which one it means."""
    for node in walk(model.graph.node):
        node.name = node.name or next(iter(node.output), "")


def fix_axes(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Give every input a shape without open axes."""
    changed = []
    for value in model.graph.input:
        axes = value.type.tensor_type.shape.dim
        wanted = shapes[value.name]
        if tuple(axis.dim_value for axis in axes) != wanted:
            changed.append(f"`{value.name}` {list(wanted)}")
        del axes[:]
        for length in wanted:
            axes.add().dim_value = length
    for value in model.graph.output:
        for length in shapes.get(value.name, ()):  # an input that is an output as well
            value.type.tensor_type.shape.dim.add().dim_value = length
    return f"open axes fixed: {', '.join(changed)}" if changed else None
