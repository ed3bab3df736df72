"""
Every node as its operator wants it: as many inputs and outputs, and attributes of the right kind.

Engines and EdgeKit's own code look at `node.input[0]` or an attribute's number without asking whether it is there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from onnx import IR_VERSION, AttributeProto, defs

from edgekit.errors import ModelError
from edgekit.model.gate import contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import onnx

_STANDARD: Final = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training", "ai.onnx.training")

_OLDEST_FORMAT: Final = 3
"""Before it files did not say which versions of operators they use."""

_NEWEST: Final = 65_535
"""Far above every version there is; which are read is said where operators are looked up."""

_AGAIN: Final = "export the model again, with a current exporter: what it wrote is no valid ONNX"

_FIELDS: Final = {
    AttributeProto.FLOAT: "f",
    AttributeProto.INT: "i",
    AttributeProto.STRING: "s",
    AttributeProto.TENSOR: "t",
    AttributeProto.GRAPH: "g",
    AttributeProto.FLOATS: "floats",
    AttributeProto.INTS: "ints",
    AttributeProto.STRINGS: "strings",
    AttributeProto.TENSORS: "tensors",
    AttributeProto.GRAPHS: "graphs",
    AttributeProto.TYPE_PROTO: "tp",
    AttributeProto.TYPE_PROTOS: "type_protos",
    AttributeProto.SPARSE_TENSOR: "sparse_tensor",
    AttributeProto.SPARSE_TENSORS: "sparse_tensors",
}
_KINDS: Final = {
    getattr(defs.OpSchema.AttrType, name): number
    for name, number in AttributeProto.AttributeType.items()
    if number in _FIELDS
}
"""The kinds of attributes as schemas name them, and as files do."""

_SINGLE: Final = ("f", "i", "s", "t", "g", "tp", "sparse_tensor")


def check(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError for the first node that its operator could not take; all operators must be known."""
    local = {(function.domain, function.name): function for function in model.functions}
    for graph in contents.graphs(model):
        _check_nodes(graph.node, versions_of(model.opset_import), local, path)
    for function in model.functions:
        versions = {**versions_of(model.opset_import), **versions_of(function.opset_import)}
        _check_nodes(function.node, versions, local, path)


def check_versions(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError for versions of operators that cannot be, before anything looks an operator up by them."""
    if not _OLDEST_FORMAT <= model.ir_version <= IR_VERSION:
        raise ModelError(
            f"`{path}` is in version {model.ir_version} of the ONNX format: EdgeKit reads {_OLDEST_FORMAT} to {IR_VERSION}",
            hint="export it with an older `onnx` package, or set `model.ir_version = 10` before `onnx.save`",
        )
    for imports in (model.opset_import, *(function.opset_import for function in model.functions)):
        domains = ["" if item.domain == "ai.onnx" else item.domain for item in imports]
        for domain, item in zip(domains, imports, strict=True):
            versions = {
                other.version
                for name, other in zip(domains, imports, strict=True)
                if name == domain
            }
            if len(versions) > 1:  # skl2onnx writes one and the same twice
                raise ModelError(
                    f"`{path}` says in two ways which version of `{domain or 'ai.onnx'}` it uses",
                    hint=_AGAIN,
                )
            if not 1 <= item.version <= _NEWEST:
                raise ModelError(
                    f"`{path}` has opset {item.version} of `{domain or 'ai.onnx'}`, which there is not",
                    hint="export it with `opset_version=17`",
                )


def is_standard(domain: str) -> bool:
    """Tell whether a domain is one of ONNX's own."""
    return domain in _STANDARD


def schema_of(node: onnx.NodeProto, versions: Mapping[str, int]) -> defs.OpSchema | None:
    """Return the schema of a node's operator; None if ONNX has none, as for functions of the model's own."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    return _schema(node.op_type, versions.get(domain, 1), domain)


def versions_of(imports: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    """Return the version of each domain; `ai.onnx` is the empty name."""
    return {"" if item.domain == "ai.onnx" else item.domain: item.version for item in imports}


def _check_nodes(
    nodes: Iterable[onnx.NodeProto],
    versions: Mapping[str, int],
    local: Mapping[tuple[str, str], onnx.FunctionProto],
    path: Path,
) -> None:
    for node in nodes:
        function = local.get((node.domain, node.op_type))
        domain = "" if node.domain == "ai.onnx" else node.domain
        wrong = _wrong_contents(node)
        if not wrong and function is not None:
            wrong = _wrong_call(node, function)
        elif not wrong:
            wrong = _wrong(node, domain, versions)
        if wrong:
            raise ModelError(f"`{path}`: {contents.called(node)} {wrong}", hint=_AGAIN)


def _wrong(node: onnx.NodeProto, domain: str, versions: Mapping[str, int]) -> str:
    """Return what is wrong with a node by the schema of its operator."""
    schema = schema_of(node, versions)
    if schema is None:
        return f"is not in opset {versions.get(domain, 1)}"
    if schema.deprecated and not domain:  # trees are still run in their old form
        return f"was taken out of ONNX in opset {schema.since_version}"
    return _wrong_ends(node, schema) or _wrong_attributes(node, schema)


def _wrong_ends(node: onnx.NodeProto, schema: defs.OpSchema) -> str:
    counts = (
        ("input", node.input, schema.min_input, schema.max_input),
        ("output", node.output, schema.min_output, schema.max_output),
    )
    for what, names, least, most in counts:
        if not least <= len(names) <= most:
            return f"has {len(names)} {what}s: {_from_to(least, most)}"
    for number, formal in enumerate(schema.inputs[: schema.min_input]):
        if formal.option == defs.OpSchema.FormalParameterOption.Single and not node.input[number]:
            return f"lacks its input {formal.name}"
    return ""


def _wrong_attributes(node: onnx.NodeProto, schema: defs.OpSchema) -> str:
    for attribute in node.attribute:
        known = schema.attributes.get(attribute.name)
        if known is None:
            return f"has the attribute `{attribute.name}`, which this operator does not have"
        if _KINDS[known.type] != attribute.type:
            return f"has the attribute `{attribute.name}` of another type than ONNX says"
    return ""


def _wrong_call(node: onnx.NodeProto, function: onnx.FunctionProto) -> str:
    """Return what is wrong with the call of a function that the model brings along."""
    for what, names, formal in (
        ("input", node.input, function.input),
        ("output", node.output, function.output),
    ):
        if len(names) > len(formal):
            return f"has {len(names)} {what}s: {_from_to(0, len(formal))}"
    return ""


def _wrong_contents(node: onnx.NodeProto) -> str:
    """Return what is wrong with the attributes themselves."""
    names = [attribute.name for attribute in node.attribute]
    if len(set(names)) != len(names):
        return "has an attribute twice"
    for attribute in node.attribute:
        field = _FIELDS.get(attribute.type)
        if field is None:
            return f"has the attribute `{attribute.name}` of no type"
        if attribute.ref_attr_name:
            continue  # its value is given where the function is called
        if field in _SINGLE and not attribute.HasField(field):
            return f"has the attribute `{attribute.name}` without a value"
        others = [
            name for name in _FIELDS.values() if name != field and _is_filled(attribute, name)
        ]
        if others:
            return f"has the attribute `{attribute.name}` with two values"
    return ""


def _is_filled(attribute: AttributeProto, field: str) -> bool:
    if field in _SINGLE:
        return bool(attribute.HasField(field))
    return len(getattr(attribute, field)) > 0


def _from_to(least: int, most: int) -> str:
    return f"it takes {least}" if least == most else f"it takes {least} to {most}"


@cache
def _schema(op_type: str, version: int, domain: str) -> defs.OpSchema | None:
    try:
        return defs.get_schema(op_type, version, domain)
    except defs.SchemaError:
        return None
