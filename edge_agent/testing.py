"""Fakes of every seam, for tests of what is built on the agent: a clock, a source, a sink, a stream, a sensor's frames."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from edge_agent.pace import level_event
from edge_agent.records import FULL, SampleCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from edge_agent.config import Archive
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
        self.details: dict[str, int | float | str] = {}
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

    Without a model a prediction is the mean of each channel over the window. With `mode` "stateful" there is a state:
    what the model says is added to the prediction before.
    """

    def __init__(  # noqa: PLR0913 (the stream's shape, and what stands in for the model)
        self,
        window: int,
        hop: int,
        channels: int,
        *,
        outputs: int | None = None,
        model: Callable[[list[tuple[float, ...]]], Sequence[float]] | None = None,
        mode: str = "window",
    ) -> None:
        if hop <= 0:
            raise ValueError(f"hop is {hop}: must be positive")
        self.mode = mode
        self.window = window
        self.hop = hop
        self.channels = channels
        self.outputs = channels if outputs is None else outputs
        self._model = model or _means
        self._samples: list[tuple[float, ...]] = []
        self._seen = 0
        self._windows = 0
        self._state = [0.0] * self.outputs

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

    def push(self, samples: bytes, *, infer: bool = True) -> list[tuple[int, bytes]]:
        """Add float32 samples; return the predictions they complete, or pass them over."""
        size = 4 * self.channels
        if len(samples) % size:
            raise ValueError(f"{len(samples)} bytes are no whole number of samples of {size} bytes")
        found = []
        for sample in struct.iter_unpack(f"<{self.channels}f", samples):
            self._samples.append(sample)
            self._seen += 1
            if self._seen == self._windows * self.hop + self.window:
                if not infer:
                    self._state = [0.0] * self.outputs
                else:
                    values = self._model(self._samples[-self.window :])
                    if self.mode == "stateful":
                        values = self._state = [
                            sum(it) for it in zip(self._state, values, strict=True)
                        ]
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
        self._state = [0.0] * self.outputs
        return pending

    def _held(self) -> int:
        return (
            self.window + (self._windows - 1) * min(self.hop, self.window) if self._windows else 0
        )


@dataclass(frozen=True)
class FakeTensor:
    """One end of a model that is none."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class FakeKernels:
    """Kernels that are none."""

    chosen: str = "generic"
    available: tuple[str, ...] = ("generic",)


class FakeModel:
    """A stream model in plain Python, as `FakeStream` is: `samples` in, `prediction` out."""

    def __init__(
        self,
        window: int,
        channels: int,
        *,
        model: Callable[[list[tuple[float, ...]]], Sequence[float]] | None = None,
        outputs: int | None = None,
    ) -> None:
        self._make = partial(FakeStream, window, channels=channels, outputs=outputs, model=model)
        count = channels if outputs is None else outputs
        self.inputs = (FakeTensor("samples", "float32", (window, channels)),)
        self.outputs = (FakeTensor("prediction", "float32", (count,)),)

    def run(self, inputs: Mapping[str, bytes]) -> dict[str, bytes]:
        """Run it on one window."""
        ((_, values),) = self._make(1).push(inputs["samples"])
        return {"prediction": values}

    def stream(self, hop: int) -> FakeStream:
        """Make a stream over it."""
        return self._make(hop)


class FakeEngine:
    """An engine that loads the same model whatever the archive."""

    def __init__(self, model: FakeModel, memory: FakeMemory | None = None) -> None:
        self._model = model
        self._memory = memory or FakeMemory()

    def load(self, archive: Archive, folder: Path) -> FakeModel:  # noqa: ARG002 (the protocol's signature)
        """Return the model."""
        return self._model

    def kernels(self) -> FakeKernels:
        """Return the kernels."""
        return FakeKernels()

    def memory(self) -> FakeMemory:
        """Return the memory, which never changes."""
        return self._memory

    def reset_peak(self) -> None:
        """Do nothing."""


def _means(window: list[tuple[float, ...]]) -> list[float]:
    return [sum(channel) / len(window) for channel in zip(*window, strict=True)]


def pack_samples(samples: Iterable[Sequence[float]]) -> bytes:
    """Return samples as the bytes of a block: float32, little-endian, `[time, channel]`."""
    return b"".join(struct.pack(f"<{len(sample)}f", *sample) for sample in samples)


def encode_cobs(plain: bytes) -> bytes:
    """Return the COBS frame that stands for some bytes, with the zero that ends it: what a sensor does."""
    frame = bytearray((0,))
    code_at = 0
    for byte in plain:
        if len(frame) - code_at == 255:  # noqa: PLR2004 (a full group, and more follows)
            frame[code_at] = 255
            code_at = len(frame)
            frame.append(0)
        if byte:
            frame.append(byte)
        else:
            frame[code_at] = len(frame) - code_at
            code_at = len(frame)
            frame.append(0)
    frame[code_at] = len(frame) - code_at
    frame.append(0)
    return bytes(frame)


class DrawnPace:
    """A pace that follows a list drawn beforehand: of the windows that are due, and of the level at each tick."""

    enforcing = True
    is_recorded = False

    def __init__(self, windows: Iterable[bool], levels: Iterable[str] = ()) -> None:
        self._windows = iter(windows)
        self._levels = iter(levels)
        self._changes: list[Event] = []
        self.level = FULL

    def admit(self, now_s: float) -> bool:  # noqa: ARG002 (the protocol's)
        """Return what was drawn; True when the list has ended."""
        return next(self._windows, True)

    def spend(self, now_s: float, took_s: float) -> None:
        """Count nothing."""

    def predicted(self, now_s: float, waited_s: float) -> None:
        """Note nothing."""

    def tick(self, now_s: float) -> None:
        """Go on to the next level."""
        level = next(self._levels, self.level)
        if level != self.level:
            self._changes.append(level_event(level, self.level, f"at {now_s:g} s"))
            self.level = level

    def take_changes(self) -> list[Event]:
        """Return the changes since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def report(self) -> dict[str, Any] | None:
        """Return none."""
        return None
