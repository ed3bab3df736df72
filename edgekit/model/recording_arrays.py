"""A recording as NumPy arrays: what `edgekit record` leaves for training scripts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.config import Columns, Stream
from edge_agent.recording import RecordingReader
from edgekit.atomic import write_file

if TYPE_CHECKING:
    from pathlib import Path


def export(csv: Path, target: Path, channels: tuple[str, ...], rate_hz: float) -> int:
    """
    Write a recording of `edgekit record` as an NPZ, whole or not at all; return its number of samples.

    Arrays: `samples` float32 [sample, channel], `time_s` float64, `label` and `session` text a sample, `channels`
    and `rate_hz`. Raises DataError for a file that is no recording, EdgeKitError if the NPZ cannot be written.
    """
    stream = Stream(channels=channels, rate_hz=rate_hz, window=1, hop=1)
    columns = Columns(time="time_s", label="label", group="session")
    samples = []
    times: list[float] = []
    labels: list[str] = []
    sessions: list[str] = []
    for block in RecordingReader(csv, stream, columns):
        samples.append(np.frombuffer(block.samples, np.float32).reshape(block.count, len(channels)))
        times += [block.time_of(position) for position in range(block.count)]
        labels += block.labels or ("",) * block.count
        sessions += [block.group or ""] * block.count
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        samples=np.concatenate(samples),
        time_s=np.array(times, np.float64),
        label=np.array(labels, np.str_),
        session=np.array(sessions, np.str_),
        channels=np.array(channels, np.str_),
        rate_hz=np.array(rate_hz),
    )
    write_file(target, buffer.getvalue())
    return len(times)
