"""Every operator, over floats and codes, with random shapes and options, in the engine and in LiteRT."""

# ruff: noqa: D103 (the functions that write a model are named as its operator)

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from edgekit.model import stable_forms
from edgekit.model.tflite import to_onnx

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.tflite.conftest import RunLitert, Tflite

pytestmark = pytest.mark.native

RNG = np.random.Generator
FRAMES = 6


def _about(rng: RNG, dtype: str, scale: float | None = None) -> dict[str, Any]:
    """Return a random scale and zero point for codes of a type, nothing for floats."""
    if dtype == "float32":
        return {}
    scale = float(np.float32(scale if scale is not None else np.exp(rng.uniform(-5, 0))))
    if rng.random() < 0.2:
        scale = float(2.0 ** np.round(np.log2(scale)))
    zero = {"int8": (-128, 128), "uint8": (0, 256), "int16": (0, 1)}[dtype]
    return {"scale": scale, "zero": int(rng.integers(*zero))}


def _image(rng: RNG, channels: int | None = None) -> tuple[int, int, int, int]:
    height, width = rng.integers(3, 12, 2)
    return (1, int(height), int(width), channels or int(rng.integers(1, 7)))


def _length(length: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    reach = (kernel - 1) * dilation + 1
    return -(-length // stride) if padding == 0 else (length - reach) // stride + 1


def _window(rng: RNG, shape: tuple[int, ...], *, dilates: bool) -> tuple[Any, list[int], list[int]]:
    """Return options, kernel and output's height and width."""
    padding = int(rng.integers(0, 2))
    kernel = [int(rng.integers(1, min(5, size) + 1)) for size in shape[1:3]]
    stride = [int(rng.integers(1, 4)) for _ in range(2)]
    dilation = [1, 1]
    if dilates and rng.random() < 0.3 and padding == 0:
        dilation, stride = [int(rng.integers(1, 3)) for _ in range(2)], [1, 1]
    size = [_length(shape[i + 1], kernel[i], stride[i], dilation[i], padding) for i in range(2)]
    options = {"Padding": padding, "StrideH": stride[0], "StrideW": stride[1]}
    if dilates:
        options |= {"DilationHFactor": dilation[0], "DilationWFactor": dilation[1]}
    options["FusedActivationFunction"] = int(rng.integers(0, 4))
    return options, kernel, size


def _weights(  # noqa: PLR0913, PLR0917 (where, of what shape, for what)
    t: Tflite, rng: RNG, shape: tuple[int, ...], axis: int, x: Any, dtype: str
) -> tuple[int, int, float]:
    """Add weights and bias for an input `x`; return them and the spread of what they make."""
    fan = math.prod(shape) / shape[axis]
    if dtype == "float32":
        weights = t.constant(rng.normal(size=shape) / math.sqrt(fan))
        return weights, t.constant(rng.normal(size=shape[axis])), 1.0
    if dtype == "uint8":
        scale, zero = np.array([0.01], np.float32), int(rng.integers(100, 156))
        weights = t.constant(rng.integers(0, 256, shape), "uint8", scale=scale, zero=zero)
    else:
        scale = np.exp(rng.uniform(-6, -3, shape[axis])).astype(np.float32)
        weights = t.constant(rng.integers(-127, 128, shape), "int8", scale=scale, axis=axis)
    spread = float(np.mean(scale)) * x["scale"] * 73 * 120 * math.sqrt(fan)
    bias = rng.integers(-5000, 5000, shape[axis])
    kind = "int64" if dtype == "int16" else "int32"
    scales = np.float32(scale) * np.float32(x["scale"])
    return weights, t.constant(bias, kind, scale=scales), spread


def conv_2d(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape, out, about = _image(rng), int(rng.integers(1, 9)), _about(rng, dtype)
    options, kernel, size = _window(rng, shape, dilates=True)
    x = t.tensor(shape, dtype, **about)
    weights, bias, spread = _weights(t, rng, (out, *kernel, shape[3]), 0, about, dtype)
    y = t.tensor((1, *size, out), dtype, **_about(rng, dtype, spread / 100))
    t.step("CONV_2D", [x, weights, bias], [y], "Conv2DOptions", **options, version=5)
    return [x], [y]


def depthwise_conv_2d(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape, times, about = _image(rng), int(rng.integers(1, 4)), _about(rng, dtype)
    options, kernel, size = _window(rng, shape, dilates=True)
    options["StrideW"] = options["StrideH"]
    options["DilationWFactor"] = options["DilationHFactor"]
    size = [
        _length(
            shape[i + 1],
            kernel[i],
            options["StrideH"],
            options["DilationHFactor"],
            options["Padding"],
        )
        for i in range(2)
    ]
    x = t.tensor(shape, dtype, **about)
    out = shape[3] * times
    weights, bias, spread = _weights(t, rng, (1, *kernel, out), 3, about, dtype)
    y = t.tensor((1, *size, out), dtype, **_about(rng, dtype, spread / 100))
    options["DepthMultiplier"] = times
    t.step(
        "DEPTHWISE_CONV_2D", [x, weights, bias], [y], "DepthwiseConv2DOptions", **options, version=5
    )
    return [x], [y]


def transpose_conv(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape, out, about = _image(rng), int(rng.integers(1, 6)), _about(rng, dtype)
    stride, padding = int(rng.integers(1, 4)), int(rng.integers(0, 2))
    kernel = [int(rng.integers(stride, 6)) for _ in range(2)]
    size = [
        length * stride if padding == 0 else (length - 1) * stride + k
        for length, k in zip(shape[1:3], kernel, strict=True)
    ]
    x = t.tensor(shape, dtype, **about)
    weights, bias, spread = _weights(t, rng, (out, *kernel, shape[3]), 0, about, dtype)
    y = t.tensor((1, *size, out), dtype, **_about(rng, dtype, spread / 100))
    wanted = t.constant([1, *size, out], "int32")
    t.step(
        "TRANSPOSE_CONV",
        [wanted, weights, x, bias],
        [y],
        "TransposeConvOptions",
        Padding=padding,
        StrideH=stride,
        StrideW=stride,
        version=4,
    )
    return [x], [y]


def fully_connected(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    rows, inputs, out = (int(size) for size in rng.integers(1, 40, 3))
    about = _about(rng, dtype)
    x = t.tensor((rows, inputs), dtype, **about)
    if dtype in ("int8", "int16"):
        scale = float(np.float32(np.exp(rng.uniform(-6, -3))))
        weights = t.constant(rng.integers(-127, 128, (out, inputs)), "int8", scale=scale)
        kind = "int64" if dtype == "int16" else "int32"
        bias = t.constant(
            rng.integers(-5000, 5000, out),
            kind,
            scale=np.float32(scale) * np.float32(about["scale"]),
        )
        spread = scale * about["scale"] * 73 * 120 * math.sqrt(inputs)
    else:
        weights, bias, spread = _weights(t, rng, (out, inputs), 0, about, dtype)
    y = t.tensor((rows, out), dtype, **_about(rng, dtype, spread / 100))
    activation = int(rng.integers(0, 4))
    t.step(
        "FULLY_CONNECTED",
        [x, weights, bias],
        [y],
        "FullyConnectedOptions",
        FusedActivationFunction=activation,
        version=4,
    )
    return [x], [y]


def batch_matmul(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    batch, rows, inner, columns = (int(size) for size in rng.integers(1, 9, 4))
    turned = bool(rng.integers(0, 2))
    about = [_about(rng, dtype), _about(rng, dtype)]
    if dtype == "int16":
        about = [{**item, "zero": 0} for item in about]
    x = t.tensor((batch, rows, inner), dtype, **about[0])
    other = t.tensor(
        (batch, columns, inner) if turned else (batch, inner, columns), dtype, **about[1]
    )
    spread = (
        1.0 if dtype == "float32" else about[0]["scale"] * about[1]["scale"] * 5000 * inner / 100
    )
    y = t.tensor((batch, rows, columns), dtype, **_about(rng, dtype, spread))
    t.step("BATCH_MATMUL", [x, other], [y], "BatchMatMulOptions", AdjY=turned, version=4)
    return [x, other], [y]


def _pool(t: Tflite, rng: RNG, dtype: str, name: str) -> tuple[list[int], list[int]]:
    shape, about = _image(rng), _about(rng, dtype)
    options, kernel, size = _window(rng, shape, dilates=False)
    options |= {"FilterHeight": kernel[0], "FilterWidth": kernel[1]}
    x = t.tensor(shape, dtype, **about)
    y = t.tensor((1, *size, shape[3]), dtype, **about)
    t.step(name, [x], [y], "Pool2DOptions", **options, version=2)
    return [x], [y]


def average_pool_2d(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    return _pool(t, rng, dtype, "AVERAGE_POOL_2D")


def max_pool_2d(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    return _pool(t, rng, dtype, "MAX_POOL_2D")


def _reduction(t: Tflite, rng: RNG, dtype: str, name: str) -> tuple[list[int], list[int]]:
    shape, about = _image(rng), _about(rng, dtype)
    axes = [[1, 2], [1], [3], [2, 3], [1, 2, 3], [-1]][int(rng.integers(0, 6))]
    keep = bool(rng.integers(0, 2))
    removed = {axis % 4 for axis in axes}
    left = [1 if axis in removed else size for axis, size in enumerate(shape)]
    after = left if keep else [size for axis, size in enumerate(left) if axis not in removed]
    x = t.tensor(shape, dtype, **about)
    other = about
    if name in ("MEAN", "SUM") and dtype != "float32" and rng.random() < 0.7:
        count = math.prod(shape[axis] for axis in removed)
        times = math.sqrt(count) if name == "SUM" else 1 / math.sqrt(count)
        other = _about(rng, dtype, about["scale"] * times)
    y = t.tensor(after, dtype, **other)
    t.step(name, [x, t.constant(axes, "int32")], [y], "ReducerOptions", KeepDims=keep, version=2)
    return [x], [y]


def mean(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    return _reduction(t, rng, dtype, "MEAN")


def sum_(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    return _reduction(t, rng, dtype, "SUM")


def reduce_max(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    return _reduction(t, rng, dtype, "REDUCE_MAX")


def softmax(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape = (int(rng.integers(1, 4)), int(rng.integers(2, 20)))
    x = t.tensor(shape, dtype, **_about(rng, dtype, float(np.exp(rng.uniform(-5, -1)))))
    about = {
        "int8": {"scale": 1 / 256, "zero": -128},
        "uint8": {"scale": 1 / 256, "zero": 0},
        "int16": {"scale": 1 / 32768, "zero": 0},
    }
    y = t.tensor(shape, dtype, **about.get(dtype, {}))
    t.step("SOFTMAX", [x], [y], "SoftmaxOptions", Beta=1.0, version=3)
    return [x], [y]


FIRST_VERSION = ("RELU_N1_TO_1", "HARD_SWISH", "ELU", "SQUARE", "NEG", "FLOOR", "GELU")


def _unary(
    t: Tflite, rng: RNG, dtype: str, name: str, table: str = "", **options: Any
) -> tuple[list[int], list[int]]:
    shape = _image(rng)
    about = _about(rng, dtype, float(np.exp(rng.uniform(-6, -2))))
    other = {
        **_about(
            rng,
            dtype,
            None if dtype == "float32" else about["scale"] * float(np.exp(rng.uniform(-0.7, 0.7))),
        )
    }
    fixed = {
        "LOGISTIC": (1 / 256, {"int8": -128, "uint8": 0, "int16": 0}),
        "TANH": (1 / 128, {"int8": 0, "uint8": 128, "int16": 0}),
    }
    if name in fixed and dtype != "float32":
        scale, zeros = fixed[name]
        other = {"scale": 1 / 32768 if dtype == "int16" else scale, "zero": zeros[dtype]}
    x, y = t.tensor(shape, dtype, **about), t.tensor(shape, dtype, **other)
    t.step(name, [x], [y], table, **options, version=1 if name in FIRST_VERSION else 2)
    return [x], [y]


def _of(
    name: str, table: str = "", **options: Any
) -> Callable[[Tflite, RNG, str], tuple[list[int], list[int]]]:
    return lambda t, rng, dtype: _unary(t, rng, dtype, name, table, **options)


def _binary(
    t: Tflite, rng: RNG, dtype: str, name: str, table: str = ""
) -> tuple[list[int], list[int]]:
    shape = _image(rng)
    other = [shape, (1, 1, 1, shape[3]), (shape[3],), (1,)][int(rng.integers(0, 4))]
    about = [_about(rng, dtype), _about(rng, dtype)]
    if name in ("MAXIMUM", "MINIMUM"):
        about[1] = about[0]
    x = t.tensor(shape, dtype, **about[0])
    is_constant = rng.random() < 0.5
    if not is_constant:
        z = t.tensor(other, dtype, **about[1])
    elif dtype == "float32":
        z = t.constant(rng.uniform(0.5, 2, other))
    else:
        limits = np.iinfo(dtype)
        z = t.constant(rng.integers(limits.min, limits.max + 1, other), dtype, **about[1])
    scale = None
    if dtype != "float32":
        product = {
            "MUL": about[0]["scale"] * about[1]["scale"] * 60,
            "SQUARED_DIFFERENCE": max(about[0]["scale"], about[1]["scale"]) ** 2 * 150,
        }
        scale = product.get(name, max(about[0]["scale"], about[1]["scale"]) * 1.3)
        if dtype == "int16" and name == "MUL":
            scale *= 300
    result = about[0] if name in ("MAXIMUM", "MINIMUM") else _about(rng, dtype, scale)
    y = t.tensor(shape, dtype, **result)
    options = (
        {"FusedActivationFunction": int(rng.integers(0, 4))}
        if table not in ("", "MaximumMinimumOptions", "SquaredDifferenceOptions")
        else {}
    )
    swapped = name != "PRELU" and rng.random() < 0.3
    t.step(name, [z, x] if swapped else [x, z], [y], table, **options, version=2)
    return [x] if is_constant else [x, z], [y]


def _two(name: str, table: str = "") -> Callable[[Tflite, RNG, str], tuple[list[int], list[int]]]:
    return lambda t, rng, dtype: _binary(t, rng, dtype, name, table)


def quantize(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    """From floats, or from codes of another scale."""
    shape = _image(rng)
    about = _about(rng, dtype, float(np.exp(rng.uniform(-6, -2))))
    from_floats = dtype != "int16" and rng.random() < 0.5
    x = (
        t.tensor(shape)
        if from_floats
        else t.tensor(
            shape, dtype, **_about(rng, dtype, about["scale"] * float(np.exp(rng.uniform(-1, 1))))
        )
    )
    y = t.tensor(shape, dtype, **about)
    t.step("QUANTIZE", [x], [y], version=2)
    return [x], [y]


def dequantize(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape = _image(rng)
    x, y = t.tensor(shape, dtype, **_about(rng, dtype)), t.tensor(shape)
    t.step("DEQUANTIZE", [x], [y], version=3)
    return [x], [y]


def prelu(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape, about = _image(rng), _about(rng, dtype)
    x = t.tensor(shape, dtype, **about)
    slopes = (1, 1, shape[3])
    if dtype == "float32":
        alpha = t.constant(rng.normal(size=slopes))
    else:
        alpha = t.constant(rng.integers(-100, 127, slopes), dtype, scale=0.006, zero=0)
    y = t.tensor(shape, dtype, **_about(rng, dtype, None if dtype == "float32" else about["scale"]))
    t.step("PRELU", [x, alpha], [y])
    return [x], [y]


def concatenation(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape, about, axis = list(_image(rng)), _about(rng, dtype), int(rng.integers(-4, 4))
    sizes = [int(size) for size in rng.integers(1, 5, 3)]
    inputs = []
    for size in sizes:
        shape[axis] = size
        own = _about(rng, dtype) if dtype == "uint8" else about
        inputs.append(t.tensor(shape, dtype, **own))
    shape[axis] = sum(sizes)
    y = t.tensor(shape, dtype, **about)
    t.step("CONCATENATION", inputs, [y], "ConcatenationOptions", Axis=axis)
    return inputs, [y]


def pad(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    """PAD, or PADV2 with a number of its own."""
    shape, about = _image(rng), _about(rng, dtype)
    pads = rng.integers(0, 3, (4, 2))
    x = t.tensor(shape, dtype, **about)
    y = t.tensor([size + int(p.sum()) for size, p in zip(shape, pads, strict=True)], dtype, **about)
    if rng.random() < 0.5:
        filler = t.constant([3], dtype, **about)
        t.step("PADV2", [x, t.constant(pads, "int32"), filler], [y], version=2)
    else:
        t.step("PAD", [x, t.constant(pads, "int32")], [y], version=2)
    return [x], [y]


def mirror_pad(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape, about = _image(rng), _about(rng, dtype)
    pads = np.array([[0, 0], rng.integers(0, 3, 2), rng.integers(0, 3, 2), [0, 0]])
    x = t.tensor(shape, dtype, **about)
    y = t.tensor([size + int(p.sum()) for size, p in zip(shape, pads, strict=True)], dtype, **about)
    t.step(
        "MIRROR_PAD",
        [x, t.constant(pads, "int32")],
        [y],
        "MirrorPadOptions",
        Mode=int(rng.integers(0, 2)),
        version=2,
    )
    return [x], [y]


def transpose(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape, about, order = _image(rng), _about(rng, dtype), rng.permutation(4)
    x = t.tensor(shape, dtype, **about)
    y = t.tensor([shape[axis] for axis in order], dtype, **about)
    t.step("TRANSPOSE", [x, t.constant(order, "int32")], [y], version=2)
    return [x], [y]


def reshape(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    """RESHAPE to one row behind a convolution-like order, then back."""
    shape, about = _image(rng), _about(rng, dtype)
    x, flat = t.tensor(shape, dtype, **about), t.tensor((1, math.prod(shape)), dtype, **about)
    y = t.tensor((*shape[1:], 1), dtype, **about)
    t.step("RESHAPE", [x, t.constant([1, -1], "int32")], [flat], "ReshapeOptions", NewShape=[1, -1])
    t.step("RESHAPE", [flat, t.constant([*shape[1:], 1], "int32")], [y])
    return [x], [y]


def strided_slice(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape, about = _image(rng), _about(rng, dtype)
    stride = [int(step) for step in rng.choice([-2, -1, 1, 2], 4)]
    begin = [int(rng.integers(-size, size)) for size in shape]
    end = [int(rng.integers(-size, size + 1)) for size in shape]
    masks = [int(mask) for mask in rng.integers(0, 16, 2)]
    shrink = int(rng.choice([0, 0, 1, 2, 4]))
    index: list[Any] = []
    for axis in range(4):
        if shrink >> axis & 1:
            index.append(begin[axis])
            stride[axis] = 1
        else:
            first = None if masks[0] >> axis & 1 else begin[axis]
            last = None if masks[1] >> axis & 1 else end[axis]
            index.append(slice(first, last, stride[axis]))
    after = np.zeros(shape)[tuple(index)].shape
    if 0 in after:
        return strided_slice(t, rng, dtype)
    x, y = t.tensor(shape, dtype, **about), t.tensor(after, dtype, **about)
    places = [t.constant(values, "int32") for values in (begin, end, stride)]
    t.step(
        "STRIDED_SLICE",
        [x, *places],
        [y],
        "StridedSliceOptions",
        BeginMask=masks[0],
        EndMask=masks[1],
        ShrinkAxisMask=shrink,
        version=2,
    )
    return [x], [y]


def slice_(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape, about = _image(rng), _about(rng, dtype)
    begin = [int(rng.integers(0, size)) for size in shape]
    size = [
        int(rng.integers(1, whole - first + 1)) for whole, first in zip(shape, begin, strict=True)
    ]
    x, y = t.tensor(shape, dtype, **about), t.tensor(size, dtype, **about)
    wanted = [
        -1 if first + count == whole else count
        for whole, first, count in zip(shape, begin, size, strict=True)
    ]
    t.step("SLICE", [x, t.constant(begin, "int32"), t.constant(wanted, "int32")], [y], version=2)
    return [x], [y]


def split(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    about, axis, parts = _about(rng, dtype), int(rng.integers(1, 4)), int(rng.integers(2, 4))
    part = list(_image(rng))
    whole = [*part[:axis], part[axis] * parts, *part[axis + 1 :]]
    x = t.tensor(whole, dtype, **about)
    outputs = [t.tensor(part, dtype, **about) for _ in range(parts)]
    t.step(
        "SPLIT",
        [t.constant([axis], "int32"), x],
        outputs,
        "SplitOptions",
        NumSplits=parts,
        version=2,
    )
    return [x], outputs


def pack_unpack(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    """PACK of two, UNPACK along another axis."""
    shape, about = _image(rng)[1:], _about(rng, dtype)
    inputs = [t.tensor(shape, dtype, **about) for _ in range(2)]
    packed = t.tensor((shape[0], 2, *shape[1:]), dtype, **about)
    t.step("PACK", inputs, [packed], "PackOptions", ValuesCount=2, Axis=1, version=2)
    outputs = [t.tensor((2, *shape[1:]), dtype, **about) for _ in range(shape[0])]
    t.step("UNPACK", [packed], outputs, "UnpackOptions", Num=shape[0], Axis=0, version=2)
    return inputs, outputs


def _resize(t: Tflite, rng: RNG, dtype: str, name: str, table: str) -> tuple[list[int], list[int]]:
    shape, about = _image(rng), _about(rng, dtype)
    size = [int(length) for length in rng.integers(1, 16, 2)]
    x, y = t.tensor(shape, dtype, **about), t.tensor((1, *size, shape[3]), dtype, **about)
    way = int(rng.integers(0, 3))
    t.step(
        name,
        [x, t.constant(size, "int32")],
        [y],
        table,
        AlignCorners=way == 1,
        HalfPixelCenters=way == 2,
        version=3,
    )
    return [x], [y]


def resize_bilinear(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    return _resize(t, rng, dtype, "RESIZE_BILINEAR", "ResizeBilinearOptions")


def resize_nearest(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    return _resize(t, rng, dtype, "RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")


def arg_max(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape = (1, int(rng.integers(1, 5)), int(rng.integers(2, 9)))
    x, y = t.tensor(shape, dtype, **_about(rng, dtype)), t.tensor(shape[:2], "int32")
    t.step("ARG_MAX", [x, t.constant([-1], "int32")], [y], "ArgMaxOptions", OutputType=2, version=2)
    return [x], [y]


def gather(t: Tflite, rng: RNG, dtype: str) -> tuple[list[int], list[int]]:
    shape, about, axis = _image(rng), _about(rng, dtype), int(rng.integers(0, 4))
    places = rng.integers(0, shape[axis], 3)
    x = t.tensor(shape, dtype, **about)
    y = t.tensor((*shape[:axis], 3, *shape[axis + 1 :]), dtype, **about)
    t.step("GATHER", [x, t.constant(places, "int32")], [y], "GatherOptions", Axis=axis, version=2)
    return [x], [y]


INT8 = ("float32", "int8", "uint8", "int16")
FLOATS = ("float32",)
CASES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "CONV_2D": (conv_2d, INT8),
    "DEPTHWISE_CONV_2D": (depthwise_conv_2d, INT8),
    "TRANSPOSE_CONV": (transpose_conv, INT8),
    "FULLY_CONNECTED": (fully_connected, INT8),
    "BATCH_MATMUL": (batch_matmul, ("float32", "int8", "int16")),
    "AVERAGE_POOL_2D": (average_pool_2d, INT8),
    "MAX_POOL_2D": (max_pool_2d, INT8),
    "MEAN": (mean, INT8),
    "SUM": (sum_, FLOATS),
    "REDUCE_MAX": (reduce_max, INT8),
    "SOFTMAX": (softmax, INT8),
    "LOGISTIC": (_of("LOGISTIC"), INT8),
    "TANH": (_of("TANH"), INT8),
    "RELU": (_of("RELU"), INT8),
    "RELU6": (_of("RELU6"), INT8),
    "RELU_N1_TO_1": (_of("RELU_N1_TO_1"), ("float32", "int8", "uint8")),
    "HARD_SWISH": (_of("HARD_SWISH"), ("float32", "int8", "uint8")),
    "LEAKY_RELU": (_of("LEAKY_RELU", "LeakyReluOptions", Alpha=0.1), ("float32", "int8", "uint8")),
    "ELU": (_of("ELU"), ("float32", "int8")),
    "GELU": (_of("GELU", "GeluOptions", Approximate=False), ("float32", "int8")),
    "EXP": (_of("EXP"), ("float32", "int8")),
    "ABS": (_of("ABS"), ("float32", "int8")),
    "SQUARE": (_of("SQUARE"), FLOATS),
    "NEG": (_of("NEG"), FLOATS),
    "FLOOR": (_of("FLOOR"), FLOATS),
    "ADD": (_two("ADD", "AddOptions"), INT8),
    "SUB": (_two("SUB", "SubOptions"), INT8),
    "MUL": (_two("MUL", "MulOptions"), INT8),
    "DIV": (_two("DIV", "DivOptions"), FLOATS),
    "MAXIMUM": (_two("MAXIMUM", "MaximumMinimumOptions"), INT8),
    "MINIMUM": (_two("MINIMUM", "MaximumMinimumOptions"), INT8),
    "SQUARED_DIFFERENCE": (
        _two("SQUARED_DIFFERENCE", "SquaredDifferenceOptions"),
        ("float32", "int8"),
    ),
    "PRELU": (prelu, ("float32", "int8", "uint8")),
    "QUANTIZE": (quantize, ("int8", "uint8", "int16")),
    "DEQUANTIZE": (dequantize, ("int8", "uint8", "int16")),
    "CONCATENATION": (concatenation, INT8),
    "PAD": (pad, INT8),
    "MIRROR_PAD": (mirror_pad, ("float32", "int8")),
    "TRANSPOSE": (transpose, INT8),
    "RESHAPE": (reshape, INT8),
    "STRIDED_SLICE": (strided_slice, INT8),
    "SLICE": (slice_, INT8),
    "SPLIT": (split, INT8),
    "PACK": (pack_unpack, ("float32", "int8", "uint8")),
    "RESIZE_BILINEAR": (resize_bilinear, ("float32", "int8")),
    "RESIZE_NEAREST_NEIGHBOR": (resize_nearest, ("float32", "int8", "uint8")),
    "ARG_MAX": (arg_max, ("float32", "int8", "uint8")),
    "GATHER": (gather, ("float32", "int8")),
}
ALL = [
    pytest.param(name, dtype, id=f"{name}-{dtype}")
    for name, (_, dtypes) in CASES.items()
    for dtype in dtypes
]


def _frames(t: Tflite, inputs: list[int], rng: RNG) -> list[list[Any]]:
    """Return inputs over the whole range of codes, and some that use a small part of it."""
    frames = []
    for number in range(FRAMES):
        frame = []
        for index in inputs:
            tensor = t.tensors[index]
            if tensor.dtype == "float32":
                frame.append((rng.normal(size=tensor.shape) * 3).astype(np.float32))
                continue
            limits = np.iinfo(tensor.dtype)
            low, high = limits.min, limits.max + 1
            if number % 3 == 2:
                low = int(rng.integers(low, high - 20))
                high = low + 20
            frame.append(rng.integers(low, high, tensor.shape).astype(tensor.dtype))
        frames.append(frame)
    return frames


def _engine(data: bytes, frames: list[list[Any]]) -> list[list[Any]]:
    import edgekit_runtime  # noqa: PLC0415 (the native module: this file is read without it too)

    model = to_onnx(data)
    proto = onnx.load_from_string(model.onnx)
    onnx.checker.check_model(proto, full_check=True)
    stable_forms.write_out(proto)  # as every model is prepared
    archive = edgekit_runtime.import_onnx(proto.SerializeToString())
    session = edgekit_runtime.Session(archive)
    results = []
    for frame in frames:
        given = session.run(
            {
                tensor.name: values.tobytes()
                for tensor, values in zip(model.inputs, frame, strict=True)
            }
        )
        results.append(
            [
                np.frombuffer(given[tensor.name], tensor.dtype).reshape(tensor.shape)
                for tensor in model.outputs
            ]
        )
    return results


ALLOWED = {
    ("SOFTMAX", "int8"): 1,
    ("SOFTMAX", "uint8"): 1,
    ("FULLY_CONNECTED", "int16"): 1,
    # LiteRT interpolates in tables of its own for 16 bits
    ("SOFTMAX", "int16"): 64,
    ("LOGISTIC", "int16"): 4,
    ("TANH", "int16"): 4,
}
"""Codes; everything else is equal."""


def _compare(name: str, dtype: str, seed: int, new_tflite: type[Tflite], litert: RunLitert) -> None:
    rng = np.random.default_rng(seed)
    t = new_tflite()
    inputs, outputs = CASES[name][0](t, rng, dtype)
    data, frames = t.finish(inputs, outputs), _frames(t, inputs, rng)
    expected = litert(data, frames)
    given = _engine(data, frames)
    for ours, theirs in zip(given, expected, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert a.shape == b.shape
            assert a.dtype == b.dtype
            if a.dtype.kind == "f":
                scale = max(1e-30, float(np.abs(b).max(initial=0)))
                # sums that cancel out keep the rounding of what they were made of
                assert np.abs(a - b).max(initial=0) <= 1e-5 * scale + 1e-6
            else:
                difference = np.abs(a.astype(np.int64) - b.astype(np.int64)).max(initial=0)
                assert difference <= ALLOWED.get((name, dtype), 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "dtype"), ALL)
def test_operator_equals_litert(
    name: str, dtype: str, seed: int, new_tflite: type[Tflite], litert: RunLitert
) -> None:
    """The same codes for random shapes, scales and options; floats within 1e-5 of the scale."""
    _compare(name, dtype, seed, new_tflite, litert)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype"), ALL)
def test_operator_equals_litert_often(
    name: str, dtype: str, new_tflite: type[Tflite], litert: RunLitert
) -> None:
    """The same over a hundred random models for each operator and type."""
    for seed in range(100, 200):
        _compare(name, dtype, seed, new_tflite, litert)
