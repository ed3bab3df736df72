"""What a model holds: its graphs, wherever they are, their nodes and tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from edgekit.errors import ModelError
from edgekit.model.gate import caps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import onnx


_LONGEST_SHOWN: Final = 80


class NamedTensor(NamedTuple):
    """A tensor and how a message calls it."""

    name: str
    tensor: onnx.TensorProto


def check_size(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError if the model has too many nodes, graphs that nest too deep, or too many inputs, or those too many axes."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = sum(value.name not in constants for value in model.graph.input)
    for what, count in (("inputs", inputs), ("outputs", len(model.graph.output))):
        if count > caps.MOST_ENDS:
            raise ModelError(
                f"`{path}` has {count:,} {what}: the limit is {caps.MOST_ENDS}",
                hint="export the model with what belongs together joined in one tensor",
            )
    for value in (*model.graph.input, *model.graph.output):
        axes = len(value.type.tensor_type.shape.dim)
        if axes > caps.MOST_AXES:
            raise ModelError(
                f"`{path}`: `{value.name}` has {axes} axes: the limit is {caps.MOST_AXES}",
                hint="export the model with inputs and outputs of fewer axes",
            )
    count = 0
    stack: list[tuple[int, onnx.NodeProto]] = [(1, node) for node in model.graph.node]
    stack += [(1, node) for function in model.functions for node in function.node]
    while stack:
        depth, node = stack.pop()
        count += 1
        for graph in graphs_of(node):
            if depth == caps.MOST_NESTED:
                raise ModelError(
                    f"`{path}` has graphs inside one another more than {caps.MOST_NESTED} deep",
                    hint="export the model without branches and loops inside one another",
                )
            stack += [(depth + 1, inner) for inner in graph.node]
        if count > caps.MOST_NODES:
            raise too_many_nodes(path)


def too_many_nodes(path: Path) -> ModelError:
    """Return the error for more nodes than the cap."""
    return ModelError(
        f"`{path}` has more than {caps.MOST_NODES:,} operators",
        hint="export a recurrent model with LSTM, GRU or Loop, not unrolled over its time steps",
    )


def graphs_of(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs inside a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def with_inner(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield nodes and those in their inner graphs."""
    stack = list(nodes)
    while stack:
        node = stack.pop()
        yield node
        for graph in graphs_of(node):
            stack += graph.node


def graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """Yield every graph of the model, the main one first; those in functions too."""
    yield model.graph
    for node in nodes(model):
        yield from graphs_of(node)


def nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield every node of the model."""
    yield from with_inner(model.graph.node)
    for function in model.functions:
        yield from with_inner(function.node)


def tensors(model: onnx.ModelProto) -> Iterator[NamedTensor]:
    """Yield every constant tensor of the model that is dense."""
    for graph in graphs(model):
        for tensor in graph.initializer:
            yield NamedTensor(f"tensor `{tensor.name}`", tensor)
    for node in nodes(model):
        for attribute in node.attribute:
            name = f"the tensor in `{attribute.name}` of {called(node)}"
            if attribute.HasField("t"):
                yield NamedTensor(name, attribute.t)
            for tensor in attribute.tensors:
                yield NamedTensor(name, tensor)


def called(node: onnx.NodeProto) -> str:
    """Return how a message calls a node: its operator, and its name or what it makes."""
    name = node.name or next(filter(None, node.output), "")
    if len(name) > _LONGEST_SHOWN:  # converters join the names of all layers that they fused
        name = f"{name[:_LONGEST_SHOWN]}…"
    return f"operator `{node.op_type}`" + (f" (`{name}`)" if name else "")
