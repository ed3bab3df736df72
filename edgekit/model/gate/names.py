"""The names in a model: they go into messages, reports and the engine's archive, so they are short and can be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edgekit.errors import ModelError
from edgekit.model.gate import caps, contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import onnx

_SHOWN: Final = 40
"""Characters of a bad name that a message shows."""


def check(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError for a name that is too long or holds control characters; that they are UTF-8 is known."""
    for name in _names(model):
        if len(name) > caps.LONGEST_NAME or not name.isprintable():
            what = (
                f"of {len(name):,} characters" if name.isprintable() else "with control characters"
            )
            raise ModelError(
                f"`{path}` has a name {what}: {name[:_SHOWN]!a}",
                hint="the file is damaged, or its exporter is: export it again with plain names",
            )


def _names(model: onnx.ModelProto) -> Iterator[str]:
    for item in model.opset_import:
        yield item.domain
    for graph in contents.graphs(model):
        for value in (*graph.input, *graph.output):
            yield value.name
            yield from (axis.dim_param for axis in value.type.tensor_type.shape.dim)
        yield from (tensor.name for tensor in graph.initializer)
    for function in model.functions:
        yield from (function.name, function.domain)
        yield from (*function.input, *function.output)
    for node in contents.nodes(model):
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
