"""
Operators whose output is as large as a constant says: a lower bound of it, from that constant alone.

A file of 200 bytes can ask for 2^34 numbers, and what computes shapes can fall over that as well. So the parent looks
at these constants before anything else sees the file; `activations` looks at all the other shapes, in the child.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.model.gate import caps, contents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    import onnx

    Constants = Mapping[str, np.ndarray[Any, Any]]

_LARGEST: Final = caps.LARGEST_TENSOR_BYTES  # elements of one byte at least
_X_AND_SCALES: Final = 2
"""Inputs of the older operators that resize."""
_FEW: Final = 64
"""Constants that say a shape have this many numbers at most."""


def check(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError for an operator that makes more numbers than fit, by its constants; tensors must be judged before."""
    constants = _constants(model)
    for node in contents.nodes(model):
        bound = _BOUNDS.get(node.op_type)
        least = 0 if bound is None else bound(node, constants)
        least = max(least, _by_attributes(node))
        if least > _LARGEST:
            raise too_large(path, contents.called(node), f"at least {least / 2**20:,.0f} MiB")


def too_large(path: Path, name: str, what: str) -> ModelError:
    """Return the error for a tensor that no board can hold."""
    return ModelError(
        f"`{path}`: {name} makes a tensor of {what}: the limit is {caps.LARGEST_TENSOR_BYTES >> 20} MiB",
        hint="export the model for a smaller input, or without this operator: a board has neither the memory nor the time",
    )


def _constants(model: onnx.ModelProto) -> dict[str, np.ndarray[Any, Any]]:
    """Return the small constants by name; a name that several graphs use is left out."""
    found: dict[str, np.ndarray[Any, Any]] = {}
    twice: set[str] = set()
    for name, tensor in _small(model):
        if name in found:
            twice.add(name)
        found[name] = numpy_helper.to_array(tensor)
    return {name: value for name, value in found.items() if name not in twice}


def _small(model: onnx.ModelProto) -> list[tuple[str, onnx.TensorProto]]:
    tensors = [(item.name, item) for graph in contents.graphs(model) for item in graph.initializer]
    for node in contents.nodes(model):
        if node.op_type == "Constant":
            tensors += [
                (node.output[0], tensor)
                for attribute in node.attribute
                if (tensor := _value(attribute)) is not None
            ]
    return [(name, item) for name, item in tensors if math.prod(item.dims) <= _FEW]


def _value(attribute: onnx.AttributeProto) -> onnx.TensorProto | None:
    """Return the tensor that an attribute of Constant means; None where it is no tensor of numbers."""
    if attribute.name == "value":
        return attribute.t
    if attribute.name == "value_ints":
        return helper.make_tensor("", TensorProto.INT64, [len(attribute.ints)], attribute.ints)
    if attribute.name == "value_int":
        return helper.make_tensor("", TensorProto.INT64, [], [attribute.i])
    return None


def _input(node: onnx.NodeProto, number: int, constants: Constants) -> list[float]:
    """Return the numbers of a constant input; none where it is not constant, or no number."""
    name = node.input[number] if number < len(node.input) else ""
    value = constants.get(name)
    if value is None or value.dtype.kind not in "iuf":
        return []
    # Python's own numbers: products of NumPy's would wrap
    return [float(item) for item in value.flatten().tolist()]


def _product(node: onnx.NodeProto, number: int, constants: Constants) -> float:
    return _multiplied(_input(node, number, constants))


def _multiplied(numbers: list[float]) -> float:
    return math.prod(abs(item) for item in numbers) if numbers else 0.0


def _resize(node: onnx.NodeProto, constants: Constants) -> float:
    """Take sizes or scales: of Upsample and Resize 10 the second input, later the third and fourth."""
    numbers = range(1, 2) if len(node.input) == _X_AND_SCALES else range(2, len(node.input))
    return max((_product(node, number, constants) for number in numbers), default=0.0)


def _pad(node: onnx.NodeProto, constants: Constants) -> float:
    return _padded(_input(node, 1, constants))


def _padded(pads: list[float]) -> float:
    """Return what padding alone makes along each axis; every axis has at least one number more."""
    half = len(pads) // 2
    return math.prod(
        max(1 + before + after, 0) for before, after in zip(pads[:half], pads[half:], strict=False)
    )


def _range(node: onnx.NodeProto, constants: Constants) -> float:
    start, limit, delta = (_input(node, number, constants) for number in range(3))
    if not (start and limit and delta) or delta[0] == 0:
        return 0.0
    return max((limit[0] - start[0]) / delta[0], 0.0)


_BOUNDS: Final[Mapping[str, Callable[[onnx.NodeProto, Constants], float]]] = {
    "ConstantOfShape": lambda node, constants: _product(node, 0, constants),
    "Expand": lambda node, constants: _product(node, 1, constants),
    "Tile": lambda node, constants: _product(node, 1, constants),
    "Resize": _resize,
    "Upsample": _resize,
    "Pad": _pad,
    "Range": _range,
    "OneHot": lambda node, constants: _product(node, 1, constants),
    "AffineGrid": lambda node, constants: _product(node, 1, constants),
    "MaxUnpool": lambda node, constants: _product(node, 2, constants),
    "Col2Im": lambda node, constants: _product(node, 1, constants),
    "CenterCropPad": lambda node, constants: _product(node, 1, constants),
    "HannWindow": lambda node, constants: _product(node, 0, constants),
    "HammingWindow": lambda node, constants: _product(node, 0, constants),
    "BlackmanWindow": lambda node, constants: _product(node, 0, constants),
    "MelWeightMatrix": lambda node, constants: (
        _product(node, 0, constants) * _product(node, 1, constants) / 2
    ),
    "DFT": lambda node, constants: _product(node, 1, constants),
    "STFT": lambda node, constants: _product(node, 3, constants) / 2,
}
"""How many numbers an operator makes at the very least; inputs that are no constants count as one number."""

_SHAPES: Final = {
    "RandomNormal": "shape",
    "RandomUniform": "shape",
    "ConvTranspose": "output_shape",
    "Upsample": "scales",
    "Tile": "repeats",
}
"""Attributes whose product is the size of an output, or of a part of it."""
_SIZES: Final = ("sample_size", "output_width", "output_height", "hidden_size")
_PADS: Final = ("pads", "paddings", "output_padding")


def _by_attributes(node: onnx.NodeProto) -> float:
    """Return the least size that the attributes say."""
    least = 0.0
    for attribute in node.attribute:
        numbers = [abs(float(item)) for item in (*attribute.ints, *attribute.floats)]
        if attribute.name == _SHAPES.get(node.op_type):
            least = max(least, _multiplied(numbers))
        elif attribute.name in _SIZES:
            least = max(least, float(abs(attribute.i)))
        elif attribute.name in _PADS:
            # a convolution makes at least one number a stride of it
            strides = next((item.ints for item in node.attribute if item.name == "strides"), ())
            least = max(least, _padded(numbers) / max(_multiplied([float(s) for s in strides]), 1))
    return least
