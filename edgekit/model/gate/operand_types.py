"""
The types of what an operator is given: those that ONNX allows, and one type where it wants one.

ONNX Runtime refuses such a model as well, in words about its own insides; another engine may take the bits of one type
for those of another. Types are followed as far as the operators themselves say them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.model.gate import contents
from edgekit.model.gate.nodes import schema_of, versions_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import onnx
    from onnx.defs import OpSchema

_NAMES: Final[Mapping[int, str]] = {
    TensorProto.FLOAT: "float",
    TensorProto.DOUBLE: "double",
    TensorProto.FLOAT16: "float16",
    TensorProto.INT8: "int8",
    TensorProto.INT16: "int16",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
    TensorProto.UINT8: "uint8",
    TensorProto.UINT16: "uint16",
    TensorProto.UINT32: "uint32",
    TensorProto.UINT64: "uint64",
    TensorProto.BOOL: "bool",
    TensorProto.STRING: "string",
}
"""As the schemas of operators write them: `tensor(float)`."""

_CODES: Final = ("int8", "uint8", "int16", "uint16")


def check(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError for the first node of the main graph whose inputs have types that it cannot take."""
    versions = versions_of(model.opset_import)
    types = {tensor.name: _NAMES[tensor.data_type] for tensor in model.graph.initializer}
    for value in model.graph.input:
        kind = value.type.tensor_type
        if value.type.HasField("tensor_type") and kind.elem_type in _NAMES:
            types[value.name] = _NAMES[kind.elem_type]
    for node in model.graph.node:
        schema = schema_of(node, versions)
        if schema is not None:
            bound = _bind(node, schema, types, path)
            _note_outputs(node, schema, bound, types)


def _bind(
    node: onnx.NodeProto, schema: OpSchema, types: Mapping[str, str], path: Path
) -> dict[str, str]:
    """Return the type that each type parameter of the operator has here."""
    bound: dict[str, tuple[str, str]] = {}
    for number, name in enumerate(node.input):
        formal = schema.inputs[min(number, len(schema.inputs) - 1)]
        given = types.get(name)
        if given is None:
            continue
        if f"tensor({given})" not in formal.types:
            raise _not_taken(path, node, name, given, takes_floats="tensor(float)" in formal.types)
        first, other = bound.setdefault(formal.type_str, (given, name))
        if formal.is_homogeneous and first != given:
            raise ModelError(
                f"`{path}`: {contents.called(node)} takes {first} numbers, `{other}`, and {given} numbers, `{name}`, "
                "which must be of one type",
                hint="export it again with a current exporter, or put a Cast in front of one of them",
            )
    return {parameter: given for parameter, (given, _) in bound.items()}


def _note_outputs(
    node: onnx.NodeProto, schema: OpSchema, bound: Mapping[str, str], types: dict[str, str]
) -> None:
    for number, name in enumerate(node.output):
        formal = schema.outputs[min(number, len(schema.outputs) - 1)]
        literal = formal.type_str.removeprefix("tensor(").removesuffix(")")
        given = bound.get(formal.type_str) if formal.is_homogeneous else None
        if literal in _NAMES.values():
            given = literal
        if node.op_type == "Cast":
            given = next((_NAMES.get(item.i) for item in node.attribute if item.name == "to"), None)
        if given is not None:
            types[name] = given


def _not_taken(
    path: Path, node: onnx.NodeProto, name: str, given: str, *, takes_floats: bool
) -> ModelError:
    if given in _CODES and takes_floats:
        return ModelError(
            f"`{path}` wires the {given} numbers `{name}` into {contents.called(node)}, which computes with floats: "
            "its converter left out what makes floats of quantised weights",
            hint="convert it again with a current tool, or give the original .tflite",
        )
    return ModelError(
        f"`{path}` wires {given} numbers, `{name}`, into {contents.called(node)}, which has no form for them",
        hint="export it again with a current exporter",
    )
