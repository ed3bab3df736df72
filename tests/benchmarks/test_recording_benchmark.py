"""What reading costs: the agent's own work a sample, without any engine."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import AgentConfig, Archive, Columns, Output, ReplaySource, Stream
from edge_agent.delivery import Delivery
from edge_agent.pipeline import Pipeline
from edge_agent.recording import RecordingReader
from edge_agent.sources.replay import ReplaySource as Replay
from edge_agent.testing import FakeStream, ListSink, ManualClock, no_memory

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

SAMPLES = 20_000
CHANNELS = ("ax", "ay", "az", "gx", "gy", "gz")
STREAM = Stream(channels=CHANNELS, rate_hz=100.0, window=128, hop=64)


@pytest.fixture(params=["csv", "jsonl"])
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Write six channels with time and label, as a logger does."""
    noise = random.Random(0)
    rows = [
        {
            "time_s": round(i * 0.01, 2),
            **{name: round(noise.gauss(0, 1), 4) for name in CHANNELS},
            "label": "walk",
        }
        for i in range(SAMPLES)
    ]
    path = tmp_path / f"walk.{request.param}"
    if request.param == "csv":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_reading(benchmark: BenchmarkFixture, recording: Path) -> None:
    """Text to blocks: microseconds for 20,000 samples."""
    count = benchmark(
        lambda: sum(block.count for block in RecordingReader(recording, STREAM, Columns()))
    )

    assert count == SAMPLES


def test_the_whole_loop_without_an_engine(benchmark: BenchmarkFixture, recording: Path) -> None:
    """Source, decision, sinks and accounts, with a stream that does next to nothing."""
    config = AgentConfig(
        name="bench",
        version="1",
        model=Archive(path="", sha256="", engine="", registries=()),
        labels=CHANNELS,
        input=STREAM,
        output=Output(),
        source=ReplaySource(path=str(recording)),
    )

    class Idle(FakeStream):
        """Predictions without windows: the agent's share of the work is measured, not the fake's."""

        def push(self, samples: bytes, *, infer: bool = True) -> list[tuple[int, bytes]]:  # noqa: ARG002 (the protocol's)
            self._seen += len(samples) // 24
            found = []
            while self._seen >= self._windows * self.hop + self.window:
                found.append((self._windows * self.hop + self.window, samples[:24]))
                self._windows += 1
            return found

    def run() -> int:
        source = Replay(recording, STREAM, Columns(), speed=float("inf"))
        delivery = Delivery([ListSink()], lossless=True)
        pipeline = Pipeline(config, Idle(128, 64, 6), source, delivery, memory=no_memory)
        return pipeline.run(ManualClock()).samples.read

    assert benchmark(run) == SAMPLES
