"""
Functions that a model brings along: they are written out before conversion, so what that makes is counted first.

A function that calls another one twice, which does the same, and so on thirty times, is a small file and a billion nodes.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from edgekit.errors import ModelError
from edgekit.model.gate import caps, contents
from edgekit.model.gate.nodes import is_standard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import onnx

    Name = tuple[str, str]

_AGAIN: Final = "export the model again: exporters write no such functions"


def check(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError for functions that stand for others, call themselves or grow too large."""
    functions: dict[Name, onnx.FunctionProto] = {}
    for function in model.functions:
        name = (function.domain, function.name)
        if is_standard(function.domain):
            raise ModelError(
                f"`{path}` brings its own function `{function.name}` under the name of ONNX's operators",
                hint=_AGAIN,
            )
        if name in functions:
            raise ModelError(f"`{path}` has two functions `{function.name}`", hint=_AGAIN)
        functions[name] = function
    if functions:
        calls = {name: _calls(function.node, functions) for name, function in functions.items()}
        sizes = _written_out(functions, calls, path)
        main = _calls(model.graph.node, functions)
        total = _count(model.graph.node) + sum(sizes[name] * n for name, n in main.items())
        if total > caps.MOST_NODES:
            raise contents.too_many_nodes(path)


def _calls(
    nodes: Iterable[onnx.NodeProto], functions: Mapping[Name, onnx.FunctionProto]
) -> Counter[Name]:
    """Return which functions are called, and how often, also from inner graphs."""
    names = ((node.domain, node.op_type) for node in contents.with_inner(nodes))
    return Counter(name for name in names if name in functions)


def _count(nodes: Iterable[onnx.NodeProto]) -> int:
    return sum(1 for _ in contents.with_inner(nodes))


def _written_out(
    functions: Mapping[Name, onnx.FunctionProto],
    calls: Mapping[Name, Counter[Name]],
    path: Path,
) -> dict[Name, int]:
    """Return how many nodes each function is when all that it calls is written out."""
    sizes: dict[Name, int] = {}
    for first in functions:
        stack = [first]  # each is called by the one before
        while stack:
            name = stack[-1]
            inner = next((other for other in calls[name] if other not in sizes), None)
            if inner is None:
                sizes[name] = _count(functions[name].node) + sum(
                    sizes[other] * n for other, n in calls[name].items()
                )
                stack.pop()
            elif inner in stack:
                raise ModelError(f"`{path}`: its function `{inner[1]}` calls itself", hint=_AGAIN)
            elif len(stack) == caps.MOST_CALLS:
                raise ModelError(
                    f"`{path}` has functions that call one another more than {caps.MOST_CALLS} deep",
                    hint="export the model without functions: its operators alone",
                )
            else:
                stack.append(inner)
    return sizes
