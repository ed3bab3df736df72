"""The loop: source → stream → decision → sinks, and the accounts of it."""

from __future__ import annotations

import math
import struct
import time
from typing import TYPE_CHECKING

from edge_agent.decide import Decider
from edge_agent.errors import ConfigError, EdgeKitError
from edge_agent.latency import LatencyHistogram
from edge_agent.records import Prediction
from edge_agent.segments import BLOCK_SAMPLES
from edge_agent.session import engine_memory
from edge_agent.status import INTERVAL_S, CpuShare, StatusFile, resident_bytes
from edge_agent.summary import Facts, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.config import AgentConfig
    from edge_agent.records import Begin, Block, Event
    from edge_agent.session import Memory, Stream
    from edge_agent.sinks import Sink
    from edge_agent.sources import Source
    from edge_agent.stop import Stop


LONGEST_PUSH_S = 0.1
"""A push that takes longer is followed by a smaller one, so that a stop is soon honoured."""


class Pipeline:
    """
    Runs one configuration until its source ends or a stop is requested.

    One thread does it all; of a block that takes a slow model long, a stop leaves the rest. `clock` is a monotonic clock in
    seconds, for latencies and for the status.
    """

    def __init__(  # noqa: PLR0913 (each is one seam, given by name)
        self,
        config: AgentConfig,
        stream: Stream,
        source: Source,
        *,
        sinks: Sequence[Sink] = (),
        status: StatusFile | None = None,
        latency: LatencyHistogram | None = None,
        memory: Callable[[], Memory] = engine_memory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if config.input.window != stream.window or config.input.hop != stream.hop:
            raise ConfigError(
                f"the stream has window {stream.window} and hop {stream.hop}, "
                f"`input` says {config.input.window} and {config.input.hop}"
            )
        self._config = config
        self._stream = stream
        self._source = source
        self._sinks = sinks
        self._status = status
        self._latency = latency or LatencyHistogram()
        self._memory = memory
        self._clock = clock
        self._cpu = CpuShare()
        self._decider = Decider(config.output.kind, config.labels, config.decision)
        self._unpack = struct.Struct(f"<{stream.outputs}f").unpack
        self._began_s = self._status_due_s = clock()
        self._status_written = False
        self._status_failures = 0
        """How many writes of the status have failed since the last that did not."""
        self._status_failure = ""

        self._push_samples = stream.hop
        """How many samples the next push has at most; grows while pushes are short."""
        self._segment_samples = 0
        self._segment_windows_end = 0
        self._windowed = 0
        self._skipped = 0
        self._cut: dict[str, int] = {}
        self._predictions: dict[str, int] = {}
        self._unlabelled = 0
        self._windows = 0
        self._nonfinite = 0
        self._events = 0

    def run(self, stop: Stop) -> Facts:
        """
        Run to the end and return the accounts. Raises EdgeKitError when the source, the engine or a sink fails.

        Whatever happens, the sinks are closed and the status says how it ended.
        """
        error: str | None = "interrupted"
        try:
            self._write_status(
                self._clock()
            )  # a path that cannot be written to fails now, not in a second
            for block in self._source.blocks(stop):
                self._pass_on(block, stop)
                now_s = self._clock()
                if now_s >= self._status_due_s:
                    self._write_status(now_s)
            error = None
        except EdgeKitError as failure:
            error = failure.message
            raise
        finally:
            self._end(error)
        return self.facts()

    def facts(self, *, error: str | None = None, cpu_share: float | None = None) -> Facts:
        """Return how the run stands."""
        counts = self._source.counts
        dropped = dict(counts.dropped)
        for reason, count in self._cut.items():
            dropped[reason] = dropped.get(reason, 0) + count
        memory = self._memory()
        return Facts(
            name=self._config.name,
            version=self._config.version,
            state="failed" if error else self._source.state,
            error=error,
            uptime_s=self._clock() - self._began_s,
            samples=Samples(
                read=counts.read,
                windowed=self._windowed,
                dropped=dropped,
                skipped=self._skipped + self._stream.skipped,
                pending=self._stream.pending + counts.pending,
                held=counts.held,
            ),
            windows=self._windows,
            predictions=dict(self._predictions),
            unlabelled=self._unlabelled,
            nonfinite_outputs=self._nonfinite,
            events=self._events,
            latency_p50_us=_microseconds(self._latency.percentile_s(50)),
            latency_p99_us=_microseconds(self._latency.percentile_s(99)),
            engine_live_bytes=memory.live_bytes,
            engine_peak_bytes=memory.peak_bytes,
            rss_bytes=resident_bytes(),
            cpu_share=self._cpu.overall() if cpu_share is None else cpu_share,
            rate_hz=self._config.input.rate_hz,
            rate_hz_measured=self._source.rate_hz_measured,
            notes=(*self._source.notes, *self._status_notes()),
        )

    def _status_notes(self) -> tuple[str, ...]:
        if not self._status_failures:
            return ()
        return (f"{self._status_failure} (so far {self._status_failures} times in a row)",)

    def _pass_on(self, block: Block | None, stop: Stop) -> None:
        """Take one block through the model and to the sinks; None is a moment without samples."""
        predictions: list[Prediction] = []
        events: list[Event] = []
        if block is not None:
            if block.begin:
                self._restart(block.begin)
            predictions, events = self._infer(block, stop)
        for sink in self._sinks:
            sink.write(predictions, events)

    def _infer(self, block: Block, stop: Stop) -> tuple[list[Prediction], list[Event]]:
        predictions: list[Prediction] = []
        events: list[Event] = []
        before = self._segment_samples
        window = self._stream.window
        taken = 0
        while taken < block.count:
            if taken and stop.requested:
                self._count_cut("stop", block.count - taken)
                break
            count = min(self._push_samples, block.count - taken)
            for end, raw in self._push(block, taken, count):
                self._windowed += min(end - self._segment_windows_end, window)
                self._segment_windows_end = end
                prediction, made = self._decide(self._unpack(raw), block, end - 1 - before)
                predictions.append(prediction)
                events += made
            taken += count
            self._segment_samples += count
        return predictions, events

    def _push(self, block: Block, start: int, count: int) -> list[tuple[int, bytes]]:
        """Give the model `count` samples of a block from `start`, and the next push its size."""
        size = len(block.samples) // block.count
        before_s = self._clock()
        found = self._stream.push(block.samples[start * size : (start + count) * size])
        took_s = self._clock() - before_s
        if found:
            self._latency.record(took_s / len(found), len(found))
        if took_s > LONGEST_PUSH_S:
            self._push_samples = max(self._stream.hop, count // 2)
        elif found and self._push_samples < BLOCK_SAMPLES and took_s <= LONGEST_PUSH_S / 2:
            self._push_samples *= 2
        return found

    def _decide(
        self, values: tuple[float, ...], block: Block, position: int
    ) -> tuple[Prediction, tuple[Event, ...]]:
        index = self._windows
        self._windows += 1
        if not all(map(math.isfinite, values)):
            self._nonfinite += 1
        time_s = block.time_of(position)
        label, score, events = self._decider.step(values, index=index, time_s=time_s)
        if label is None:
            self._unlabelled += 1
        else:
            self._predictions[label] = self._predictions.get(label, 0) + 1
        self._events += len(events)
        for event in events:
            event.group = block.group
        row = block.first_row + position if block.first_row else 0
        return Prediction(index, time_s, row, values, label, score, block.group), events

    def _restart(self, begin: Begin) -> None:
        """End the segment: what waits for a window will never be in one."""
        self._skipped += self._stream.skipped
        self._count_cut(begin, self._stream.reset())
        self._segment_samples = self._segment_windows_end = 0
        self._decider.restart(new_recording=begin in ("start", "group"))

    def _count_cut(self, by: str, count: int) -> None:
        if count:
            reason = f"cut_by_{by}"
            self._cut[reason] = self._cut.get(reason, 0) + count

    def _write_status(self, now_s: float) -> None:
        self._status_due_s = now_s + INTERVAL_S
        self._renew_status(self.facts(cpu_share=self._cpu.since_last()))

    def _renew_status(self, facts: Facts) -> None:
        """Write the status. Raises EdgeKitError if the first cannot be written; a later one that cannot is noted."""
        if self._status is None:
            return
        try:
            self._status.write(facts.to_json())
        except EdgeKitError as failure:
            if not self._status_written:
                raise
            self._status_failures += 1
            self._status_failure = failure.message
        else:
            self._status_written = True
            self._status_failures = 0

    def _end(self, error: str | None) -> None:
        """Close the sinks, all of them, and write the last status; the first failure among these is raised."""
        failures: list[Exception] = []
        last = [sink.close for sink in self._sinks]
        last.append(lambda: self._renew_status(self.facts(error=error)))
        for step in last:
            try:
                step()
            except (EdgeKitError, OSError) as failure:  # noqa: PERF203 (each is tried, whatever the others do)
                failures.append(failure)
        if failures and error is None:
            raise failures[0]


def _microseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e6
