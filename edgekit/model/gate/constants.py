"""The constant tensors of a model: shapes that are possible, and just as many numbers as the shape says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.model.gate import caps, contents
from edgekit.model.gate.element_types import ITEM_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import onnx

_IN_INT32: Final[Mapping[int, tuple[int, int]]] = {
    TensorProto.INT32: (-(2**31), 2**31 - 1),
    TensorProto.INT16: (-(2**15), 2**15 - 1),
    TensorProto.UINT16: (0, 2**16 - 1),
    TensorProto.FLOAT16: (0, 2**16 - 1),
    TensorProto.INT8: (-(2**7), 2**7 - 1),
    TensorProto.UINT8: (0, 2**8 - 1),
    TensorProto.BOOL: (0, 1),
}
"""Types that are kept in `int32_data`, with what fits (onnx.proto: TensorProto; float16 by its bits)."""

_FIELDS: Final[Mapping[int, str]] = {
    **dict.fromkeys(_IN_INT32, "int32_data"),
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT32: "uint64_data",
    TensorProto.UINT64: "uint64_data",
    TensorProto.STRING: "string_data",
}
"""Where the numbers of each type are if not in `raw_data`."""

_AGAIN: Final = "the file is damaged, or its exporter is: export it again"


def check_shapes(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError for shapes that no tensor has, for sparse tensors, and for too many numbers in all."""
    for graph in contents.graphs(model):
        for sparse in graph.sparse_initializer:
            raise _sparse(path, f"tensor `{sparse.values.name}`")
    for node in contents.nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                raise _sparse(path, f"the tensor in `{attribute.name}` of {contents.called(node)}")
    total = 0
    for name, tensor in contents.tensors(model):
        shape = f"[{', '.join(map(str, tensor.dims[: caps.MOST_AXES + 1]))}]"
        if len(tensor.dims) > caps.MOST_AXES:
            raise ModelError(
                f"`{path}`: {name} has {len(tensor.dims)} axes: the limit is {caps.MOST_AXES}",
                hint="export the model with tensors of fewer axes",
            )
        if any(length < 0 for length in tensor.dims):
            raise ModelError(
                f"`{path}`: {name} has the shape {shape}, with a negative length", hint=_AGAIN
            )
        # a length of 0 makes nothing of a product that overflows elsewhere
        total += math.prod(max(length, 1) for length in tensor.dims)
        if total > caps.MOST_ELEMENTS:
            raise ModelError(
                f"`{path}` has more than {caps.MOST_ELEMENTS:,} constant numbers ({name} has the shape {shape})",
                hint="EdgeKit is for models that fit on a small board: export a smaller one",
            )


def check_contents(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError where a tensor's data are not as long as its shape says; external data must be embedded before."""
    for name, tensor in contents.tensors(model):
        wrong = _wrong(tensor)
        if wrong:
            raise ModelError(f"`{path}`: {name} {wrong}", hint=_AGAIN)


def data_bytes(tensor: onnx.TensorProto) -> int:
    """Return how many bytes of raw data a tensor of numbers has by its shape and type."""
    return int(math.prod(tensor.dims)) * ITEM_BYTES[tensor.data_type]


def _wrong(tensor: onnx.TensorProto) -> str:
    """Return what is wrong with a tensor's data; nothing if they fit."""
    if tensor.HasField("segment"):
        return "is a part of a larger one, which engines do not put together"
    filled = [name for name in dict.fromkeys(_FIELDS.values()) if len(getattr(tensor, name))]
    if tensor.HasField("raw_data") and tensor.data_type == TensorProto.STRING:
        return "has text as raw data, which says nothing of where a text ends"
    if tensor.raw_data and filled:
        return f"has its numbers twice, as raw data and as {filled[0]}"
    return _wrong_raw(tensor) if tensor.raw_data else _wrong_numbers(tensor, filled)


def _wrong_numbers(tensor: onnx.TensorProto, filled: list[str]) -> str:
    """Return what is wrong with numbers that are written one by one; `filled`: the fields in which there are some."""
    count, field = math.prod(tensor.dims), _FIELDS[tensor.data_type]
    if any(name != field for name in filled):
        return f"has its numbers in {filled[0]}, where {_type(tensor)} is in {field}"
    given = len(getattr(tensor, field))
    if given != count:
        return f"has {given:,} numbers: its shape {list(tensor.dims)} says {count:,}"
    return _out_of_range(tensor)


def _wrong_raw(tensor: onnx.TensorProto) -> str:
    raw, expected = tensor.raw_data, data_bytes(tensor)
    if len(raw) != expected:
        return f"has {len(raw):,} bytes: its shape {list(tensor.dims)} in {_type(tensor)} says {expected:,}"
    if tensor.data_type == TensorProto.BOOL and raw.translate(None, b"\0\1"):
        return "has booleans that are neither 0 nor 1"
    return ""


def _out_of_range(tensor: onnx.TensorProto) -> str:
    """Return what is wrong with numbers kept in a wider type: engines cut them off in different ways."""
    if tensor.data_type in _IN_INT32:
        numbers, (low, high) = np.asarray(tensor.int32_data), _IN_INT32[tensor.data_type]
    elif tensor.data_type == TensorProto.UINT32:
        numbers, (low, high) = np.asarray(tensor.uint64_data, np.uint64), (0, 2**32 - 1)
    else:
        return ""
    if numbers.size and not (low <= int(numbers.min()) and int(numbers.max()) <= high):
        return f"has numbers that are no {_type(tensor)}"
    return ""


def _type(tensor: onnx.TensorProto) -> str:
    return str(TensorProto.DataType.Name(tensor.data_type))


def _sparse(path: Path, name: str) -> ModelError:
    return ModelError(
        f"`{path}`: {name} is sparse, which the engine does not read",
        hint="export it as a plain tensor: zeros cost little at the size of models for boards",
    )
