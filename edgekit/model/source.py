"""
The model as it was given: an ONNX or a TensorFlow Lite file, looked at and never changed.

An ONNX file passes the gate here (`edgekit.model.gate`), which parses it and runs no other code over it. A .tflite is
read in a child process; what that makes of it is an ONNX file from elsewhere like any other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from onnx import ModelProto, TensorProto, TypeProto, ValueInfoProto, helper

from edgekit.errors import ModelError
from edgekit.model import file_kind, gate, tflite_import
from edgekit.model.gate import caps
from edgekit.model.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["SourceModel", "TensorSpec"]

Kind = Literal["onnx", "tflite"]


@dataclass(frozen=True, kw_only=True)
class SourceModel:
    """A model file: its bytes, the ONNX that is prepared from it, its inputs and outputs."""

    path: Path
    kind: Kind = "onnx"
    data: bytes = field(repr=False)
    """What the reference runs. Of an ONNX file self-contained: external data is embedded."""
    sha256: str
    """Digest of `data`; of the file itself where it has no external data."""
    onnx: bytes = field(repr=False)
    """The ONNX that is prepared: `data` itself, or what was made of a .tflite."""
    notes: tuple[str, ...] = ()
    """Lines for the report on how a .tflite was read."""
    inputs: tuple[TensorSpec, ...]
    """Inputs at run time: those with a default (an initializer of the same name) are constants and not listed."""
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """
        Read a model file.

        Raises ModelError saying what is wrong with the file and what to do: missing, empty, cut short, another
        format, operators that no engine here knows, external data that is missing or not where it may be.
        """
        path = Path(path)
        file = file_kind.read_model(path, caps.LARGEST_BYTES)
        source = (
            cls._of_tflite(path, file.data)
            if file.kind == "tflite"
            else cls._of_onnx(path, file.data)
        )
        _check_ends(source)
        return source

    @classmethod
    def _of_onnx(cls, path: Path, data: bytes) -> Self:
        data, model = gate.admit(data, path)
        constants = {tensor.name for tensor in model.graph.initializer}
        return cls(
            path=path,
            data=data,
            sha256=hashlib.sha256(data).hexdigest(),
            onnx=data,
            inputs=_specs(value for value in model.graph.input if value.name not in constants),
            outputs=_specs(model.graph.output),
        )

    @classmethod
    def _of_tflite(cls, path: Path, data: bytes) -> Self:
        imported = tflite_import.run(path, data)
        made, _ = gate.admit(imported.onnx, path)
        return cls(
            path=path,
            kind="tflite",
            data=data,
            sha256=hashlib.sha256(data).hexdigest(),
            onnx=made,
            notes=imported.notes,
            inputs=imported.inputs,
            outputs=imported.outputs,
        )

    @property
    def files(self) -> Mapping[str, bytes]:
        """The files that a child is given, by name."""
        files = {"model.onnx": self.onnx}
        return {**files, "model.tflite": self.data} if self.kind == "tflite" else files

    @cached_property
    def proto(self) -> ModelProto:
        """The ONNX, parsed; shared, so never change it: `prepare` works on a copy."""
        model: ModelProto = ModelProto.FromString(self.onnx)
        return model


def _check_ends(source: SourceModel) -> None:
    if not source.inputs:
        raise ModelError(
            f"`{source.path}` has no input: its output can only be constant",
            hint="export the model with its input left open, not with example data inside",
        )
    if not source.outputs:
        raise ModelError(f"`{source.path}` has no output", hint="export the model again")


def _specs(values: Iterable[ValueInfoProto]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            name=value.name,
            dtype=_dtype(value.type),
            shape=_shape(value.type),
            symbols=tuple(axis.dim_param for axis in value.type.tensor_type.shape.dim),
        )
        for value in values
    )


def _dtype(kind: TypeProto) -> str:
    which = kind.WhichOneof("value") or "unknown"
    if which != "tensor_type":
        return which.removesuffix("_type").replace("_", " ")
    element = kind.tensor_type.elem_type
    if element == TensorProto.STRING:
        return "string"
    try:
        return str(helper.tensor_dtype_to_np_dtype(element).name)
    except KeyError:
        return "unknown"


def _shape(kind: TypeProto) -> tuple[int | None, ...] | None:
    if kind.WhichOneof("value") != "tensor_type" or not kind.tensor_type.HasField("shape"):
        return None
    # exporters write open axes as a name, as nothing, as 0 and as -1
    return tuple(
        axis.dim_value if axis.dim_value > 0 else None for axis in kind.tensor_type.shape.dim
    )
