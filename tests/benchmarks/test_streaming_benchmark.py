"""
What a hop of the wake-word model costs, window by window and in steps: one 32 ms frame of a window of thirty.

    .venv/bin/python -m pytest tests/benchmarks/test_streaming_benchmark.py --benchmark-enable --benchmark-only
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import edgekit

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from edgekit.model.options import WantedMode

pytestmark = pytest.mark.native

MODELS = Path(
    os.environ.get(
        "EDGEKIT_REFERENCE_MODELS", Path(__file__).parents[3] / "shared" / "reference-models"
    )
)
WINDOW, BINS = 30, 40


@pytest.mark.skipif(
    not MODELS.is_dir(),
    reason=f"the reference models are not at {MODELS}; EDGEKIT_REFERENCE_MODELS says where they are",
)
@pytest.mark.parametrize("mode", ["window", "incremental"])
def test_a_hop(benchmark: BenchmarkFixture, mode: WantedMode) -> None:
    """Push one frame, take one prediction."""
    model = MODELS / "sww/str_ww_stream_S.onnx"
    compiled = edgekit.compile(model, window=WINDOW, channels=BINS, hop=1, kind="raw", mode=mode)
    stream = compiled.stream()
    stream.push(np.zeros((WINDOW, BINS), np.float32).tobytes())
    frame = np.random.default_rng(0).random((1, BINS), np.float32).tobytes()

    found = benchmark(stream.push, frame)

    assert stream.mode == mode
    assert len(found) == 1
