"""Fakes of every seam, for tests of what is built on the agent: a clock, a source, a sink, a stream."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_agent.records import SampleCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from edge_agent.records import Block, Event, Prediction
    from edge_agent.stop import Stop


class ManualClock:
    """A monotonic clock, and a stop, that move only when told to or waited for."""

    def __init__(self, now_s: float = 0.0, *, stop_at_s: float | None = None) -> None:
        self.now_s = now_s
        self.stop_at_s = stop_at_s

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    @property
    def requested(self) -> bool:
        """Whether the time to stop has come."""
        return self.stop_at_s is not None and self.now_s >= self.stop_at_s

    def wait(self, seconds: float) -> bool:
        """Let `seconds` pass, or less until the stop; return whether it has come."""
        left = seconds if self.stop_at_s is None else min(seconds, self.stop_at_s - self.now_s)
        self.now_s += max(0.0, left)
        return self.requested

    def fileno(self) -> int:
        """Raise ValueError: nobody can select on a clock of which only the test knows the time."""
        raise ValueError("a ManualClock has no file descriptor")


class ListSource:
    """A source of blocks made beforehand; None stands for a moment without samples."""

    def __init__(self, blocks: Iterable[Block | None]) -> None:
        self._blocks = blocks
        self.counts = SampleCounts()
        self.notes: tuple[str, ...] = ()
        self.rate_hz_measured: float | None = None
        self.state = "running"

    def blocks(self, stop: Stop) -> Iterator[Block | None]:
        """Yield the blocks until they end or a stop is requested."""
        for block in self._blocks:
            if block is not None:
                self.counts.read += block.count
            yield block
            if stop.requested:
                return
        self.state = "ended"


class ListSink:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.predictions: list[Prediction] = []
        self.events: list[Event] = []
        self.closed = False

    def write(self, predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """Keep the records."""
        self.predictions += predictions
        self.events += events

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


@dataclass(frozen=True)
class FakeMemory:
    """An engine's memory that never changes."""

    live_bytes: int = 1_000_000
    peak_bytes: int = 1_500_000


def no_memory() -> FakeMemory:
    """Return the memory of an engine that is none."""
    return FakeMemory()


class FakeStream:
    """
    The engine's Stream in plain Python: the same windows and the same accounts, any function as the model.

    Without a model a prediction is the mean of each channel over the window.
    """

    def __init__(
        self,
        window: int,
        hop: int,
        channels: int,
        *,
        outputs: int | None = None,
        model: Callable[[list[tuple[float, ...]]], Sequence[float]] | None = None,
    ) -> None:
        if hop <= 0:
            raise ValueError(f"hop is {hop}: must be positive")
        self.window = window
        self.hop = hop
        self.channels = channels
        self.outputs = channels if outputs is None else outputs
        self._model = model or _means
        self._samples: list[tuple[float, ...]] = []
        self._seen = 0
        self._windows = 0

    @property
    def pending(self) -> int:
        """Samples since the last reset that no window has held yet."""
        return self._seen - self._held() - self.skipped

    @property
    def skipped(self) -> int:
        """Samples since the last reset that no window will ever hold."""
        between = max(0, self.hop - self.window)
        past = (
            max(0, self._seen - (self._windows - 1) * self.hop - self.window)
            if self._windows
            else 0
        )
        return max(0, self._windows - 1) * between + min(between, past)

    def push(self, samples: bytes) -> list[tuple[int, bytes]]:
        """Add float32 samples; return the predictions they complete."""
        size = 4 * self.channels
        if len(samples) % size:
            raise ValueError(f"{len(samples)} bytes are no whole number of samples of {size} bytes")
        found = []
        for sample in struct.iter_unpack(f"<{self.channels}f", samples):
            self._samples.append(sample)
            self._seen += 1
            if self._seen == self._windows * self.hop + self.window:
                values = self._model(self._samples[-self.window :])
                found.append((self._seen, struct.pack(f"<{self.outputs}f", *values)))
                self._windows += 1
            del self._samples[: -self.window]
        return found

    def reset(self) -> int:
        """Forget all samples; return how many were pending."""
        pending = self.pending
        self._samples.clear()
        self._seen = 0
        self._windows = 0
        return pending

    def _held(self) -> int:
        return (
            self.window + (self._windows - 1) * min(self.hop, self.window) if self._windows else 0
        )


def _means(window: list[tuple[float, ...]]) -> list[float]:
    return [sum(channel) / len(window) for channel in zip(*window, strict=True)]


def pack_samples(samples: Iterable[Sequence[float]]) -> bytes:
    """Return samples as the bytes of a block: float32, little-endian, `[time, channel]`."""
    return b"".join(struct.pack(f"<{len(sample)}f", *sample) for sample in samples)
