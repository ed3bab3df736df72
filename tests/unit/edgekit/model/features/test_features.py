"""Features three ways: the graph's operators in ONNX Runtime, the proof's NumPy, and the libraries they are named after."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edgekit.errors import ModelError
from edgekit.features_section import (
    Features,
    LogMelFeatures,
    MfccFeatures,
    SpectrumFeatures,
    Statistic,
    StatisticsFeatures,
)
from edgekit.model.features import graph
from edgekit.model.graph_spec import GraphSpec
from edgekit.model.proof.feature_reference import features_of

FOLDER = Path(__file__).parents[4] / "data" / "features"
RATE_HZ = 16000

LIBROSA = LogMelFeatures(kind="log-mel", frame=512, step=160, bins=40)
LIBROSA_MFCC = MfccFeatures(kind="mfcc", frame=512, step=160, bins=40, coefficients=13)
KEYWORDS = LogMelFeatures(
    kind="log-mel",
    frame=480,
    step=320,
    n_fft=512,
    bins=40,
    mel="tf",
    fmin=20,
    fmax=4000,
    power=1,
    log="ln",
    add=1e-6,
    floor=0,
)
KEYWORDS_MFCC = MfccFeatures(
    kind="mfcc",
    frame=480,
    step=320,
    n_fft=512,
    bins=40,
    mel="tf",
    fmin=20,
    fmax=4000,
    power=1,
    log="ln",
    add=1e-6,
    floor=0,
    dct="tf",
    coefficients=10,
)
WAKE_WORD = LogMelFeatures(
    kind="log-mel",
    frame=1024,
    step=512,
    bins=40,
    mel="tf",
    window_function="hamming",
    periodic=False,
    pre_emphasis=0.96875,
    floor=1e-30,
    scale=1 / 64,
    offset=(52 - 10 * np.log10(1024)) / 64,
    clip=(0, 1),
)
HTK = LogMelFeatures(
    kind="log-mel",
    frame=512,
    step=160,
    bins=26,
    mel="htk",
    power=1,
    mel_norm="none",
    fmin=100,
    fmax=7000,
    window_function="hamming",
    pre_emphasis=0.97,
    floor=1e-5,
)
ALL_STATISTICS = get_args(Statistic)

OF_LIBRARIES = [
    ("librosa", "log_mel", LIBROSA),
    ("librosa", "htk_magnitude", HTK),
    ("librosa", "mfcc", LIBROSA_MFCC),
    ("librosa", "mfcc_liftered", replace(LIBROSA_MFCC, lifter=22)),
    ("tensorflow", "log_mel", KEYWORDS),
    ("tensorflow", "mfcc", KEYWORDS_MFCC),
    ("tensorflow", "wake_word", WAKE_WORD),
]


def _from_graph(window: Any, features: Features, rate_hz: float, opset: int = 17) -> Any:
    """Return features `[channels, frames, values]` of `[window, channels]` as the graph gives them."""
    length, channels = window.shape
    spec = GraphSpec(window=length, channels=channels, features=features, rate_hz=rate_hz)
    written = graph.write(spec, "samples", opset)
    body = helper.make_graph(
        written.nodes,
        "features",
        [helper.make_tensor_value_info("samples", TensorProto.FLOAT, [length, channels])],
        [helper.make_tensor_value_info(written.at, TensorProto.FLOAT, ["C", "T", "V"])],
        written.constants,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"samples": window})[0]


def _from_numpy(window: Any, features: Features, rate_hz: float) -> Any:
    return features_of(window[np.newaxis], features, rate_hz)[0].transpose(1, 0, 2)


def _made_by(library: str) -> dict[str, Any]:
    """Return the samples and what the library makes of them."""
    made = json.loads((FOLDER / f"{library}.json").read_text())
    return {
        name: np.array(values, np.float32) for name, values in made.items() if name != "versions"
    }


@pytest.mark.parametrize(("library", "name", "features"), OF_LIBRARIES)
def test_the_numbers_are_the_librarys(library: str, name: str, features: Features) -> None:
    """Within what float32 loses in the library itself, from the same samples."""
    made = _made_by(library)
    samples, expected = made["samples"][:, np.newaxis], made[name]

    for found in (
        _from_graph(samples, features, RATE_HZ),
        _from_numpy(samples, features, RATE_HZ),
    ):
        assert found.shape == (1, *expected.shape)
        np.testing.assert_allclose(found[0], expected, atol=3e-6 * np.abs(expected).max())


def test_a_spectrum_is_librosas_with_a_shorter_window() -> None:
    """Librosa puts a window of 400 into the middle of 512 samples: its frames begin 56 samples earlier."""
    made = _made_by("librosa")
    features = SpectrumFeatures(kind="spectrum", frame=400, step=160, n_fft=512, power=1)

    found = _from_graph(made["samples"][56:, np.newaxis], features, RATE_HZ)[0]

    np.testing.assert_allclose(found, made["spectrum"], atol=1e-5)


@pytest.mark.parametrize("name", ["mean", "std", "skewness", "kurtosis", "rms", "zero-crossings"])
def test_statistics_are_those_of_numpy_scipy_and_librosa(name: Statistic) -> None:
    """Deviations divide by n; kurtosis is in excess of the normal distribution's."""
    made = _made_by("librosa")
    features = StatisticsFeatures(kind="statistics", frame=200, step=100, values=(name,))

    found = _from_graph(made["samples"][:, np.newaxis], features, RATE_HZ)

    np.testing.assert_allclose(found[0, :, 0], made[f"statistics_{name}"], rtol=1e-6, atol=1e-6)


def _signals(length: int, channels: int) -> list[Any]:
    """Return noise, a constant, a tone that leaves bins empty, little noise on a large offset, and steps of integers."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(length, channels))
    tone = np.sin(np.arange(length)[:, np.newaxis] / 7 + np.arange(channels))
    signals = [
        noise,
        np.full((length, channels), 0.7),
        tone,
        9.81 + 1e-3 * noise,
        np.rint(3 * noise),
    ]
    return [signal.astype(np.float32) for signal in signals]


@pytest.mark.parametrize("opset", [17, 18, 21])
@pytest.mark.parametrize(
    "features",
    [
        LIBROSA,
        replace(LIBROSA, frame=400, n_fft=512, window_function="blackman", pre_emphasis=0.97),
        replace(LIBROSA_MFCC, lifter=22, mean=tuple(range(13)), std=2.0, clip=(-20, 20)),
        SpectrumFeatures(kind="spectrum", frame=100, step=160, power=1, fmin=2000, log="log10"),
        SpectrumFeatures(
            kind="spectrum", frame=101, step=50, window_function="rectangular", periodic=False
        ),
        StatisticsFeatures(kind="statistics", frame=100, step=30, values=ALL_STATISTICS),
        StatisticsFeatures(kind="statistics", frame=1600, step=1, values=ALL_STATISTICS),
        StatisticsFeatures(
            kind="statistics", frame=49, step=49, values=("mean", "std"), scale=(1, 2, 3, 4, 5, 6)
        ),
    ],
)
def test_graph_and_reference_are_two_truths(features: Features, opset: int) -> None:
    """Of three channels at once, to the last digits of float32, where a tone leaves nothing as well."""
    for signal in _signals(1600, 3):
        ours, theirs = (
            _from_graph(signal, features, RATE_HZ, opset),
            _from_numpy(signal, features, RATE_HZ),
        )
        np.testing.assert_allclose(ours, theirs, rtol=3e-7, atol=1e-9)


def test_a_constant_has_no_shape() -> None:
    """Skewness and kurtosis of nothing are 0, not NaN; a mean that is not a float32 makes no crossings."""
    features = StatisticsFeatures(
        kind="statistics", frame=49, step=49, values=("skewness", "kurtosis", "mean-crossings")
    )
    for level in (0.0, 0.1, -3e5, 101325.3):
        window = np.full((98, 1), level, np.float32)
        assert not _from_graph(window, features, 1.0).any()


def test_bands_without_a_bin_are_told() -> None:
    """More bands than the transform has bins: librosa warns, and the report says it."""
    features = LogMelFeatures(kind="log-mel", frame=64, step=64, bins=40)
    spec = GraphSpec(window=64, channels=1, features=features, rate_hz=RATE_HZ)

    assert "mel bands hold no bin" in graph.write(spec, "samples", 17).line


@pytest.mark.parametrize(("before", "after"), [(9, 17), (13, 17), (16, 17), (17, 17), (21, 21)])
def test_the_opset_is_raised_to_stft(before: int, after: int) -> None:
    """What is newer stays; what is older is converted and computes the same."""
    node = helper.make_node("Squeeze", ["x"], ["y"])
    if before < 13:
        node.attribute.append(helper.make_attribute("axes", [0]))  # an input since then
    body = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", before)], ir_version=8)

    graph.raise_opset(model)

    assert [item.version for item in model.opset_import] == [after]
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    value = np.arange(4, dtype=np.float32)
    np.testing.assert_array_equal(session.run(None, {"x": value[np.newaxis]})[0], value)


def test_what_cannot_be_raised_is_refused() -> None:
    """An operator of another time: the export call is what helps."""
    node = helper.make_node("Scatter", ["x", "i", "x"], ["y"])
    body = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4]),
            helper.make_tensor_value_info("i", TensorProto.INT64, [1, 4]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 7)], ir_version=8)

    with pytest.raises(ModelError, match="written in opset 7: features need opset 17") as caught:
        graph.raise_opset(model)

    assert "opset 17" in str(caught.value.hint)
