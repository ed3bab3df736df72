"""Third parties' int8 models: the distribution of code differences to LiteRT, over random and structured inputs."""

from __future__ import annotations

import collections
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgekit.model.tflite import to_onnx

if TYPE_CHECKING:
    from tests.integration.tflite.conftest import RunLitert

MODELS = Path(
    os.environ.get(
        "EDGEKIT_REFERENCE_MODELS", Path(__file__).parents[4] / "shared" / "reference-models"
    )
)
FOLDER = MODELS / "mlperf_tiny"
INT8 = (
    "ad01_int8.tflite",
    "pretrainedResnet_quant.tflite",
    "str_ww_ref_model.tflite",
    "vww_96_int8.tflite",
)

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(
        not FOLDER.is_dir(),
        reason=f"the reference models are not at {MODELS}; EDGEKIT_REFERENCE_MODELS says where they are",
    ),
]


def _inputs(shape: tuple[int, ...], zero: int, count: int) -> list[np.ndarray[Any, Any]]:
    """Return random noise, noise about zero, constants, random walks and sparse peaks, in turn."""
    rng = np.random.default_rng(20261122)
    frames = []
    for number in range(count):
        frame = (
            rng.integers(-128, 128, shape),
            rng.normal(zero, 30, shape),
            np.full(shape, rng.integers(-128, 128)),
            np.cumsum(rng.normal(0, 8, shape), axis=-2 if len(shape) > 2 else -1) + zero,
            np.where(rng.random(shape) < 0.05, 127, -128),
        )[number % 5]
        frames.append(np.clip(np.rint(frame), -128, 127).astype(np.int8))
    return frames


def _differences(name: str, count: int, litert: RunLitert) -> dict[int, int]:
    """Return how many output codes are how far from LiteRT's reference kernels."""
    import edgekit_runtime  # noqa: PLC0415 (the native module: this file is read without it too)

    data = (FOLDER / name).read_bytes()
    model = to_onnx(data)
    session = edgekit_runtime.Session(edgekit_runtime.import_onnx(model.onnx))
    given, made = model.inputs[0], model.outputs[0]
    assert given.zero_point is not None
    frames = _inputs(given.shape, given.zero_point, count)
    counted = collections.Counter[int]()
    for frame, (expected,) in zip(frames, litert(data, [[x] for x in frames]), strict=True):
        codes = np.frombuffer(session.run({given.name: frame.tobytes()})[made.name], np.int8)
        distance = np.abs(codes.astype(int) - expected.reshape(-1).astype(int))
        counted.update(distance.tolist())
    return dict(counted)


@pytest.mark.parametrize("name", INT8)
def test_codes_equal_litert(name: str, litert: RunLitert) -> None:
    """No code of any output differs over ten inputs: wake word, vision, anomaly, image classes."""
    assert set(_differences(name, 10, litert)) == {0}


@pytest.mark.slow
@pytest.mark.parametrize("name", INT8)
def test_codes_equal_litert_over_500_inputs(name: str, litert: RunLitert) -> None:
    """The distribution over five hundred inputs is one number: zero."""
    assert set(_differences(name, 500, litert)) == {0}
