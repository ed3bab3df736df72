"""
External data: weights in files beside the model, as PyTorch writes them by default.

A model file comes from elsewhere and names these files itself, so it could name anything: `/etc/shadow`, a named
pipe that never ends, a hard link. Only regular files with one name, inside the model's own folder, are read.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import onnx
from onnx.external_data_helper import load_external_data_for_tensor

from edgekit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KEYS = frozenset({"location", "offset", "length", "checksum"})


def embed(model: onnx.ModelProto, path: Path, largest_bytes: int) -> bool:
    """
    Put the weights that lie in other files into the model; return whether there were any.

    Raises ModelError for a file that is missing, too short or where it must not be.
    """
    tensors = [
        tensor for tensor in _tensors(model) if tensor.data_location == onnx.TensorProto.EXTERNAL
    ]
    sizes: dict[str, int] = {}
    for tensor in tensors:
        location = _location(tensor, path)
        if location not in sizes:
            sizes[location] = _checked_size(path, location)
    total = sum(sizes.values())
    if total > largest_bytes:
        raise ModelError(
            f"the external data of `{path}` has {total:,} bytes: the limit is {largest_bytes:,}"
        )
    for tensor in tensors:
        try:
            load_external_data_for_tensor(tensor, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise ModelError(
                f"`{path}`: cannot read the external data of tensor `{tensor.name}`: {error}",
                hint="copy the .onnx file and its data file together, or export them again",
            ) from error
    return bool(tensors)


def _location(tensor: onnx.TensorProto, path: Path) -> str:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    unknown = sorted(set(entries) - _KEYS)
    if unknown or not entries.get("location"):
        what = f"unknown keys {', '.join(map(repr, unknown))}" if unknown else "no location"
        raise ModelError(
            f"`{path}`: the external data of tensor `{tensor.name}` has {what}",
            hint="export it again",
        )
    return str(entries["location"])


def _checked_size(path: Path, location: str) -> int:
    folder = path.parent.resolve()
    file = folder / location
    try:
        status = os.lstat(file)
        inside = file.resolve().parent.is_relative_to(folder)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"`{path}` keeps its weights in `{location}`, which is missing",
            hint=f"copy `{location}` into `{path.parent}`: export writes the two files together",
        ) from error
    if not inside or not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise ModelError(
            f"`{path}` keeps its weights in `{location}`: this must be a plain file (no link) inside the model's folder",
            hint=f"copy the file itself to `{path.parent}` and export with a relative path",
        )
    return status.st_size


def _tensors(message: onnx.ModelProto | onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor of the model, wherever it is: initializers, attributes, subgraphs, functions."""
    stack: list[object] = [message]
    while stack:
        item = stack.pop()
        if isinstance(item, onnx.ModelProto):
            stack += [item.graph, *item.functions]
        elif isinstance(item, onnx.GraphProto):
            yield from item.initializer
            for sparse in item.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            stack += item.node
        elif isinstance(item, onnx.FunctionProto):
            stack += item.node
        elif isinstance(item, onnx.NodeProto):
            for attribute in item.attribute:
                yield from (attribute.t, *attribute.tensors)
                stack += [attribute.g, *attribute.graphs] if _has_graph(attribute) else []


def _has_graph(attribute: onnx.AttributeProto) -> bool:
    return attribute.HasField("g") or len(attribute.graphs) > 0
