"""From a .tflite file's bytes to plain ONNX, without TensorFlow."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgekit.errors import ModelError
from edgekit.model.tflite import flatbuffer, operators
from edgekit.model.tflite.writer import OPSET, Writer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekit.model.tflite.graph import Graph, Operator, Tensor

_IR_VERSION: Final = 8
_PLAIN: Final = ("float32", "int32", "int64", "bool")
"""Types of inputs and outputs that are not quantised."""
_ODD: Final = (IndexError, TypeError, ValueError, KeyError, OverflowError, ZeroDivisionError)
"""What an operator raises over tensors that do not go with it: the file passed the decoder, its graph makes no sense."""


@dataclass(frozen=True, kw_only=True)
class TfliteTensor:
    """An input or output as the .tflite has it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    """With the zero point: what its codes mean; None if it is not quantised."""
    zero_point: int | None


@dataclass(frozen=True, kw_only=True)
class TfliteModel:
    """Plain ONNX that computes what LiteRT does, with the .tflite's own inputs and outputs."""

    onnx: bytes = field(repr=False)
    notes: tuple[str, ...]
    """One line for the report each."""
    inputs: tuple[TfliteTensor, ...]
    outputs: tuple[TfliteTensor, ...]


def to_onnx(data: bytes) -> TfliteModel:
    """
    Write a TensorFlow Lite model as ONNX.

    Raises ModelError if it is damaged, or uses what cannot be written so that it computes the same; the message is what
    follows the file's name in a sentence.
    """
    graph = flatbuffer.read(data)
    operators.check(graph)
    graph = _with_constants_dequantised(graph)
    _check_ends(graph)
    writer = Writer()
    writer.reserve(tensor.name for tensor in (*graph.inputs, *graph.outputs))
    for tensor in graph.inputs:
        _write_input(writer, tensor)
    for operator in graph.operators:
        writer.begin(operator)
        try:
            operators.OPERATORS[operator.name](writer, operator)
        except _ODD as error:
            raise ModelError(
                f"has a {operator.name} (operator {operator.number}) whose tensors do not go with it: {error}",
                hint="convert it again",
            ) from error
    for tensor in graph.outputs:
        _write_output(writer, tensor, graph.operators)
    return TfliteModel(
        onnx=_model(writer, graph).SerializeToString(deterministic=True),
        notes=_notes(graph),
        inputs=tuple(_end(tensor) for tensor in graph.inputs),
        outputs=tuple(_end(tensor) for tensor in graph.outputs),
    )


def _end(tensor: Tensor) -> TfliteTensor:
    return TfliteTensor(
        name=tensor.name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        scale=tensor.scale if tensor.is_quantised else None,
        zero_point=tensor.zero_point if tensor.is_quantised else None,
    )


def _with_constants_dequantised(graph: Graph) -> Graph:
    """Replace what DEQUANTIZE makes of constants (weights kept in float16 or int8) by its numbers."""
    writer = Writer()
    folded: dict[int, Tensor] = {}
    kept: list[Operator] = []
    for operator in graph.operators:
        inputs = tuple(
            None if tensor is None else folded.get(tensor.index, tensor)
            for tensor in operator.inputs
        )
        x = inputs[0] if inputs else None
        if (
            operator.name == "DEQUANTIZE"
            and x is not None
            and x.data is not None
            and operator.outputs
        ):
            output = operator.outputs[0]
            values = writer.float_constant(x).reshape(output.shape)
            folded[output.index] = dataclasses.replace(
                output, dtype="float32", quantisation=None, data=values
            )
        else:
            kept.append(dataclasses.replace(operator, inputs=inputs))
    return dataclasses.replace(graph, operators=tuple(kept))


def _check_ends(graph: Graph) -> None:
    for tensor in (*graph.inputs, *graph.outputs):
        if not tensor.is_quantised and tensor.dtype not in _PLAIN:
            raise ModelError(
                f"has an input or output `{tensor.name}` of {tensor.dtype}",
                hint="convert the model with inputs and outputs of float32 or int8",
            )
    if not graph.inputs or not graph.outputs:
        raise ModelError(
            "has no input or no output", hint="convert it again, with its input left open"
        )
    if any(tensor.data is not None for tensor in graph.inputs):
        raise ModelError("has an input that is a constant", hint="convert it again")


def _write_input(writer: Writer, tensor: Tensor) -> None:
    name = tensor.name
    if tensor.is_quantised:
        name = writer.add("Cast", name, to=TensorProto.FLOAT)
        if tensor.zero_point:
            name = writer.add("Sub", name, writer.constant(tensor.zero_point, np.float32))
    writer.put(tensor, name)


def _write_output(writer: Writer, tensor: Tensor, made_by: Sequence[Operator]) -> None:
    """Let a tensor end under its own name, in its own type; codes by a step that says that they are codes."""
    name = writer.get(tensor)
    if tensor.is_quantised and tensor.dtype != "int16":
        zero = writer.constant(tensor.zero_point, tensor.dtype)
        last = helper.make_node(
            "QuantizeLinear", [name, writer.constant(1, np.float32), zero], [tensor.name]
        )
    elif tensor.is_quantised:
        shifted = writer.add("Add", name, writer.constant(tensor.zero_point, np.float32))
        last = helper.make_node("Cast", [shifted], [tensor.name], to=TensorProto.INT16)
    else:
        codes = next(
            (
                item.input(0)
                for item in made_by
                if item.name == "DEQUANTIZE" and item.outputs[0].index == tensor.index
            ),
            None,
        )
        if codes is not None and codes.is_quantised and codes.dtype != "int16":
            zero = writer.constant(codes.zero_point, codes.dtype)
            code = writer.add(
                "QuantizeLinear", writer.get(codes), writer.constant(1, np.float32), zero
            )
            scale = writer.constant(codes.scale, np.float32)
            last = helper.make_node("DequantizeLinear", [code, scale, zero], [tensor.name])
        else:
            last = helper.make_node("Identity", [name], [tensor.name])
    last.name = tensor.name
    writer.nodes.append(last)


def _model(writer: Writer, graph: Graph) -> onnx.ModelProto:
    nodes = _needed(writer.nodes, {tensor.name for tensor in graph.outputs})
    used = {name for node in nodes for name in node.input}
    return helper.make_model(
        helper.make_graph(
            nodes,
            "tflite",
            [_value(tensor) for tensor in graph.inputs],
            [_value(tensor) for tensor in graph.outputs],
            [tensor for tensor in writer.constants.values() if tensor.name in used],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )


def _needed(nodes: Sequence[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    """Return the nodes on which the outputs depend: the arithmetic of shapes is dead once they are fixed."""
    wanted, kept = set(outputs), list[onnx.NodeProto]()
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _value(tensor: Tensor) -> onnx.ValueInfoProto:
    element = helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    return helper.make_tensor_value_info(tensor.name, element, list(tensor.shape))


def _notes(graph: Graph) -> tuple[str, ...]:
    counts = _counts(graph)
    lines = [
        f"TensorFlow Lite read as ONNX: {sum(counts.values())} operators, channels first where they are pictures"
    ]
    if any(tensor.is_quantised and tensor.data is None for tensor in graph.tensors):
        lines.append(
            "quantised operators written as whole numbers, requantised in float64 by the steps of LiteRT's fixed point"
        )
    hybrids = [item for item in graph.operators if _is_hybrid(item)]
    if hybrids:
        lines.append(
            f"{len(hybrids)} operators of floats with int8 weights: their inputs are quantised as they come, as LiteRT does"
        )
    return tuple(lines)


def _counts(graph: Graph) -> Mapping[str, int]:
    names = [operator.name for operator in graph.operators]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def _is_hybrid(operator: Operator) -> bool:
    if operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return False
    return operator.input(1).is_quantised and not operator.input(0).is_quantised
