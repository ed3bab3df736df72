"""
What a model computes, by its shapes: no tensor, and not all of them together, may be larger than a board could use.

ONNX's own shape inference does the work. It is native code over a file from elsewhere, so it runs in the child; the
child's limits are the net below, for shapes that are only known when the model runs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import onnx
import onnx.shape_inference

from edgekit.errors import ModelError
from edgekit.model.gate import caps, contents
from edgekit.model.gate.element_types import ITEM_BYTES
from edgekit.model.gate.growth import too_large

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def check(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """
    Raise ModelError if a tensor, or the sum of them, is too large.

    `shapes`: of the inputs, without open axes; open axes of other tensors count as 1. The model stays as it is.
    """
    total = 0
    for name, size in _sizes(_inferred(model, shapes)):
        if size > caps.LARGEST_TENSOR_BYTES:
            raise too_large(path, name, f"{size / 2**20:,.0f} MiB")
        total += size
    if total > caps.MOST_COMPUTED_BYTES:
        raise ModelError(
            f"`{path}` computes {total / 2**20:,.0f} MiB of tensors in one run: the limit is {caps.MOST_COMPUTED_BYTES >> 20:,} MiB",
            hint="export the model for a smaller input: a board has neither the memory nor the time",
        )


def _inferred(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        if value.name in shapes:
            axes = value.type.tensor_type.shape.dim
            del axes[:]
            for length in shapes[value.name]:
                axes.add().dim_value = length
    del fixed.graph.value_info[:]  # what the file says of its own shapes is only a claim
    for output in fixed.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")
    try:
        return onnx.shape_inference.infer_shapes(fixed, data_prop=True)
    except onnx.shape_inference.InferenceError:  # whoever runs the model says what is wrong with it
        return fixed


def _sizes(model: onnx.ModelProto) -> Iterator[tuple[str, int]]:
    """Yield how each tensor is called and how many bytes it has."""
    for graph in contents.graphs(model):
        makers = {name: node for node in graph.node for name in node.output}
        for value in (*graph.value_info, *graph.output):
            kind = value.type.tensor_type
            if value.type.HasField("tensor_type") and kind.HasField("shape"):
                numbers = math.prod(max(axis.dim_value, 1) for axis in kind.shape.dim)
                maker = makers.get(value.name)
                name = f"`{value.name}`" if maker is None else contents.called(maker)
                yield name, numbers * ITEM_BYTES.get(kind.elem_type, 1)
