"""Which parts of a graph are computed once for every frame, and which frames of what is kept for that."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from edgekit.model.incremental import elementwise, kernels, products, shaping
from edgekit.model.incremental.along import Along, Span, Track
from edgekit.model.incremental.operator_call import Call, Unlike
from edgekit.model.incremental.shaped_graph import reads, subgraphs

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx

    from edgekit.model.incremental.shaped_graph import ShapedGraph

RULES: Final[dict[str, Callable[[Call], Along]]] = {
    **elementwise.RULES,
    **kernels.RULES,
    **products.RULES,
    **shaping.RULES,
}
"""What each operator does to time; one that is not here sees the window as a whole."""

_RECURRENT: Final = ("GRU", "LSTM", "RNN")


@dataclass(kw_only=True)
class Plan:
    """What becomes of every node and tensor, by the nodes' positions in the graph and the tensors' names."""

    hop: int
    along: dict[int, Along] = field(default_factory=dict)
    """Nodes that are computed for new frames alone."""
    whole: dict[int, str] = field(default_factory=dict)
    """The first nodes that see the window as a whole, and why: the end of a sentence that begins with the node."""
    tracks: dict[str, Track] = field(default_factory=dict)
    demands: dict[str, Span] = field(default_factory=dict)
    """Frames that are taken from each tensor that runs along time."""

    def fresh(self, name: str) -> Span:
        """Return the frames of a tensor that a hop computes; those before them, as far as they are taken, are kept."""
        demand = self.demands[name]
        new = self.hop // self.tracks[name].step
        return Span(max(demand.first, demand.end - new), demand.end)


def make_plan(graph: ShapedGraph, hop: int, window: int) -> Plan:
    """Return how the graph, whose input is `[window, channels]`, is computed in steps of `hop` samples."""
    padded: dict[int, str] = {}
    while True:
        plan = Plan(hop=hop)
        plan.tracks[graph.input] = Track(0, window, 1, Span(0, window))
        for position in range(len(graph.nodes)):
            _follow(plan, graph, position, padded)
        more = _ask(plan, graph)
        if not more:
            return plan
        padded |= more


def _follow(plan: Plan, graph: ShapedGraph, position: int, padded: dict[int, str]) -> None:
    """Find out how a node's outputs run along time."""
    node = graph.nodes[position]
    taken = [name for name in reads(node) if name in plan.tracks]
    if not taken:
        return
    try:
        along = _rule(node, padded.get(position))(Call(node, graph, plan.tracks))
        tracks = _outputs(plan, graph, node, along, plan.tracks[taken[0]])
    except Unlike as reason:
        plan.whole[position] = str(reason)
        return
    plan.along[position] = along
    plan.tracks |= tracks


def _rule(node: onnx.NodeProto, padded: str | None) -> Callable[[Call], Along]:
    if padded is not None:
        raise Unlike(padded)
    if node.op_type in _RECURRENT:
        raise Unlike("starts from zero at every window's first sample")
    rule = RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if rule is None or any(subgraphs(node)):
        raise Unlike("sees the whole window at once")
    return rule


def _outputs(
    plan: Plan, graph: ShapedGraph, node: onnx.NodeProto, along: Along, taken: Track
) -> dict[str, Track]:
    if len(along.axes) != len(node.output):
        raise Unlike("has more than one output")
    step = taken.step * along.reach.stride
    if plan.hop % step:
        raise Unlike(
            f"gives a value every {step} samples, which does not go into a hop of {plan.hop}"
        )
    tracks = {}
    for name, axis in zip(node.output, along.axes, strict=True):
        shape = graph.shape(name)
        if shape is None:
            raise Unlike("has an output whose shape is open")
        # an output follows from all inputs: the cleanest frames that all of them have
        clean = Span(0, shape[axis])
        for read in node.input:
            if read in plan.tracks:
                counts = along.counts or along.reach
                given = counts.gives(plan.tracks[read].clean, shape[axis])
                clean = Span(max(clean.first, given.first), min(clean.end, given.end))
        if clean.frames < 1:
            raise Unlike("is padded at the window's edges")
        tracks[name] = Track(axis, shape[axis], step, clean)
    return tracks


def _ask(plan: Plan, graph: ShapedGraph) -> dict[int, str]:
    """
    Find out which frames are taken from each tensor, from the outputs back.

    Returns the nodes of which frames are taken that follow from the window's edges: they must be run as a whole.
    """
    unclean = {}
    for name in graph.outputs:
        _want(plan, name)
    for position in reversed(range(len(graph.nodes))):
        node = graph.nodes[position]
        along = plan.along.get(position)
        spans = [plan.demands[name] for name in node.output if name in plan.demands]
        if along is not None and not spans:
            continue
        if along is not None:
            hull = functools.reduce(Span.hull, spans)
            if all(plan.tracks[name].clean.holds(hull) for name in node.output):
                plan.demands |= dict.fromkeys(node.output, hull)
                needed = along.reach.needs(plan.fresh(node.output[0]))
                for name in node.input:
                    _want(plan, name, needed)
                continue
            unclean[position] = "is padded at the window's edges"
        for name in reads(node):
            _want(plan, name)
    # the step's own samples are always there
    track = plan.tracks[graph.input]
    step = Span(track.frames - plan.hop, track.frames)
    plan.demands[graph.input] = step.hull(plan.demands.get(graph.input))
    return unclean


def _want(plan: Plan, name: str, span: Span | None = None) -> None:
    track = plan.tracks.get(name)
    if track is not None:
        plan.demands[name] = (span or track.whole).hull(plan.demands.get(name))
