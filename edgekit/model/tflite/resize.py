"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR, as products with matrices of weights and as picking of rows and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.model.tflite import requantise
from edgekit.model.tflite.moving import passes, same_codes
from edgekit.model.tflite.writer import CHANNELS_FIRST, IMAGE_RANK, integers_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from edgekit.model.tflite.graph import Operator
    from edgekit.model.tflite.writer import Writer

    Array = np.ndarray[Any, Any]

_ONE: Final = 1024
"""A weight of 1 in the integer kernel."""


def nearest(writer: Writer, operator: Operator) -> None:
    """RESIZE_NEAREST_NEIGHBOR."""
    same_codes(operator)
    x = operator.input(0)
    name = writer.get(x, CHANNELS_FIRST)
    for axis, length in enumerate(_size(operator)):
        places = _nearest(x.shape[axis + 1], length, operator)
        name = writer.add("Gather", name, writer.constant(places, np.int64), axis=axis + 2)
    passes(writer, operator, name, CHANNELS_FIRST)


def bilinear(writer: Writer, operator: Operator) -> None:
    """RESIZE_BILINEAR."""
    same_codes(operator)
    x, output = operator.input(0), operator.outputs[0]
    height, width = _size(operator)
    name = writer.get(x, CHANNELS_FIRST)
    if not x.is_quantised:
        rows = _weights(x.shape[1], height, operator)
        columns = _weights(x.shape[2], width, operator)
        result = _interpolated(writer, name, rows, columns)
        writer.put(output, result, CHANNELS_FIRST)
        return
    if x.dtype != "int8":
        raise ModelError(
            f"has a RESIZE_BILINEAR of {x.dtype} codes", hint="convert it again, to int8"
        )
    # the kernel's weights are whole numbers, and its sums are rounded once, halves away from zero, by the code's sign
    double = writer.add("Cast", name, to=TensorProto.DOUBLE)
    shifted = writer.add("Add", double, writer.constant(x.zero_point, np.float64))
    rows = _integer_weights(x.shape[1], height, operator).astype(np.float64)
    columns = _integer_weights(x.shape[2], width, operator).astype(np.float64)
    total = _interpolated(writer, shifted, rows, columns)
    scaled = writer.add("Mul", total, writer.constant(1 / _ONE**2, np.float64))
    magnitude = writer.add("Add", writer.add("Abs", scaled), writer.constant(0.5, np.float64))
    rounded = writer.add("Mul", writer.add("Floor", magnitude), writer.add("Sign", scaled))
    centred = writer.add("Sub", rounded, writer.constant(output.zero_point, np.float64))
    result = writer.add("Cast", centred, to=TensorProto.FLOAT)
    result = requantise.clip(writer, result, output.code_range)
    writer.put(output, result, CHANNELS_FIRST)


def _interpolated(writer: Writer, name: str, rows: Array, columns: Array) -> str:
    """Write rows · picture · columnsᵀ."""
    vertical = writer.add("MatMul", writer.constant(rows), name)
    return writer.add("MatMul", vertical, writer.constant(columns.T))


def _size(operator: Operator) -> list[int]:
    size = integers_of(operator, 1)
    if operator.input(0).rank != IMAGE_RANK or len(size) != 2 or min(size) < 1:  # noqa: PLR2004 (height and width)
        raise ModelError(f"has a {operator.name} to {size}", hint="convert it again")
    return size


def _step(length: int, wanted: int, operator: Operator) -> np.float32:
    if operator.options["align_corners"] and wanted > 1:
        return np.float32(length - 1) / np.float32(wanted - 1)
    return np.float32(length) / np.float32(wanted)


def _nearest(length: int, wanted: int, operator: Operator) -> npt.NDArray[np.int64]:
    """Return which row is taken for each one that is wanted; float32, as the kernel computes it."""
    offset = np.float32(0.5 if operator.options["half_pixel"] else 0)
    places = (np.arange(wanted, dtype=np.float32) + offset) * _step(length, wanted, operator)
    if operator.options["align_corners"]:
        places = np.floor(places + np.float32(0.5))
    taken: npt.NDArray[np.int64] = np.clip(np.floor(places), 0, length - 1).astype(np.int64)
    return taken


def _weights(length: int, wanted: int, operator: Operator) -> npt.NDArray[np.float32]:
    """Return the weight of each row for each one that is wanted `[wanted, length]`."""
    places = np.arange(wanted, dtype=np.float32) * _step(length, wanted, operator)
    if operator.options["half_pixel"]:
        half = np.float32(0.5)
        places = (np.arange(wanted, dtype=np.float32) + half) * _step(
            length, wanted, operator
        ) - half
    lower = np.maximum(np.floor(places), 0).astype(np.int64)
    upper = np.minimum(np.ceil(places).astype(np.int64), length - 1)
    share = (places - lower).astype(np.float32)
    matrix = np.zeros((wanted, length), np.float32)
    order = np.arange(wanted)
    np.add.at(matrix, (order, np.minimum(lower, length - 1)), 1 - share)
    np.add.at(matrix, (order, np.maximum(upper, 0)), share)
    return matrix


def _integer_weights(length: int, wanted: int, operator: Operator) -> npt.NDArray[np.int64]:
    """Return the weights of the integer kernel, which are 1024ths."""
    step = (_ONE * length + wanted // 2) // wanted
    if operator.options["align_corners"] and wanted > 1:
        step = (_ONE * (length - 1) + (wanted - 1) // 2) // (wanted - 1)
    places = np.arange(wanted, dtype=np.int64) * step
    if operator.options["half_pixel"]:
        places = places + step // 2 - _ONE // 2
    lower = np.maximum(np.trunc(places / _ONE).astype(np.int64), 0)
    upper = np.minimum(np.trunc((places + _ONE - 1) / _ONE).astype(np.int64), length - 1)
    share = places - _ONE * lower
    matrix = np.zeros((wanted, length), np.int64)
    order = np.arange(wanted)
    np.add.at(matrix, (order, np.minimum(lower, length - 1)), _ONE - share)
    np.add.at(matrix, (order, np.maximum(upper, 0)), share)
    return matrix
