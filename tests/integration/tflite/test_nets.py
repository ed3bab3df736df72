"""Operators together: whole nets, weights in other formats, and sums that float32 would lose."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from edgekit.model.tflite import to_onnx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.tflite.conftest import RunLitert, Tflite

pytestmark = pytest.mark.native


@functools.cache
def _opened(data: bytes) -> Any:
    import edgekit_runtime  # noqa: PLC0415 (the native module: this file is read without it too)

    model = to_onnx(data)
    return model, edgekit_runtime.Session(edgekit_runtime.import_onnx(model.onnx))


def _run(data: bytes, frame: Sequence[Any]) -> Any:
    """Return the first output of the engine."""
    model, session = _opened(data)
    values = {
        tensor.name: array.tobytes() for tensor, array in zip(model.inputs, frame, strict=True)
    }
    made = model.outputs[0]
    return np.frombuffer(session.run(values)[made.name], made.dtype).reshape(made.shape)


def _net(t: Tflite, rng: np.random.Generator, dtype: str) -> tuple[int, int]:
    """Write convolution, depthwise, shortcut, pool, mean, dense, softmax, as small vision models have them."""
    is_codes = dtype == "int8"

    def activations(shape: Sequence[int], scale: float, zero: int) -> int:
        return t.tensor(shape, dtype, **({"scale": scale, "zero": zero} if is_codes else {}))

    def weights(shape: Sequence[int], axis: int, x_scale: float) -> list[int]:
        if not is_codes:
            return [
                t.constant(rng.normal(size=shape) / 4),
                t.constant(rng.normal(size=shape[axis])),
            ]
        scales = rng.uniform(0.002, 0.01, shape[axis]).astype(np.float32)
        codes = t.constant(rng.integers(-127, 128, shape), "int8", scale=scales, axis=axis)
        bias = rng.integers(-3000, 3000, shape[axis])
        return [codes, t.constant(bias, "int32", scale=scales * np.float32(x_scale))]

    x = activations((1, 13, 11, 3), 0.02, 5)
    a = activations((1, 7, 6, 8), 0.05, -128)
    options = {"Padding": 0, "FusedActivationFunction": 1}
    t.step(
        "CONV_2D",
        [x, *weights((8, 3, 3, 3), 0, 0.02)],
        [a],
        "Conv2DOptions",
        StrideH=2,
        StrideW=2,
        **options,
        version=3,
    )
    b = activations((1, 7, 6, 8), 0.06, -128)
    t.step(
        "DEPTHWISE_CONV_2D",
        [a, *weights((1, 3, 3, 8), 3, 0.05)],
        [b],
        "DepthwiseConv2DOptions",
        StrideH=1,
        StrideW=1,
        DepthMultiplier=1,
        **options,
        version=3,
    )
    c = activations((1, 7, 6, 8), 0.09, -100)
    t.step("ADD", [a, b], [c], "AddOptions", version=2)
    d = activations((1, 3, 3, 8), 0.09, -100)
    pool = {"FilterHeight": 2, "FilterWidth": 2, "StrideH": 2, "StrideW": 2, "Padding": 1}
    t.step("MAX_POOL_2D", [c], [d], "Pool2DOptions", **pool, version=2)
    e = activations((1, 8), 0.07, -110)
    t.step("MEAN", [d, t.constant([1, 2], "int32")], [e], "ReducerOptions", version=2)
    f = activations((1, 5), 0.1, 3)
    t.step(
        "FULLY_CONNECTED",
        [e, *weights((5, 8), 0, 0.07)],
        [f],
        "FullyConnectedOptions",
        version=4,
    )
    g = activations((1, 5), 1 / 256, -128)
    t.step("SOFTMAX", [f], [g], "SoftmaxOptions", Beta=1.0, version=2)
    return x, g


def _keyword_spotter(t: Tflite, rng: np.random.Generator) -> tuple[int, int]:
    """Write the shape of MLPerf Tiny's keyword spotter in codes: 49 by 10 features, depthwise-separable, 12 words."""

    def layer(
        name: str, x: int, about: dict[str, Any], shape: Sequence[int], **options: Any
    ) -> int:
        axis = 3 if name == "DEPTHWISE_CONV_2D" else 0
        out = shape[axis]
        scales = rng.uniform(0.001, 0.004, out).astype(np.float32)
        codes = t.constant(rng.integers(-127, 128, shape), "int8", scale=scales, axis=axis)
        bias = rng.integers(-4000, 4000, out)
        y = t.tensor((1, 25, 5, out), "int8", scale=0.04, zero=-128)
        t.step(
            name,
            [x, codes, t.constant(bias, "int32", scale=scales * np.float32(about["scale"]))],
            [y],
            "Conv2DOptions" if axis == 0 else "DepthwiseConv2DOptions",
            FusedActivationFunction=1,
            **options,
            version=3,
        )
        return y

    about = {"scale": 0.5847, "zero": 83}
    x = given = t.tensor((1, 49, 10, 1), "int8", **about)
    x = layer("CONV_2D", x, about, (64, 10, 4, 1), StrideH=2, StrideW=2)
    for _ in range(4):
        about = {"scale": 0.04}
        ones = {"StrideH": 1, "StrideW": 1}
        x = layer("DEPTHWISE_CONV_2D", x, about, (1, 3, 3, 64), DepthMultiplier=1, **ones)
        x = layer("CONV_2D", x, about, (64, 1, 1, 64), **ones)
    pooled = t.tensor((1, 1, 1, 64), "int8", scale=0.04, zero=-128)
    whole = {"FilterHeight": 25, "FilterWidth": 5, "StrideH": 25, "StrideW": 5, "Padding": 1}
    t.step("AVERAGE_POOL_2D", [x], [pooled], "Pool2DOptions", **whole, version=2)
    flat = t.tensor((1, 64), "int8", scale=0.04, zero=-128)
    t.step("RESHAPE", [pooled, t.constant([-1, 64], "int32")], [flat])
    logits = t.tensor((1, 12), "int8", scale=0.15, zero=10)
    weights = t.constant(rng.integers(-127, 128, (12, 64)), "int8", scale=0.004)
    t.step("FULLY_CONNECTED", [flat, weights, -1], [logits], "FullyConnectedOptions", version=4)
    y = t.tensor((1, 12), "int8", scale=1 / 256, zero=-128)
    t.step("SOFTMAX", [logits], [y], "SoftmaxOptions", Beta=1.0, version=2)
    return given, y


@pytest.mark.parametrize("count", [30, pytest.param(500, marks=pytest.mark.slow)])
def test_a_keyword_spotter_equals_litert(
    count: int, new_tflite: type[Tflite], litert: RunLitert
) -> None:
    """Every code of random and constant features."""
    rng, t = np.random.default_rng(8), new_tflite()
    x, y = _keyword_spotter(t, rng)
    data, shape = t.finish([x], [y]), (1, 49, 10, 1)
    frames = [
        rng.integers(-128, 128, shape) if number % 3 else np.full(shape, rng.integers(-128, 128))
        for number in range(count)
    ]
    codes = [[frame.astype(np.int8)] for frame in frames]

    expected = litert(data, codes)

    assert len({values.tobytes() for (values,) in expected}) > 10
    for frame, (wanted,) in zip(codes, expected, strict=True):
        assert np.array_equal(_run(data, frame), wanted)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_a_net_equals_litert(dtype: str, new_tflite: type[Tflite], litert: RunLitert) -> None:
    """Every code of six nets; floats within 1e-5."""
    for seed in range(6):
        rng, t = np.random.default_rng(seed), new_tflite()
        x, y = _net(t, rng, dtype)
        data = t.finish([x], [y])
        frame = rng.normal(size=(1, 13, 11, 3)).astype(np.float32)
        if dtype == "int8":
            frame = rng.integers(-128, 128, frame.shape).astype(np.int8)

        expected, given = litert(data, [[frame]])[0][0], _run(data, [frame])

        if dtype == "int8":
            assert np.array_equal(given, expected)
        else:
            assert np.abs(given - expected).max() < 1e-5


def test_a_picture_is_transposed_once(new_tflite: type[Tflite]) -> None:
    """From channels last at the input to channels first; nothing turns it back and forth between operators."""
    t = new_tflite()
    x, y = _net(t, np.random.default_rng(0), "int8")

    nodes = onnx.load_from_string(to_onnx(t.finish([x], [y])).onnx).graph.node

    assert [node.op_type for node in nodes].count("Transpose") == 1


@pytest.mark.parametrize(("dtype", "inputs"), [("int8", 3000), ("int16", 40), ("int16", 700)])
def test_sums_beyond_float32_are_exact(
    dtype: str, inputs: int, new_tflite: type[Tflite], litert: RunLitert
) -> None:
    """All weights at their largest: sums of far over 2^24, with a bias that is as large."""
    t, rng = new_tflite(), np.random.default_rng(3)
    codes = np.where(rng.random((6, inputs)) < 0.9, 127, -126)
    x = t.tensor((1, inputs), dtype, scale=0.01, zero=0)
    weights = t.constant(codes, "int8", scale=0.01)
    bias = rng.integers(-(2**28), 2**28, 6)
    kind = "int64" if dtype == "int16" else "int32"
    limits = np.iinfo(dtype)
    reach = float(limits.max) * 127 * inputs * 1e-4
    y = t.tensor((1, 6), dtype, scale=reach / limits.max, zero=0)
    t.step(
        "FULLY_CONNECTED",
        [x, weights, t.constant(bias, kind, scale=0.0001)],
        [y],
        "FullyConnectedOptions",
        version=7,
    )
    data = t.finish([x], [y])
    frames = [
        [rng.integers(limits.min, limits.max + 1, (1, inputs)).astype(dtype)] for _ in range(20)
    ]
    frames += [
        [np.full((1, inputs), limits.max, dtype)],
        [np.full((1, inputs), limits.min + 1, dtype)],
    ]

    expected = litert(data, frames)

    for frame, (wanted,) in zip(frames, expected, strict=True):
        assert np.array_equal(_run(data, frame), wanted)


@pytest.mark.parametrize("channels", [300])
def test_wide_convolutions_are_exact(
    channels: int, new_tflite: type[Tflite], litert: RunLitert
) -> None:
    """3 by 3 over three hundred channels, all weights at their largest: the channels are summed in parts."""
    t, rng = new_tflite(), np.random.default_rng(4)
    x = t.tensor((1, 4, 4, channels), "int8", scale=0.01, zero=-128)
    weights = t.constant(np.full((2, 3, 3, channels), 127), "int8", scale=[0.01, 0.02])
    y = t.tensor((1, 2, 2, 2), "int8", scale=60.0, zero=-100)
    bias = t.constant([12345, -54321], "int32", scale=[0.0001, 0.0002])
    t.step(
        "CONV_2D",
        [x, weights, bias],
        [y],
        "Conv2DOptions",
        Padding=1,
        StrideH=1,
        StrideW=1,
        version=3,
    )
    data = t.finish([x], [y])
    frames = [[rng.integers(-128, 128, (1, 4, 4, channels)).astype(np.int8)] for _ in range(5)]

    for frame, (wanted,) in zip(frames, litert(data, frames), strict=True):
        assert np.array_equal(_run(data, frame), wanted)


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_weights_behind_dequantize(kind: str, new_tflite: type[Tflite], litert: RunLitert) -> None:
    """Weights kept small in the file, floats in the computation: constants once it is read."""
    t, rng = new_tflite(), np.random.default_rng(5)
    x = t.tensor((1, 7))
    if kind == "float16":
        small = t.constant(rng.normal(size=(4, 7)), "float16")
    else:
        small = t.constant(rng.integers(-127, 128, (4, 7)), "int8", scale=0.02)
    weights, y = t.tensor((4, 7)), t.tensor((1, 4))
    t.step("DEQUANTIZE", [small], [weights], version=3)
    t.step("FULLY_CONNECTED", [x, weights, -1], [y], "FullyConnectedOptions")
    data, frame = t.finish([x], [y]), rng.normal(size=(1, 7)).astype(np.float32)

    given = _run(data, [frame])

    assert np.abs(given - litert(data, [[frame]])[0][0]).max() < 1e-5
    assert "DequantizeLinear" not in {
        node.op_type for node in onnx.load_from_string(to_onnx(data).onnx).graph.node
    }


@pytest.mark.parametrize("asymmetric", [False, True])
def test_int8_weights_in_a_float_operator(
    asymmetric: bool, new_tflite: type[Tflite], litert: RunLitert
) -> None:
    """Dynamic range: the input is quantised as it comes, with LiteRT's own rounding."""
    t, rng = new_tflite(), np.random.default_rng(6)
    x, y = t.tensor((1, 50)), t.tensor((1, 20))
    weights = t.constant(rng.integers(-127, 128, (20, 50)), "int8", scale=0.01)
    bias = t.constant(rng.normal(size=20))
    t.step(
        "FULLY_CONNECTED",
        [x, weights, bias],
        [y],
        "FullyConnectedOptions",
        AsymmetricQuantizeInputs=asymmetric,
        version=9,
    )
    data = t.finish([x], [y])
    frames = [[rng.normal(size=(1, 50)).astype(np.float32)] for _ in range(20)]
    frames.append([np.zeros((1, 50), np.float32)])

    for frame, (wanted,) in zip(frames, litert(data, frames), strict=True):
        # without an offset to the last bit; with one LiteRT adds in an order of its own
        allowed = 1e-6 * np.abs(wanted).max() if asymmetric else 0.0
        assert np.abs(_run(data, frame) - wanted).max() <= allowed
    assert any("int8 weights" in line for line in to_onnx(data).notes)


@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_int8_weights_in_a_float_convolution(
    name: str, new_tflite: type[Tflite], litert: RunLitert
) -> None:
    """The same with a scale for each channel: within the last bits of float32."""
    t, rng = new_tflite(), np.random.default_rng(7)
    x, y = t.tensor((1, 9, 8, 4)), t.tensor((1, 9, 8, 4))
    is_depthwise = name == "DEPTHWISE_CONV_2D"
    shape = (1, 3, 3, 4) if is_depthwise else (4, 3, 3, 4)
    scales = rng.uniform(0.002, 0.01, 4).astype(np.float32)
    weights = t.constant(
        rng.integers(-127, 128, shape), "int8", scale=scales, axis=3 if is_depthwise else 0
    )
    options = {"DepthMultiplier": 1} if is_depthwise else {}
    t.step(
        name,
        [x, weights, t.constant(rng.normal(size=4))],
        [y],
        "DepthwiseConv2DOptions" if is_depthwise else "Conv2DOptions",
        Padding=0,
        StrideH=1,
        StrideW=1,
        **options,
        version=6 if is_depthwise else 5,
    )
    data = t.finish([x], [y])
    frames = [[rng.normal(size=(1, 9, 8, 4)).astype(np.float32)] for _ in range(10)]

    for frame, (wanted,) in zip(frames, litert(data, frames), strict=True):
        assert np.abs(_run(data, frame) - wanted).max() < 1e-6 * np.abs(wanted).max()
