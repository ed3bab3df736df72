"""The types of numbers that the engine computes with, and what to do about each of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.model.gate import contents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import onnx

ITEM_BYTES: Final[Mapping[int, int]] = {
    TensorProto.FLOAT: 4,
    TensorProto.DOUBLE: 8,
    TensorProto.FLOAT16: 2,
    TensorProto.INT8: 1,
    TensorProto.INT16: 2,
    TensorProto.INT32: 4,
    TensorProto.INT64: 8,
    TensorProto.UINT8: 1,
    TensorProto.UINT16: 2,
    TensorProto.UINT32: 4,
    TensorProto.UINT64: 8,
    TensorProto.BOOL: 1,
}
"""The types of numbers that are read, and the size of one."""

_COMPLEX: Final = (
    "complex numbers, which no operator of the engine takes",
    "export real and imaginary part as two tensors of float32, or leave the transform out of the model",
)
_FLOAT8: Final = (
    "8-bit floats, which boards cannot compute with",
    "quantise the model to int8 instead (`onnxruntime.quantization.quantize_static`), or export it in float32",
)
_SMALL: Final = (
    "numbers of less than 8 bits, which the engine does not read",
    "quantise the model to int8 instead (`onnxruntime.quantization.quantize_static`), or export it in float32",
)
_REFUSED: Final[Mapping[int, tuple[str, str]]] = {
    TensorProto.UNDEFINED: ("numbers of no type", "export it again"),
    TensorProto.COMPLEX64: _COMPLEX,
    TensorProto.COMPLEX128: _COMPLEX,
    TensorProto.BFLOAT16: (
        "bfloat16 numbers, which the engine does not read",
        "export the model in float32: `model.float()` before `torch.onnx.export`",
    ),
    TensorProto.FLOAT8E4M3FN: _FLOAT8,
    TensorProto.FLOAT8E4M3FNUZ: _FLOAT8,
    TensorProto.FLOAT8E5M2: _FLOAT8,
    TensorProto.FLOAT8E5M2FNUZ: _FLOAT8,
    TensorProto.FLOAT8E8M0: _FLOAT8,
}
"""What the numbers are, and what to do; all others have less than 8 bits."""

_TYPE_ATTRIBUTES: Final = ("to", "dtype", "output_dtype", "output_datatype", "stash_type")
"""Attributes in which an operator names a type of numbers."""


def check(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError for the first type of numbers that is not read; texts are left to whoever needs the tensor."""
    for what, element in _used(model):
        if element not in ITEM_BYTES and element != TensorProto.STRING:
            name, hint = _refused(element)
            raise ModelError(f"`{path}`: {what} has {name}", hint=hint)


def _refused(element: int) -> tuple[str, str]:
    known = TensorProto.DataType.DESCRIPTOR.values_by_number
    if element not in known:
        return f"numbers of a type that ONNX does not have ({element})", "export it again"
    kind, hint = _REFUSED.get(element, _SMALL)
    return f"{kind} ({known[element].name})", hint


def _used(model: onnx.ModelProto) -> Iterator[tuple[str, int]]:
    """Yield every type that is named in the model, and where."""
    for name, tensor in contents.tensors(model):
        yield name, tensor.data_type
    for graph in contents.graphs(model):
        for value in (*graph.input, *graph.output):
            yield from ((f"`{value.name}`", element) for element in _elements(value.type))
    for node in contents.nodes(model):
        for attribute in node.attribute:
            if attribute.name in _TYPE_ATTRIBUTES and attribute.HasField("i") and attribute.i:
                yield f"the output of {contents.called(node)}", attribute.i


def _elements(kind: onnx.TypeProto) -> Iterator[int]:
    """Yield the type of the elements of a tensor, however it is wrapped; none where it is not said."""
    which = kind.WhichOneof("value")
    while which in ("sequence_type", "optional_type"):
        kind = getattr(kind, which).elem_type
        which = kind.WhichOneof("value")
    if which == "tensor_type" and kind.tensor_type.HasField("elem_type"):
        yield kind.tensor_type.elem_type
