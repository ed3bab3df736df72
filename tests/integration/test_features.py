"""Features in the graph: proven, streamed, and the wake word from an audio file on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import edgekit
from edge_agent.config import Columns
from edge_agent.recording import RecordingReader
from edgekit.errors import ConfigError
from edgekit.model.compile import CompiledModel, compile_project
from edgekit.model.recorded import recorded_windows
from edgekit.project import Project, StreamInput

MakeOnnx = Callable[..., Path]

FLOAT, INT8 = TensorProto.FLOAT, TensorProto.INT8

pytestmark = pytest.mark.native

MODELS = Path(
    os.environ.get(
        "EDGEKIT_REFERENCE_MODELS", Path(__file__).parents[3] / "shared" / "reference-models"
    )
)
WAKE_WORD = MODELS / "sww"
RECORDING = WAKE_WORD / "short_wav_easy10s_mono.wav"

LOG_MEL = {"kind": "log-mel", "frame": 64, "step": 32, "bins": 10}


def _dense(make_onnx: MakeOnnx, shape: list[int | str], opset: int = 13) -> Path:
    """Return a model of features, flattened: 3 classes."""
    count = int(np.prod([length for length in shape[1:] if isinstance(length, int)]))
    weight = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32) / count
    return make_onnx(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["y"], axis=1),
        ],
        {"w": weight},
        inputs=[("x", FLOAT, shape)],
        outputs=[("y", FLOAT, [shape[0], 3])],
        opset=opset,
    )


@pytest.mark.parametrize(
    ("shape", "channels", "features"),
    [
        (["N", 7, 10], 1, LOG_MEL),
        ([1, 10, 7], 1, {**LOG_MEL, "n_fft": 128, "pre_emphasis": 0.97}),
        ([1, 7, 2, 10], 2, LOG_MEL),
        (
            [1, 7, 20],
            2,
            {**LOG_MEL, "layout": "time-value-channel", "mean": -20.0, "std": list(range(1, 11))},
        ),
        ([1, 7, 5], 1, {**LOG_MEL, "kind": "mfcc", "coefficients": 5, "mel": "tf", "dct": "tf"}),
        ([1, 7, 3, 33], 3, {"kind": "spectrum", "frame": 64, "step": 32, "power": 1}),
        (
            [1, 7, 12],
            3,
            {
                "kind": "statistics",
                "layout": "time-channel-value",
                "frame": 64,
                "step": 32,
                "values": ["mean", "std", "kurtosis", "rms"],
            },
        ),
    ],
)
def test_features_are_proven_and_streamed(
    make_onnx: MakeOnnx, shape: list[int | str], channels: int, features: dict[str, Any]
) -> None:
    """One frame a hop: the proof covers the features, and a stream computes each of them once."""
    lead = 1 if "pre_emphasis" in features else 0
    compiled = edgekit.compile(
        _dense(make_onnx, shape),
        window=64 + 6 * 32 + lead,
        hop=32,
        channels=channels,
        rate_hz=100,
        features=features,
        mode="incremental",  # of so little, steps cost no less than windows
    )

    assert (compiled.proof.verdict, compiled.mode) == ("proven", "incremental")
    assert compiled.proof.worst.max_abs_error < 1e-5
    assert any("features in the graph: 7 frames of 64" in line for line in compiled.rewrites)


def test_an_old_model_is_brought_to_the_opset_of_the_features(make_onnx: MakeOnnx) -> None:
    """STFT is of opset 17; what the model itself computes stays."""
    compiled = edgekit.compile(
        _dense(make_onnx, [1, 7, 10], 11), window=256, channels=1, rate_hz=100, features=LOG_MEL
    )

    assert compiled.proof.verdict == "proven"


def test_one_vector_of_statistics_a_window(make_onnx: MakeOnnx) -> None:
    """The usual pipeline of an accelerometer: 3 channels, 13 numbers each."""
    values = ["mean", "std", "min", "max", "rms", "range", "skewness", "kurtosis", "mean-crossings"]
    compiled = edgekit.compile(
        _dense(make_onnx, [1, 27]),
        window=128,
        hop=64,
        channels=["ax", "ay", "az"],
        rate_hz=50,
        features={
            "kind": "statistics",
            "frame": 128,
            "step": 128,
            "values": values,
            "layout": "value-channel-time",
        },
    )

    assert (compiled.proof.verdict, compiled.mode) == ("proven", "window")


def test_an_integer_input_takes_codes(make_onnx: MakeOnnx) -> None:
    """A quantised model's scale and zero point are the features' own `scale` and `offset`."""
    model = make_onnx(
        [
            helper.make_node("DequantizeLinear", ["x", "s", "z"], ["real"]),
            helper.make_node("ReduceMean", ["real"], ["y"], axes=[1], keepdims=0),
        ],
        {"s": np.float32(0.5), "z": np.int8(10)},
        inputs=[("x", INT8, [1, 7, 10])],
        outputs=[("y", FLOAT, [1, 10])],
    )
    compiled = edgekit.compile(
        model,
        window=256,
        hop=32,
        channels=1,
        rate_hz=100,
        features={**LOG_MEL, "scale": 2, "offset": 10},
        kind="raw",
    )
    silence = np.zeros((256, 1), np.float32)

    assert compiled.proof.verdict == "proven"
    # 100 dB below one is code 2 * -100 + 10, which int8 does not reach: -128, so (-128 - 10) / 2
    np.testing.assert_array_equal(compiled.predict(silence), np.full(10, -69, np.float32))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"features": LOG_MEL}, "`features` need `rate_hz`"),
        ({"features": {**LOG_MEL, "bans": 3}, "rate_hz": 100}, "`features.bans` is an unknown key"),
        ({"features": {"kind": "mel"}, "rate_hz": 100}, "`features.kind` is 'mel'"),
        ({"features": {**LOG_MEL, "floor": np.float32(1)}, "rate_hz": 100}, "cannot be read"),
        (
            {"features": LOG_MEL, "rate_hz": 100, "layout": "time-channel"},
            "is the order of samples",
        ),
        ({"features": LOG_MEL, "rate_hz": 10, "window": 60}, "takes 64 samples"),
    ],
)
def test_wrong_arguments_are_refused(
    make_onnx: MakeOnnx, arguments: dict[str, Any], says: str
) -> None:
    """As the keys of edgekit.toml are."""
    with pytest.raises(ConfigError, match=says):
        edgekit.compile(
            _dense(make_onnx, [1, 7, 10]), **{"window": 256, "channels": 1, **arguments}
        )


PROJECT = """
[project]
name = "marvin"
[model]
path = "{model}"
labels = ["marvin", "silence", "other"]
mode = "{mode}"
[input]
channels = ["audio"]
rate_hz = 16000
window = 15873  # 30 frames, and the sample before them
hop = 512
[input.features]  # as MLPerf Tiny's streaming wake word computes them
kind = "log-mel"
frame = 1024
step = 512
bins = 40
mel = "tf"
window_function = "hamming"
periodic = false
pre_emphasis = 0.96875
floor = 1e-30
scale = {scale}
offset = {offset}
clip = {clip}
"""
SCALE, OFFSET = 1 / 64, (52 - 10 * np.log10(1024)) / 64
STEP, ZERO = 0.0037010426, -128
FLOAT_MODEL = {
    "model": WAKE_WORD / "str_ww_stream_S.onnx",
    "scale": SCALE,
    "offset": OFFSET,
    "clip": [0, 1],
}
INT8_MODEL = {
    "model": WAKE_WORD / "str_ww_ref_model_qdq.onnx",
    "scale": SCALE / STEP,
    "offset": OFFSET / STEP + ZERO,
    "clip": [-128, 127],
}


def _wake_word(folder: Path, model: dict[str, Any], mode: str) -> tuple[CompiledModel, StreamInput]:
    text = PROJECT.format(**model, mode=mode)
    (folder / "edgekit.toml").write_text(text)
    project = Project.load(folder)
    assert isinstance(project.input, StreamInput)
    recorded = recorded_windows(RECORDING, project.input, Columns())
    compiled = compile_project(project, folder, recorded=recorded.raw[::8], use_cache=False)
    return compiled, project.input


def _words(ends_s: Any, scores: Any, threshold: float) -> tuple[list[int], int]:
    """Return which of the labelled words are found, and how many detections are of none."""
    words = json.loads((WAKE_WORD / "sww_short_test.json").read_text())[0]["detection_windows"]
    # a window is a second long: it has heard the word when it ends up to a second after it
    of_word = [(ends_s >= start) & (ends_s <= end + 1) for start, end in words]
    found = [bool((scores[heard] > threshold).any()) for heard in of_word]
    false = int((scores[~np.any(of_word, axis=0)] > threshold).sum())
    return [number for number, hit in enumerate(found) if hit], false


@pytest.mark.skipif(
    not WAKE_WORD.is_dir(),
    reason=f"the reference models are not at {MODELS}; EDGEKIT_REFERENCE_MODELS says where they are",
)
@pytest.mark.parametrize(
    ("model", "codes", "threshold", "mode"),
    [
        (FLOAT_MODEL, False, 0.9, "auto"),
        (FLOAT_MODEL, False, 0.9, "window"),
        (INT8_MODEL, True, 0.95, "auto"),
    ],
    ids=["float", "float in windows", "int8"],
)
def test_the_wake_word_is_found_from_the_audio_file_on(
    tmp_path: Path, model: dict[str, Any], codes: bool, threshold: float, mode: str
) -> None:
    """One frame a hop finds the words that the reference finds over windows, and no other; at less than half the cost."""
    compiled, stream = _wake_word(tmp_path, model, mode)
    reader = RecordingReader(RECORDING, stream, Columns())
    running = compiled.stream()
    given = [prediction for block in reader for prediction in running.push(block.samples)]
    ends = np.array([end for end, _ in given])
    ours = np.stack([np.frombuffer(values, np.float32) for _, values in given])
    windows = recorded_windows(RECORDING, stream, Columns()).raw
    theirs = compiled.reference().predict(windows)

    assert len(ours) == len(theirs) == 282
    np.testing.assert_array_equal(ends, stream.window + 512 * np.arange(282))
    np.testing.assert_allclose(ours, theirs, atol=0 if codes else 2e-6)
    step, zero = (1 / 256, -128.0) if codes else (1.0, 0.0)  # of the output's quantisation
    scores, expected = (step * (values[:, 0] - zero) for values in (ours, theirs))
    assert _words(ends / 16000, scores, threshold) == ([0, 1], 0)
    assert _words(ends / 16000, expected, threshold) == ([0, 1], 0)
    assert compiled.proof.verdict == "proven"
    assert compiled.mode == ("incremental" if mode == "auto" else "window")
    if mode == "auto":
        cost = compiled.proof.cost
        assert cost is not None
        assert cost["incremental"] and cost["window"]  # noqa: PT018 (both are there)
        assert cost["incremental"] < 0.5 * cost["window"]
