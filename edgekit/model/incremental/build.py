"""Writing the incremental form down: new frames alone, kept frames in front of them, the rest as it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import numpy_helper

from edgekit.model.incremental.along import Span
from edgekit.model.incremental.shaped_graph import reads, subgraphs

if TYPE_CHECKING:
    from edgekit.model.incremental.along import Along, Track
    from edgekit.model.incremental.plan import Plan
    from edgekit.model.incremental.shaped_graph import ShapedGraph

    Array = np.ndarray[Any, Any]

PREFIX: Final = "edgekit_hop_"
"""Of the names of all tensors that are new."""

_SLICE_BY_INPUTS: Final = 10
"""The opset since which Slice takes its bounds as inputs."""


@dataclass(frozen=True)
class Built:
    """The incremental form, and which of its inputs and outputs are its state."""

    model: onnx.ModelProto = field(repr=False)
    state: tuple[tuple[str, str], ...]
    """An input, and the output that is its value in the next step."""


def build(model: onnx.ModelProto, graph: ShapedGraph, plan: Plan) -> Built:
    """Return the model in steps of one hop; `model` stays as it is."""
    writer = _Writer(graph, plan)
    writer.take_samples()
    for position, node in enumerate(graph.nodes):
        along = plan.along.get(position)
        if along is None:
            writer.copy(node)
        elif node.output[0] in plan.demands:
            writer.cut(node, along)
    return writer.close(model)


@dataclass(frozen=True)
class _Cut:
    """What a rule asks of a node that is made over."""

    frames_in: int
    frames_out: int
    writer: _Writer

    def constant(self, values: Array) -> str:
        return self.writer.constant(values)


class _Writer:
    def __init__(self, graph: ShapedGraph, plan: Plan) -> None:
        self._graph = graph
        self._plan = plan
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._states: list[tuple[onnx.ValueInfoProto, str]] = []
        self._kept: dict[str, tuple[str, Span]] = {}
        """Of each tensor that runs along time: what it is called, and its frames."""
        self._parts: dict[tuple[str, Span], str] = {}
        self._count = 0
        self._samples = self._name("samples")

    def take_samples(self) -> None:
        """Begin with the samples of one hop."""
        name = self._graph.input
        self._keep(name, name, self._plan.fresh(name))

    def copy(self, node: onnx.NodeProto) -> None:
        """Take a node over as it is: what it sees of the window is put together for it."""
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        self._rename_samples(copied)
        self._nodes.append(copied)

    def cut(self, node: onnx.NodeProto, along: Along) -> None:
        """Make a node over for the frames that are new."""
        fresh = self._plan.fresh(node.output[0])
        needed = along.reach.needs(fresh)
        made = onnx.NodeProto()
        made.CopyFrom(node)
        for at, name in enumerate(node.input):
            if name in self._kept:
                made.input[at] = self._part(name, needed)
        along.rewrite(made, _Cut(needed.frames, fresh.frames, self))
        outputs = list(node.output)
        for at, name in enumerate(outputs):
            if self._plan.demands[name] != fresh or fresh != self._plan.tracks[name].whole:
                made.output[at] = self._name("new")
        made.name = f"{PREFIX}{node.name or self._count}"
        self._nodes.append(made)
        for at, name in enumerate(outputs):
            self._keep(name, made.output[at], fresh)

    def close(self, model: onnx.ModelProto) -> Built:
        """Return the model: its new ends, its nodes, and the constants that they use."""
        result = onnx.ModelProto()
        result.CopyFrom(model)
        graph = result.graph
        used = {name for node in self._nodes for name in reads(node)}
        constants = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend([*constants, *self._constants])
        graph.input[0].type.tensor_type.shape.dim[0].dim_value = self._plan.hop
        state = []
        for value, after in self._states:
            graph.input.append(value)
            given = onnx.ValueInfoProto()
            given.CopyFrom(value)
            given.name = after
            graph.output.append(given)
            state.append((value.name, after))
        return Built(result, tuple(state))

    def constant(self, values: Array) -> str:
        name = self._name("constant")
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def _keep(self, name: str, new: str, fresh: Span) -> None:
        """Put the frames that were kept in front of the new ones, and keep what the next hop needs of them."""
        track, demand = self._plan.tracks[name], self._plan.demands[name]
        if demand == fresh:
            self._kept[name] = (new, fresh)
            return
        together = name if demand == track.whole else self._name("frames")
        if name == self._graph.input:
            together = self._samples
        history = fresh.first - demand.first
        before, after = self._name("state"), self._name("next")
        shape = list(self._graph.shape(name) or ())
        shape[track.axis] = history
        value = onnx.helper.make_tensor_value_info(before, self._graph.element_type(name), shape)
        self._states.append((value, after))
        self._add("Concat", [before, new], together, axis=track.axis)
        self._slice(together, after, track, Span(demand.frames - history, demand.frames))
        self._kept[name] = (together, demand)

    def _part(self, name: str, span: Span) -> str:
        """Return some of the frames of a tensor."""
        kept, there = self._kept[name]
        if span == there:
            return kept
        if (name, span) not in self._parts:
            part = self._name("part")
            moved = Span(span.first - there.first, span.end - there.first)
            self._slice(kept, part, self._plan.tracks[name], moved)
            self._parts[name, span] = part
        return self._parts[name, span]

    def _slice(self, name: str, result: str, track: Track, span: Span) -> None:
        if self._graph.opset < _SLICE_BY_INPUTS:
            bounds = {"starts": [span.first], "ends": [span.end], "axes": [track.axis]}
            self._add("Slice", [name], result, **bounds)
            return
        values = [np.array([number], np.int64) for number in (*span, track.axis)]
        self._add("Slice", [name, *map(self.constant, values)], result)

    def _add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
        node = onnx.helper.make_node(operator, inputs, [output], name=output, **attributes)
        self._nodes.append(node)

    def _rename_samples(self, node: onnx.NodeProto) -> None:
        """Let a node, and the graphs inside it, take the window's samples where they took the input."""
        old = self._graph.input
        graphs = list(subgraphs(node))
        for item in (node, *(inner for graph in graphs for inner in graph.node)):
            for at, name in enumerate(item.input):
                if name == old:
                    item.input[at] = self._samples
        for graph in graphs:
            for value in graph.output:
                if value.name == old:
                    value.name = self._samples

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{PREFIX}{what}_{self._count}"
