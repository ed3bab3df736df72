"""The operators of a model: every one that is not a standard ONNX operator is named, all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import onnx

from edgekit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

STANDARD: Final = ("", "ai.onnx")
"""Both names of the domain of the standard operators."""

LEARN: Final = "ai.onnx.ml"
"""The domain of operators that scikit-learn's models are exported to."""


def walk(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield the nodes and those in their subgraphs."""
    stack = list(nodes)[::-1]
    while stack:
        node = stack.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                stack += list(graph.node)[::-1]


def graphs(graph: onnx.GraphProto) -> list[onnx.GraphProto]:
    """Return the graph and all subgraphs of its nodes."""
    found = [graph]
    for node in walk(graph.node):
        for attribute in node.attribute:
            found += [attribute.g] if attribute.HasField("g") else []
            found += attribute.graphs
    return found


def opset(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators; 0 if the model uses none."""
    return next((item.version for item in model.opset_import if item.domain in STANDARD), 0)


def check(model: onnx.ModelProto, path: Path, oldest_opset: int) -> None:
    """Raise ModelError if the model uses an opset that is too old or too new, or operators that ONNX does not have."""
    opsets = {
        "" if item.domain == "ai.onnx" else item.domain: item.version for item in model.opset_import
    }
    _check_opsets(opsets, path, oldest_opset)
    functions = {(function.domain, function.name) for function in model.functions}
    unknown = set()
    for node in walk(
        [*model.graph.node, *(node for function in model.functions for node in function.node)]
    ):
        if (node.domain, node.op_type) in functions:
            continue
        domain = "" if node.domain == "ai.onnx" else node.domain
        if domain not in (*STANDARD, LEARN) or not onnx.defs.has(
            node.op_type, opsets.get(domain, 1), domain
        ):
            unknown.add(f"{node.domain}.{node.op_type}" if node.domain else node.op_type)
    if unknown:
        # from a damaged or hostile file: what is no letter would reach the terminal
        shown = sorted(name if name.isprintable() else ascii(name) for name in unknown)
        names = ", ".join(f"`{name}`" for name in shown)
        raise ModelError(
            f"`{path}` uses operators that standard ONNX does not have: {names}",
            hint="export from the training framework again, to plain ONNX: no custom operators, no file that "
            "ONNX Runtime has optimised (`com.microsoft` comes from there)",
        )


def _check_opsets(opsets: dict[str, int], path: Path, oldest_opset: int) -> None:
    opset = opsets.get("")
    newest = onnx.defs.onnx_opset_version()
    if opset is not None and not oldest_opset <= opset <= newest:
        raise ModelError(
            f"`{path}` has opset {opset}: EdgeKit reads {oldest_opset} to {newest}",
            hint="export it with `opset_version=17`",
        )
    if not opsets:
        raise ModelError(f"`{path}` does not say which opset it has", hint="export it again")
