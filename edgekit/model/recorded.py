"""Recorded windows: a spread-out choice from a recording, to prove and to look at a model with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_agent.recording import RecordingReader
from edgekit.model.evaluation.windows import WindowCutter, Windows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_agent.config import Columns, Stream

    Floats = NDArray[np.float32]

LIMIT: Final = 512
"""Windows that are kept: enough to see shares of a percent."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedWindows:
    """Windows spread evenly over a recording, and what was seen on the way."""

    raw: Floats
    """`[n, window, channels]`, at most `LIMIT` windows; n is 0 where no segment is long enough."""
    unbounded: Floats
    """The same as if `[input] min` and `max` were not set; `raw` itself where they are not."""
    labels: tuple[str, ...]
    """Different labels in the recording, in the order they were met; empty without a label column."""
    rate_hz_measured: float | None
    notes: tuple[str, ...]
    """How the recording was read: one sentence each."""


def recorded_windows(path: Path, stream: Stream, columns: Columns) -> RecordedWindows:
    """Read a whole recording and keep some of its windows; raise DataError if it cannot be used."""
    reader = RecordingReader(path, stream, columns)
    labels: dict[str, None] = {}
    raw = unbounded = _spread(reader, stream, labels)
    if stream.min is not None or stream.max is not None:
        free = replace(stream, min=None, max=None)
        unbounded = _spread(RecordingReader(path, free, columns), free, {})
    return RecordedWindows(
        raw=raw,
        unbounded=unbounded,
        labels=tuple(label for label in labels if label),
        rate_hz_measured=reader.rate_hz_measured,
        notes=reader.notes,
    )


def _spread(reader: RecordingReader, stream: Stream, labels: dict[str, None]) -> Floats:
    """
    Return every k-th window, k as small as the limit allows, and enter labels into `labels`.

    The length is not known beforehand: whenever more than the limit are kept, every second one goes, and k doubles.
    """

    def encode(met: Sequence[Any]) -> NDArray[np.float64]:
        if len(labels) < LIMIT:  # a column of numbers has any number of them
            labels.update(dict.fromkeys(met))
        return np.zeros(len(met))

    channels = len(stream.channels)
    cutter = WindowCutter(window=stream.window, hop=stream.hop, channels=channels, encode=encode)
    step = 1
    kept: list[Windows] = []
    count = 0
    for block in reader:
        windows = cutter.add(block)
        kept.append(windows.take(windows.numbers % step == 0))
        count += len(kept[-1])
        while count > LIMIT:
            step *= 2
            joined = Windows.join(kept)
            kept = [joined.take(joined.numbers % step == 0)]
            count = len(kept[0])
    if not count:
        return np.empty((0, stream.window, channels), np.float32)
    return Windows.join(kept).raw
