"""
A source of one's own: `kind = "package.module:Class"`, with `package` to ship.

The class is called with the stream it is to feed and its options. It needs one method:

    def samples(self) -> Iterator[Sequence[float] | None]

one number a channel each time, None whenever nothing is there, at least once a second. When it came is taken from
the clock. What goes wrong in it ends the run with a sentence that names the class. docs/sources/plugin.md has a
whole one; a class that is a `Source` itself, with `blocks`, is taken as it is.
"""

from __future__ import annotations

import importlib
import sys
import time
from array import array
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, cast

from edge_agent.arrivals import PROMPT_S, Arrival
from edge_agent.errors import ConfigError, DataError, EdgeKitError
from edge_agent.frame_segments import FrameSegmenter
from edge_agent.records import Block, SampleCounts
from edge_agent.sources.framing import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edge_agent.config import Calibration, Stream
    from edge_agent.config import PluginSource as Configuration
    from edge_agent.sources import Source
    from edge_agent.stop import Stop

BEAT_S = 0.05
"""Samples of so long are handed over together."""
BEAT_SAMPLES = 256
FAILURES = (Exception, SystemExit)
"""What a class may raise: with `sys.exit` it must not end the agent as if all were well."""
LONGEST_TEXT = 200


def open_plugin(
    stream: Stream,
    source: Configuration,
    folder: Path,
    *,
    calibration: Calibration | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Source:
    """
    Return the source that a class of the user's makes. Raises ConfigError if it cannot be loaded or made.

    `folder` is what the path of its package is relative to.
    """
    made = _make(_load(source, folder), stream, source)
    if callable(getattr(made, "blocks", None)):
        _check_source(made, source.kind)
        return cast("Source", _GuardedSource(made, source.kind, 4 * len(stream.channels)))
    if not callable(getattr(made, "samples", None)):
        raise ConfigError(
            f"`{source.kind}` has neither `samples` nor `blocks`",
            hint="give it a method `samples` that yields one number a channel, or None; see docs/sources/plugin.md",
        )
    return SampleSource(made, stream, source.kind, calibration=calibration, clock=clock)


class SampleSource:
    """Feeds what a class's `samples` yields."""

    def __init__(
        self,
        samples: Any,
        stream: Stream,
        kind: str,
        *,
        calibration: Calibration | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plugin = samples
        self._kind = kind
        self._channels = len(stream.channels)
        self._clock = clock
        self._beat_samples = max(1, min(BEAT_SAMPLES, int(BEAT_S * stream.rate_hz), stream.hop))
        self._segments = FrameSegmenter(stream, calibration=calibration)
        self.state = "waiting"

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples read so far."""
        return self._segments.counts

    @property
    def notes(self) -> tuple[str, ...]:
        """What was dropped or mended, and the rate."""
        return self._segments.notes

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second as they came."""
        return self._segments.rate_hz_measured

    @property
    def details(self) -> dict[str, int | float | str]:
        """Counters for the status."""
        return self._segments.details

    def blocks(self, stop: Stop) -> Iterator[Block | None]:
        """Yield samples as the class does. Raises DataError for what goes wrong in it."""
        gathered: list[float] = []
        first_s = asked_s = self._clock()
        prompt = True
        made = self._samples()
        try:
            for sample in made:
                if sample is None:
                    self.state = "waiting"
                    yield from self._hand_over(gathered, first_s, prompt)
                    yield None
                else:
                    self.state = "running"
                    if not gathered:
                        first_s = self._clock()
                        prompt = first_s - asked_s > PROMPT_S
                    gathered += self._checked(sample)
                    if len(gathered) >= self._beat_samples * self._channels:
                        yield from self._hand_over(gathered, first_s, prompt)
                if stop.requested:
                    yield from self._hand_over(gathered, first_s, prompt)
                    self.state = "stopped"
                    return
                asked_s = self._clock()
            yield from self._hand_over(gathered, first_s, prompt)
            self.state = "ended"
        finally:
            close = getattr(made, "close", None)  # a generator's own `finally` closes its device
            if close is not None:
                close()

    def _samples(self) -> Iterator[Sequence[float] | None]:
        """Yield what the class yields, its errors as sentences."""
        try:
            yield from self._plugin.samples()
        except EdgeKitError:
            raise
        except FAILURES as error:
            raise _failure(self._kind, error) from error

    def _checked(self, sample: Sequence[float]) -> list[float]:
        try:
            if isinstance(sample, (str, bytes, Mapping, AbstractSet)):
                raise TypeError("its parts have no order, or are no numbers")
            # One more than there may be: a generator could go on for ever.
            values = [float(value) for value in islice(sample, self._channels + 1)]
        except FAILURES as error:
            raise DataError(
                f"`{self._kind}` yielded `{_shown(sample)}`, which is no sequence of numbers: {_told(error)}",
                hint="yield one number a channel, or None while there is nothing",
            ) from None
        if len(values) != self._channels:
            few = len(values) < self._channels
            count = len(values) if few else f"more than {self._channels}"
            raise DataError(
                f"`{self._kind}` yielded {count} numbers for {self._channels} channels",
                hint="yield one number for each of `[input] channels`, in order",
            )
        return values

    def _hand_over(
        self, gathered: list[float], first_s: float, prompt: bool
    ) -> Iterator[Block | None]:
        if gathered:
            run = Run(0, array("d", gathered))
            gathered.clear()
            blocks = self._segments.take((run,), Arrival(first_s, self._clock(), prompt))
            yield from chain(
                [next(blocks, None)], blocks
            )  # where all are bad the loop has its turn


class _GuardedSource:
    """A class that is a Source itself, its mistakes as sentences."""

    def __init__(self, made: Any, kind: str, sample_bytes: int) -> None:
        self._made = made
        self._kind = kind
        self._sample_bytes = sample_bytes

    def __getattr__(self, name: str) -> Any:
        if name == "details":  # younger than the other properties
            return getattr(self._made, "details", {})
        return getattr(self._made, name)

    def blocks(self, stop: Stop) -> Iterator[Block | None]:
        """Yield the class's blocks. Raises DataError for what goes wrong in it."""
        try:
            for block in self._made.blocks(stop):
                if block is not None and (
                    not isinstance(block, Block)
                    or not isinstance(cast("object", block.samples), bytes)
                    or len(block.samples) != block.count * self._sample_bytes
                ):
                    raise DataError(
                        f"`{self._kind}` yielded what is no block of `count` samples of {self._sample_bytes} bytes",
                        hint="yield `edge_agent.records.Block`s of float32 `[count, channel]`, or None",
                    )
                yield block
        except EdgeKitError:
            raise
        except FAILURES as error:
            raise _failure(self._kind, error) from error


def _check_source(made: Any, kind: str) -> None:
    """Raise ConfigError for a class with `blocks` that lacks something else that every source has."""
    for name in ("counts", "state", "notes", "rate_hz_measured"):
        try:
            found = getattr(made, name)
        except FAILURES as error:
            raise ConfigError(
                f"`{kind}` has `blocks` but no `{name}`: {_told(error)}",
                hint="give it all that `edge_agent.sources.Source` has, or a method `samples` and nothing else",
            ) from None
        if name == "counts" and not isinstance(found, SampleCounts):
            raise ConfigError(
                f"`{kind}` has `counts` of type `{type(found).__name__}`",
                hint="let it be one `edge_agent.records.SampleCounts` for the whole run",
            )


def _load(source: Configuration, folder: Path) -> Any:
    """Import the class, from the folder that its package lies in where that is there."""
    module_name, _, class_name = source.kind.partition(":")
    home = str((folder / source.package).absolute().parent)
    if home not in sys.path:
        sys.path.insert(0, home)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"`{source.kind}` cannot be imported: there is no module `{error.name}`",
            hint=f"`package` is `{source.package}`: name the folder (or file) of `{module_name.partition('.')[0]}`, "
            "and use nothing but the standard library and what lies in it",
        ) from None
    except FAILURES as error:
        raise ConfigError(
            f"`{source.kind}` cannot be imported: {_told(error)}",
            hint=f"look at `{source.package}`",
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        raise ConfigError(
            f"`{module_name}` has no `{class_name}`",
            hint="name the class behind the colon of `kind`",
        )
    return found


def _make(found: Any, stream: Stream, source: Configuration) -> Any:
    try:
        return found(stream, dict(source.options))
    except EdgeKitError:
        raise
    except FAILURES as error:
        raise ConfigError(
            f"`{source.kind}` could not be made: {_told(error)}",
            hint="it is called with the stream and with `[source.options]` as a dict",
        ) from error


def _failure(kind: str, error: BaseException) -> DataError:
    return DataError(f"`{kind}` failed: {_told(error)}", hint="`-v` shows where")


def _told(error: BaseException) -> str:
    text = _shown(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _shown(value: object) -> str:
    """Return the beginning of a foreign object's text, which may fail as well."""
    try:
        return str(value)[:LONGEST_TEXT]
    except FAILURES:
        return f"a {type(value).__name__}"
