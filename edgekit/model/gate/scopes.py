"""
The names of a model: each value is made once, before it is used, and none is missing.

Without that a graph can be a circle, which engines follow until they run out of stack, and two engines can mean
different values by one name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edgekit.errors import ModelError
from edgekit.model.gate import caps, contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import onnx

_AGAIN: Final = "the file is damaged, or its exporter is: export it again"


def check(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError for names used twice, never made, made too late or in a circle, and for chains too long."""
    _Scope(path, {}).check(model.graph)
    for function in model.functions:
        scope = _Scope(path, {})
        scope.define((name, 0) for name in function.input)
        scope.run(function.node)
        scope.check_ends(function.output)


class _Scope:
    """
    The values of one graph, and of those around it.

    A value is known by how many nodes stand one behind the other up to it.
    """

    def __init__(self, path: Path, outer: dict[str, int]) -> None:
        self._path = path
        self._outer = outer
        self._own: dict[str, int] = {}

    def check(self, graph: onnx.GraphProto) -> None:
        """Go through a graph from its inputs to its outputs."""
        inputs = [value.name for value in graph.input]
        constants = [tensor.name for tensor in graph.initializer]
        for names, what in ((inputs, "inputs"), (constants, "constants")):
            twice = _twice(names)
            if twice is not None:
                raise self._error(f"has two {what} with the name `{twice}`")
        # a constant of the same name is an input's default
        self.define((name, 0) for name in dict.fromkeys([*inputs, *constants]))
        self.run(graph.node)
        self.check_ends([value.name for value in graph.output])

    def define(self, values: Iterable[tuple[str, int]]) -> None:
        """Take over values that are given."""
        for name, depth in values:
            if not name:
                raise self._error("has an input or a constant without a name")
            self._own[name] = depth

    def run(self, nodes: Sequence[onnx.NodeProto]) -> None:
        """Go through the nodes in order."""
        for number, node in enumerate(nodes):
            depth = 0
            for name in filter(None, node.input):
                found = self._find(name)
                if found is None:
                    raise self._unknown(node, name, nodes[number:])
                depth = max(depth, found)
            around = {**self._outer, **self._own} if _has_graphs(node) else {}
            for graph in contents.graphs_of(node):
                inner = _Scope(self._path, around)
                inner.check(graph)
                depth = max(depth, inner.deepest())
            if depth >= caps.LONGEST_CHAIN:
                raise ModelError(
                    f"`{self._path}` has more than {caps.LONGEST_CHAIN:,} operators one behind the other",
                    hint="export a recurrent model with LSTM, GRU or Loop, not unrolled over its time steps",
                )
            for name in filter(None, node.output):
                if name in self._own:
                    raise self._error(
                        f"makes `{name}` twice, the second time in {contents.called(node)}"
                    )
                self._own[name] = depth + 1

    def check_ends(self, names: Sequence[str]) -> None:
        """Check that what the graph gives is there."""
        twice = _twice(names)
        if twice is not None:
            raise self._error(f"has two outputs with the name `{twice}`")
        for name in names:
            if self._find(name) is None:
                raise self._error(f"has the output `{name}`, which none of its operators makes")

    def deepest(self) -> int:
        """Return the longest chain in this graph."""
        return max(self._own.values(), default=0)

    def _find(self, name: str) -> int | None:
        own = self._own.get(name)
        return self._outer.get(name) if own is None else own

    def _unknown(
        self, node: onnx.NodeProto, name: str, rest: Sequence[onnx.NodeProto]
    ) -> ModelError:
        called = contents.called(node)
        makers = {output: other for other in rest for output in other.output if output}
        if name not in makers:
            return self._error(f"has no `{name}`, which {called} takes")
        seen, stack = set(), [makers[name]]
        while stack:
            maker = stack.pop()
            if maker is node:
                return self._error(
                    f"is a circle: {called} takes `{name}`, which is made of its own output"
                )
            if id(maker) not in seen:
                seen.add(id(maker))
                stack += [makers[used] for used in maker.input if used in makers]
        return ModelError(
            f"`{self._path}` has its operators out of order: {called} takes `{name}`, which is made behind it",
            hint="export it again; a graph that was edited has to be sorted (`onnx_graphsurgeon`: `graph.toposort()`)",
        )

    def _error(self, what: str) -> ModelError:
        return ModelError(f"`{self._path}` {what}", hint=_AGAIN)


def _has_graphs(node: onnx.NodeProto) -> bool:
    return next(contents.graphs_of(node), None) is not None


def _twice(names: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
