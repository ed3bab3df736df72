"""Third parties' models: each is proven, or refused for a reason that its owner would accept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
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
    ("file", "arguments"),
    [
        ("ad01_int8.tflite", {}),
        ("pretrainedResnet_quant.tflite", {}),
        ("str_ww_ref_model.tflite", {}),
        ("str_ww_ref_model.tflite", {**WAKE_WORD, "scale": 1 / 0.003701, "offset": -128}),
        ("vww_96_float.tflite", {}),
        ("vww_96_int8.tflite", {}),
    ],
)
def test_tflite_is_proven_against_litert(file: str, arguments: dict[str, Any]) -> None:
    """The reference is the file itself in LiteRT; codes are the same, every one."""
    proof = edgekit.compile(MODELS / "mlperf_tiny" / file, **arguments).proof

    assert proof.verdict == "proven"
    assert "LiteRT" in proof.reference
    assert all(codes.largest == 0 for codes in proof.codes)
    assert bool(proof.codes) == ("float" not in file)


@pytest.mark.parametrize(
    ("file", "error", "says"),
    [
        # int8 weights wired into a float Conv, by its converter
        (
            "mlperf_tiny/kws_ref_model_float32.onnx",
            ModelError,
            "int8 numbers .*`Conv`|`Conv`.*int8 numbers",
        ),
        ("sww/str_ww_stream_S.onnx", ModelError, r"open axis 1 \(`S`\)"),
        ("har/stream_26hz_mg.csv", ModelError, "text file"),
        ("har", ModelError, "folder"),
    ],
)
def test_it_is_refused(file: str, error: type[ModelError], says: str) -> None:
    """The sentence names what is wrong."""
    with pytest.raises(error, match=says):
        edgekit.compile(MODELS / file)


def test_a_deep_quantised_net_is_as_near_to_its_reference_as_that_is_to_itself() -> None:
    """ONNX Runtime's own kernels end codes apart on ResNet-8; the engine's codes are as rarely off, and never the class."""
    proof = edgekit.compile(MODELS / "mlperf_tiny/pretrainedResnet_quant_qdq.onnx").proof

    codes = proof.codes[0]
    assert (proof.verdict, proof.argmax_agreement) == ("proven", 1.0)
    assert codes.counts["0"] > 0.98 * codes.values
    assert codes.own_largest is not None
    assert codes.own_largest > 1
    assert codes.largest <= 4 * codes.own_largest


def test_folded_it_is_another_model_and_says_so() -> None:
    """Refused with the key that accepts it; accepted, with the agreement; with a reason, stamped."""
    path = MODELS / "mlperf_tiny/pretrainedResnet_quant_qdq.onnx"

    with pytest.raises(NotProven, match=r"only approximate: .*folded") as caught:
        edgekit.compile(path, quantized="fold")
    accepted = edgekit.compile(path, quantized="fold", accept="approximate")
    stamped = edgekit.compile(path, quantized="fold", allow_unproven="a bench test")

    assert 'accept = "approximate"' in (caught.value.hint or "")
    assert (accepted.proof.verdict, accepted.unproven) == ("approximate", "")
    assert accepted.proof.argmax_agreement is not None
    assert 0.9 < accepted.proof.argmax_agreement <= 1
    assert any("folded to float32" in line for line in accepted.rewrites)
    assert stamped.unproven == "a bench test"


@pytest.mark.parametrize(
    "file",
    [
        "har/har_st.onnx",
        "mlperf_tiny/ad01_fp32.onnx",
        "mlperf_tiny/pretrainedResnet.onnx",
        "sww/str_ww_ref_model_qdq.onnx",
    ],
)
def test_what_is_accepted_is_right_on_fresh_inputs(file: str) -> None:
    """The archive once more against ONNX Runtime, here, on inputs that the proof never saw."""
    model = edgekit.compile(MODELS / file)
    session = onnxruntime.InferenceSession(
        (MODELS / file).read_bytes(), providers=["CPUExecutionProvider"]
    )
    tensor = model.source.inputs[0]
    rng = np.random.default_rng(987)
    codes = tensor.dtype == "int8"
    for _ in range(20):
        drawn = rng.uniform(-120, 120, [size or 1 for size in tensor.shape or ()])
        value = (drawn if codes else drawn / 60).astype(tensor.dtype)
        expected = session.run(None, {tensor.name: value})
        given = model.predict({tensor.name: value})
        for output, values in zip(model.source.outputs, expected, strict=True):
            far = np.abs(given[output.name].astype(np.float64) - values)
            assert far.max() <= (1 if codes else 1e-4 * np.abs(values).max())


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
