"""Third parties' models: each is proven, or refused for a reason that its owner would accept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.errors import ConfigError, ModelError, NotProven

MODELS = Path(
    os.environ.get(
        "EDGEKIT_REFERENCE_MODELS", Path(__file__).parents[3] / "shared" / "reference-models"
    )
)

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(
        not MODELS.is_dir(),
        reason=f"the reference models are not at {MODELS}; EDGEKIT_REFERENCE_MODELS says where they are",
    ),
]

WAKE_WORD = {"window": 30, "channels": 40, "hop": 1}


@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("har/har_st.onnx", {}),
        ("har/har_st.onnx", {"window": 26, "channels": 3, "hop": 13, "scale": 1 / 4000}),
        ("mlperf_tiny/ad01_fp32.onnx", {}),
        (
            "mlperf_tiny/ad01_fp32.onnx",
            {"window": 5, "channels": 128, "kind": "anomaly", "layout": "time-channel"},
        ),
        ("mlperf_tiny/pretrainedResnet.onnx", {}),
        ("mlperf_tiny/vww_96_float.onnx", {}),
        ("mlperf_tiny/vww_96_int8_qdq.onnx", {}),
        ("silero/silero_vad_openvino_16k.onnx", {}),
        ("sww/str_ww_ref_model_qdq.onnx", {}),
        ("sww/str_ww_ref_model_qdq.onnx", {**WAKE_WORD, "scale": 1 / 0.003701, "offset": -128}),
        ("sww/str_ww_stream_S.onnx", WAKE_WORD),
        ("ultraface/version-RFB-320.onnx", {}),
        ("yunet/yunet_n_320_320.onnx", {}),
    ],
)
def test_it_is_proven(file: str, arguments: dict[str, Any]) -> None:
    """Convolutions, recurrent nets with state, detectors, quantised classifiers."""
    proof = edgekit.compile(MODELS / file, **arguments).proof

    assert proof.verdict == "proven"
    assert proof.worst.max_abs_error <= proof.worst.tolerance


@pytest.mark.parametrize(
    ("file", "error", "says"),
    [
        # int8 weights wired into a float Conv, by its converter
        (
            "mlperf_tiny/kws_ref_model_float32.onnx",
            ModelError,
            r"cannot load .*tensor\(int8\).*Conv",
        ),
        # deep and quantised: one code of rounding becomes nine
        (
            "mlperf_tiny/pretrainedResnet_quant_qdq.onnx",
            NotProven,
            "differs .* by 9 .* from tensor",
        ),
        ("sww/str_ww_stream_S.onnx", ModelError, r"open axis 1 \(`S`\)"),
        ("mlperf_tiny/ad01_int8.tflite", ModelError, "TensorFlow Lite"),
        ("har/stream_26hz_mg.csv", ModelError, "text file"),
        ("har", ModelError, "folder"),
    ],
)
def test_it_is_refused(file: str, error: type[ModelError], says: str) -> None:
    """The sentence names what is wrong."""
    with pytest.raises(error, match=says):
        edgekit.compile(MODELS / file)


def test_a_flat_input_is_asked_for_its_order() -> None:
    """640 values are 5 frames of 128 or 128 of 5."""
    with pytest.raises(ConfigError, match="whether time or channels come first"):
        edgekit.compile(
            MODELS / "mlperf_tiny/ad01_fp32.onnx", window=5, channels=128, kind="anomaly"
        )


def test_har_gives_its_golden_numbers() -> None:
    """Every one of 537 windows of real samples, through the engine and through its stream."""
    golden = json.loads((MODELS / "har/golden.json").read_text())
    samples = np.loadtxt(
        MODELS / "har/stream_26hz_mg.csv", np.float32, delimiter=",", skiprows=1, usecols=(0, 1, 2)
    )
    expected = np.array([entry["probs"] for entry in golden["expected"]])
    starts = [entry["start"] for entry in golden["expected"]]
    windows = np.stack([samples[start : start + 26] for start in starts])

    model = edgekit.compile(
        MODELS / "har/har_st.onnx", window=26, channels=3, hop=13, scale=1 / 4000, recorded=windows
    )

    streamed = {end - 26: values for end, values in model.stream().push(samples.tobytes())}
    assert len(expected) == 537
    np.testing.assert_allclose(model.predict(windows), expected, atol=1e-5)
    for start, values in zip(starts, expected, strict=True):
        np.testing.assert_allclose(np.frombuffer(streamed[start], np.float32), values, atol=1e-5)
