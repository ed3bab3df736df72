"""From a graph over windows to the same predictions in steps of one hop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import onnx

from edgekit.model.cost import node_operations, operations
from edgekit.model.incremental.build import build
from edgekit.model.incremental.plan import make_plan
from edgekit.model.incremental.shaped_graph import ShapedGraph
from edgekit.model.incremental.single_samples import keep_axes

if TYPE_CHECKING:
    from edgekit.model.incremental.plan import Plan


@dataclass(frozen=True, kw_only=True)
class IncrementalForm:
    """A graph of one hop: samples `[hop, channels]` and its state in, the prediction and its state out."""

    onnx: bytes = field(repr=False)
    state: tuple[tuple[str, str], ...]
    """Inputs, and for each the output that is its value in the next step; zeros at first."""
    window: int
    """Samples that a prediction follows from; the steps before it are its warm-up."""
    operations: int
    """Cost of a step; see `edgekit.model.cost`."""
    at_once: str
    """What sees the window as a whole and so costs most of all that is not computed step by step; empty if nothing."""


def incremental_form(prepared: bytes, hop: int) -> IncrementalForm | str:
    """
    Return the incremental form of a prepared graph, or the sentence that says why there is none.

    `prepared`: one input `[window, channels]`, fixed shapes. Operators that treat all frames alike compute the new
    ones, and keep as many before them as the next operator reaches back to; what is left sees the frames of the whole
    window, put together from the kept and the new ones, and is computed as it was: so a prediction is that of its window.
    """
    model = onnx.ModelProto.FromString(prepared)
    window = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    if hop >= window:
        return f"windows do not overlap (a hop of {hop} samples, a window of {window})"
    model = keep_axes(model)
    graph = ShapedGraph(model)
    plan = make_plan(graph, hop, window)
    built = build(model, graph, plan)
    return IncrementalForm(
        onnx=built.model.SerializeToString(deterministic=True),
        state=built.state,
        window=window,
        operations=operations(built.model),
        at_once=_costliest(graph, plan),
    )


def _costliest(graph: ShapedGraph, plan: Plan) -> str:
    """Return the sentence on the node that costs most of those that see the window as a whole."""
    behind = {position: node_operations(graph, graph.nodes[position]) for position in plan.whole}
    if not behind:
        return ""
    position = max(behind, key=lambda at: (behind[at], -at))
    node = graph.nodes[position]
    return f"`{node.name or node.output[0]}` ({node.op_type}) {plan.whole[position]}"
