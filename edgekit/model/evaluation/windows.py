"""
Windows: a recording cut the way the device cuts its stream.

The recording is read by the agent's own reader, so both sides have the same samples, drops and restarts. Windows are
made block by block: a recording of any length takes the memory of a few windows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edge_agent.records import Block

    Encode = Callable[[tuple[str, ...]], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Windows:
    """Some windows of a recording, in order; every array has one row a window."""

    numbers: NDArray[np.int64]
    """Number of the window in the recording, from 0."""
    raw: NDArray[np.float32]
    """Samples as recorded: `[n, window, channels]`."""
    ends: NDArray[np.int64]
    """Samples of the segment up to the window's end: the `end` of `Stream.push`."""
    truth: NDArray[np.float64]
    """Encoded label of the last sample; NaN where it has none."""
    mixed: NDArray[np.bool_]
    """Whether the window holds samples of several labels."""
    ignored: NDArray[np.bool_]
    """Whether the window holds a sample without a label that counts (blank, or told to ignore)."""
    first_rows: NDArray[np.int64]
    """Row of the file that the window's first sample stands in."""
    last_rows: NDArray[np.int64]
    times_s: NDArray[np.float64]
    """Time of the window's last sample, on the recording's clock."""

    def __len__(self) -> int:
        return len(self.ends)

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Windows:
        """Return the chosen windows, by index or by mask."""
        return Windows(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    @classmethod
    def alone(cls, truth: NDArray[np.float64]) -> Windows:
        """Return windows that come from no file and of which only the truth matters: one label each, or NaN."""
        count = len(truth)
        none = np.zeros(count, np.int64)
        return cls(
            numbers=np.arange(count),
            raw=np.empty((count, 0, 0), np.float32),
            ends=none,
            truth=truth,
            mixed=np.zeros(count, np.bool_),
            ignored=np.isnan(truth),
            first_rows=none,
            last_rows=none,
            times_s=np.full(count, np.nan),
        )

    @classmethod
    def join(cls, parts: Sequence[Windows]) -> Windows:
        """Put windows one behind the other; at least one part."""
        return cls(
            **{
                field.name: np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            }
        )


class WindowCutter:
    """Cuts blocks into windows of `window` samples every `hop`; no window spans a restart."""

    def __init__(self, *, window: int, hop: int, channels: int, encode: Encode) -> None:
        """`encode` turns true labels into numbers, NaN where a label does not count."""
        self._window = window
        self._hop = hop
        self._channels = channels
        self._encode = encode
        self._count = 0
        self._restart()

    def add(self, block: Block) -> Windows:
        """Return the windows that end in this block (there may be none)."""
        if block.begin:
            self._restart()
        self._append(block)
        received = self._before + len(self._samples)
        ends = np.arange(self._next_end, received + 1, self._hop)
        self._next_end += len(ends) * self._hop
        windows = self._cut(ends)
        self._forget()
        return windows

    def _restart(self) -> None:
        self._before = 0
        self._next_end = self._window
        self._samples = np.empty((0, self._channels), np.float32)
        self._truth = np.empty(0, np.float64)
        self._rows = np.empty(0, np.int64)
        self._times_s = np.empty(0, np.float64)

    def _append(self, block: Block) -> None:
        steps = np.arange(block.count)
        samples = np.frombuffer(block.samples, "<f4").reshape(block.count, self._channels)
        truth = self._encode(block.labels) if block.labels else np.full(block.count, np.nan)
        self._samples = np.concatenate([self._samples, samples])
        self._truth = np.concatenate([self._truth, truth])
        self._rows = np.concatenate([self._rows, block.first_row + steps])
        times_s = (
            np.array(block.times_s) if block.times_s else block.time_s + block.period_s * steps
        )
        self._times_s = np.concatenate([self._times_s, times_s])

    def _cut(self, ends: NDArray[np.int64]) -> Windows:
        first = ends - self._window - self._before
        last = first + self._window - 1
        index = first[:, np.newaxis] + np.arange(self._window)
        truth = self._truth[index]
        numbers = self._count + np.arange(len(ends))
        self._count += len(ends)
        return Windows(
            numbers=numbers,
            raw=self._samples[index],
            ends=ends,
            truth=self._truth[last],
            # NaN differs from itself: a window with one is mixed here too, so ignored windows are told apart first.
            mixed=(truth != truth[:, :1]).any(axis=1),
            ignored=np.isnan(truth).any(axis=1),
            first_rows=self._rows[first],
            last_rows=self._rows[last],
            times_s=self._times_s[last],
        )

    def _forget(self) -> None:
        """Keep what later windows can still reach: fewer samples than one window."""
        drop = max(0, len(self._samples) - (self._window - 1))
        self._before += drop
        self._samples = self._samples[drop:]
        self._truth = self._truth[drop:]
        self._rows = self._rows[drop:]
        self._times_s = self._times_s[drop:]
