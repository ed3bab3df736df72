"""
The model as it was given: an ONNX file, read and looked at, never changed.

Only the protocol buffer is parsed here. What runs more code over it (checker, shape inference, ONNX Runtime,
the converter) does so in a child process: see `edgekit.model.child`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from edgekit.errors import ModelError
from edgekit.model import external_data, file_kind, operators

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST_BYTES: Final = 512 * 1024 * 1024
"""Models for the boards that EdgeKit builds for are far smaller; protocol buffers end at 2 GiB."""

OLDEST_OPSET: Final = 7
"""ONNX Runtime promises nothing for models older than that, so there would be no reference."""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """One input or output of the model."""

    name: str
    dtype: str
    """NumPy's name of the element type (`float32`), or `string`, `sequence`, `map`, `optional`."""
    shape: tuple[int | None, ...] | None
    """None for an axis that is open; None as a whole if the model does not say."""
    symbols: tuple[str, ...] = ()
    """Name of each axis that is open by name (`batch`), else an empty string."""

    def shape_text(self) -> str:
        """Return the shape for a message, such as `[1, ?, 6]`."""
        if self.shape is None:
            return "[…]"
        return (
            "[" + ", ".join("?" if length is None else str(length) for length in self.shape) + "]"
        )

    def __str__(self) -> str:
        return f"`{self.name}` {self.dtype} {self.shape_text()}"


@dataclass(frozen=True, kw_only=True)
class SourceModel:
    """An ONNX file: its bytes with external data inside, its inputs and outputs."""

    path: Path
    data: bytes = field(repr=False)
    """The model, self-contained: external data is embedded."""
    sha256: str
    """Digest of `data`; of the file itself where it has no external data."""
    inputs: tuple[TensorSpec, ...]
    """Inputs at run time: those with a default (an initializer of the same name) are constants and not listed."""
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """
        Read an ONNX file.

        Raises ModelError saying what is wrong with the file and what to do: missing, empty, cut short, another
        format, operators that no engine here knows, external data that is missing or not where it may be.
        """
        path = Path(path)
        data = file_kind.read_onnx(path, LARGEST_BYTES)
        try:
            model = onnx.ModelProto.FromString(data)
        except DecodeError as error:
            raise _broken(path, data, "it cannot be parsed") from error
        if not model.HasField("graph") or model.ir_version == 0:
            raise _broken(path, data, "it holds no graph")
        if not _is_readable(model):
            raise _broken(path, data, "names in it are no UTF-8 text")
        if external_data.embed(model, path, LARGEST_BYTES):
            data = model.SerializeToString(deterministic=True)
        constants = {tensor.name for tensor in model.graph.initializer}
        constants |= {tensor.values.name for tensor in model.graph.sparse_initializer}
        source = cls(
            path=path,
            data=data,
            sha256=hashlib.sha256(data).hexdigest(),
            inputs=_specs(value for value in model.graph.input if value.name not in constants),
            outputs=_specs(model.graph.output),
        )
        operators.check(model, path, OLDEST_OPSET)
        source._check_ends()
        return source

    @cached_property
    def proto(self) -> onnx.ModelProto:
        """The model, parsed; shared, so never change it: `prepare` works on a copy."""
        model: onnx.ModelProto = onnx.ModelProto.FromString(self.data)
        return model

    def _check_ends(self) -> None:
        if not self.inputs:
            raise ModelError(
                f"`{self.path}` has no input: its output can only be constant",
                hint="export the model with its input left open, not with example data inside",
            )
        if not self.outputs:
            raise ModelError(f"`{self.path}` has no output", hint="export the model again")


def _is_readable(model: onnx.ModelProto) -> bool:
    """Tell whether all names are text: for bytes that are no UTF-8, protobuf raises, or gives the bytes."""
    try:
        return all(isinstance(text, str) for text in _texts(model.graph))
    except UnicodeDecodeError:
        return False


def _texts(graph: onnx.GraphProto) -> Iterator[object]:
    """Yield the names in a graph."""
    for item in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        yield item.name
    for value in (*graph.input, *graph.output):
        yield from (axis.dim_param for axis in value.type.tensor_type.shape.dim)
    for node in operators.walk(graph.node):
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


def _specs(values: Iterable[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            name=value.name,
            dtype=_dtype(value.type),
            shape=_shape(value.type),
            symbols=tuple(axis.dim_param for axis in value.type.tensor_type.shape.dim),
        )
        for value in values
    )


def _dtype(kind: onnx.TypeProto) -> str:
    which = kind.WhichOneof("value") or "unknown"
    if which != "tensor_type":
        return which.removesuffix("_type").replace("_", " ")
    element = kind.tensor_type.elem_type
    if element == onnx.TensorProto.STRING:
        return "string"
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(element).name)
    except KeyError:
        return "unknown"


def _shape(kind: onnx.TypeProto) -> tuple[int | None, ...] | None:
    if kind.WhichOneof("value") != "tensor_type" or not kind.tensor_type.HasField("shape"):
        return None
    # exporters write open axes as a name, as nothing, as 0 and as -1
    return tuple(
        axis.dim_value if axis.dim_value > 0 else None for axis in kind.tensor_type.shape.dim
    )


def _broken(path: Path, data: bytes, why: str) -> ModelError:
    return ModelError(
        f"`{path}` is no ONNX model, or was cut short: {why} ({len(data):,} bytes)",
        hint="compare its size with the original, or export it again",
    )
