"""One node of a graph as its rule sees it: shapes, constants, which inputs run along time."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from edgekit.model.incremental.shaped_graph import attributes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import onnx

    from edgekit.model.incremental.along import Track
    from edgekit.model.incremental.shaped_graph import ShapedGraph

    Array = np.ndarray[Any, Any]


class Unlike(Exception):  # noqa: N818 (no fault: the way in which a rule says no)
    """A node does not treat all frames alike; the message is the end of a sentence that begins with its name."""


class Call:
    """A node with at least one input that runs along time."""

    def __init__(
        self, node: onnx.NodeProto, graph: ShapedGraph, tracks: Mapping[str, Track]
    ) -> None:
        self.node = node
        self.graph = graph
        self.opset = graph.opset
        self._tracks = tracks

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The node's attributes as Python values."""
        return attributes(self.node)

    def track(self, position: int) -> Track | None:
        """Return how an input runs along time; None if it does not."""
        if position >= len(self.node.input):
            return None
        return self._tracks.get(self.node.input[position])

    @property
    def tracked(self) -> list[int]:
        """The positions of the inputs that run along time."""
        return [at for at in range(len(self.node.input)) if self.track(at) is not None]

    def only_first(self) -> Track:
        """Return the first input's track, if it is the only one that depends on the samples; else raise Unlike."""
        track = self.track(0)
        others = [name for name in self.node.input[1:] if self.graph.moves(name)]
        if track is None or others:
            raise Unlike("combines parts of the window with each other")
        return track

    def shape(self, position: int) -> tuple[int, ...]:
        """Return the shape of an input; Unlike if it is not known."""
        shape = self.graph.shape(self.node.input[position])
        if shape is None:
            raise Unlike("has an input whose shape is open")
        return shape

    def output_shape(self, position: int = 0) -> tuple[int, ...]:
        """Return the shape of an output; Unlike if it is not known."""
        shape = self.graph.shape(self.node.output[position])
        if shape is None:
            raise Unlike("has an output whose shape is open")
        return shape

    def axis(self, name: str, default: int, rank: int) -> int:
        """Return an attribute that names an axis, counted from the front."""
        return int(self.attributes.get(name, default)) % max(rank, 1)

    def integers(self, name: str, position: int) -> tuple[int, ...] | None:
        """
        Return a list that is an attribute in old opsets and an input in new ones; None where it is left out.

        Raises Unlike if it is computed.
        """
        if name in self.attributes:
            return tuple(int(item) for item in self.attributes[name])
        if position >= len(self.node.input) or not self.node.input[position]:
            return None
        values = self.graph.constant(self.node.input[position])
        if values is None:
            raise Unlike(f"computes its `{name}`")
        return tuple(int(item) for item in values.reshape(-1))

    def axes(self, position: int, rank: int) -> tuple[int, ...] | None:
        """Return the attribute or input `axes`, counted from the front."""
        found = self.integers("axes", position)
        return None if found is None else tuple(axis % rank for axis in found)

    def size(self, position: int) -> int:
        """Return how many values an input has; 0 for one that is left out."""
        if position >= len(self.node.input) or not self.node.input[position]:
            return 0
        count = 1
        for length in self.shape(position):
            count *= length
        return count


def product(lengths: Sequence[int]) -> int:
    """Return the product of some lengths: 1 for none."""
    count = 1
    for length in lengths:
        count *= length
    return count
