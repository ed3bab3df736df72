"""The loop: source → model → bounded queue, and what is due once a second beside it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from edge_agent.clock import WallClock
from edge_agent.errors import ConfigError, EdgeKitError
from edge_agent.inference import Inference
from edge_agent.logs import Log
from edge_agent.notify import Notifier
from edge_agent.session import engine_memory
from edge_agent.status import INTERVAL_S, CpuShare, resident_bytes
from edge_agent.summary import Facts, Origin
from edge_agent.uplink.report import NAME as UPLINK_REPORT
from edge_agent.uplink.report import read_document, uplink_notes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_agent.capture import CaptureWriter
    from edge_agent.config import AgentConfig
    from edge_agent.delivery import Delivery
    from edge_agent.latency import LatencyHistogram
    from edge_agent.pace import Pace
    from edge_agent.records import Event
    from edge_agent.session import Memory, Stream
    from edge_agent.sources import Source
    from edge_agent.stop import Stop

CLOSING_S = 1.5
"""A stopped service has two seconds: its source takes 0.2 of them, the inference under way 0.1."""


class Pipeline:
    """
    Runs one configuration until its source ends or a stop is requested.

    One thread does it all but the input and output of the sinks, which are `delivery`'s. `clock` is a monotonic clock
    in seconds. The `notifier` hears of every turn of the loop; a source whose device is absent, and a spool that is
    full, are turns like any other. `uplink` is the folder in which the uplink reports, if there is one.
    """

    def __init__(  # noqa: PLR0913 (each is one seam, given by name)
        self,
        config: AgentConfig,
        stream: Stream,
        source: Source,
        delivery: Delivery,
        *,
        origin: Origin | None = None,
        pace: Pace | None = None,
        capture: CaptureWriter | None = None,
        notifier: Notifier | None = None,
        log: Log | None = None,
        uplink: Path | None = None,
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
        self._source = source
        self._delivery = delivery
        self._origin = origin or Origin()
        self._capture = capture
        self._notifier = notifier or Notifier({})
        self._log = log or Log(None)
        self._uplink = uplink
        self._memory = memory
        self._clock = clock
        self._cpu = CpuShare()
        self._wall_clock = WallClock(monotonic=clock)
        self._inference = Inference(
            config,
            stream,
            clock=clock,
            pace=pace,
            capture=capture,
            latency=latency,
            alive=self._notifier.progress,
        )
        self._pace = self._inference.pace
        self._began_s = self._due_s = clock()
        self._state = ""
        """Of the source, as it was last reported."""
        self._spools: tuple[str, ...] = ()
        """States of the spools, likewise."""
        self._lost = 0
        """Records that the sinks did not get, as last reported."""

    def run(self, stop: Stop) -> Facts:
        """
        Run to the end and return the accounts. Raises EdgeKitError when the source, the engine or a sink fails.

        Whatever happens, the sinks are closed and the status says how it ended.
        """
        error: str | None = "interrupted"
        try:
            self._loop(stop)
            error = None
        except EdgeKitError as failure:
            error = failure.message
            self._log.error("failed", error)
            raise
        finally:
            self._end(error, stop)
        return self.facts()

    def _loop(self, stop: Stop) -> None:
        delivery, inference, clock = self._delivery, self._inference, self._clock
        recorded_levels = self._pace.is_recorded
        self._tick(clock())  # a status that cannot be written says so now, not in a second
        for block in self._source.blocks(stop):
            if recorded_levels:
                self._deliver_changes(inference.level_changes())
            if block is not None:
                predictions, events = inference.take(block, stop)
                if predictions:
                    delivery.put(predictions, events)
            now_s = clock()
            if now_s >= self._due_s:
                self._tick(now_s)
            self._notifier.ready()
            self._notifier.progress(now_s)

    def facts(self, *, error: str | None = None, cpu_share: float | None = None) -> Facts:
        """Return how the run stands."""
        source, accounts, latency = self._source, self._inference.accounts, self._inference.latency
        memory = self._memory()
        return Facts(
            name=self._config.name,
            version=self._config.version,
            origin=self._origin,
            mode=self._config.model.mode,
            unproven=self._config.model.unproven,
            state="failed" if error else source.state,
            error=error,
            uptime_s=self._clock() - self._began_s,
            clock_synced=self._wall_clock.synced,
            samples=accounts.samples(source.counts),
            source={"kind": self._config.source.kind, **source.details},
            windows=accounts.windows,
            shed_windows=accounts.shed_windows,
            predictions=dict(accounts.predictions),
            unlabelled=accounts.unlabelled,
            nonfinite_outputs=accounts.nonfinite,
            events=accounts.events,
            level=self._pace.level,
            budget=self._pace.report(),
            delivery=self._delivery_facts(),
            latency_p50_us=_microseconds(latency.percentile_s(50)),
            latency_p99_us=_microseconds(latency.percentile_s(99)),
            engine_live_bytes=memory.live_bytes,
            engine_peak_bytes=memory.peak_bytes,
            rss_bytes=resident_bytes(),
            cpu_share=self._cpu.overall() if cpu_share is None else cpu_share,
            rate_hz=self._config.input.rate_hz,
            rate_hz_measured=source.rate_hz_measured,
            notes=(*source.notes, *self._delivery_notes()),
        )

    def _tick(self, now_s: float) -> None:
        """Do what is due once a second. Raises what a sink has failed with."""
        self._due_s = now_s + INTERVAL_S
        self._pace.tick(now_s)
        self._deliver_changes(self._inference.level_changes())
        self._write_capture()
        facts = self.facts(cpu_share=self._cpu.since_last())
        self._delivery.status(facts.to_json())
        self._report(facts)

    def _deliver_changes(self, changes: list[Event]) -> None:
        for change in changes:
            self._log.warning("level", change.reason, to=change.label, before=change.previous)
        if changes:
            self._delivery.put((), changes)

    def _report(self, facts: Facts) -> None:
        """Tell systemd and the log what has changed since the last second."""
        if facts.state != self._state:
            values: dict[str, Any] = {"state": facts.state, "before": self._state or None}
            report = self._log.warning if facts.state == "absent" else self._log.info
            report("source", **values, **facts.source)
            self._state = facts.state
        lost = sum(facts.delivery["dropped"].values()) + sum(facts.delivery["refused"].values())
        if lost > self._lost:
            self._log.warning("lost", self._delivery.refusal, records=lost - self._lost)
            self._lost = lost
        spools = _spool_states(facts.delivery)
        if spools != self._spools:
            report = self._log.info if set(spools) <= {"ok"} else self._log.warning
            report("spool", state=", ".join(spools), before=", ".join(self._spools) or None)
            self._spools = spools
        words = [f"source {facts.state}", f"level {facts.level}", *(f"spool {s}" for s in spools)]
        self._notifier.status(", ".join(words))

    def _delivery_facts(self) -> dict[str, Any]:
        facts = self._delivery.counters
        if self._uplink is not None:
            facts["uplink"] = read_document(self._uplink / UPLINK_REPORT)[0]
        return facts

    def _delivery_notes(self) -> tuple[str, ...]:
        delivery = self._delivery
        notes = [] if self._uplink is None else [*uplink_notes(self._uplink)]
        if delivery.status_failures:
            notes.append(
                f"{delivery.status_failure} (so far {delivery.status_failures} times in a row)"
            )
        if delivery.refusal:
            notes.append(f"a sink has failed: {delivery.refusal}")
        return tuple(notes)

    def _write_capture(self) -> None:
        if self._capture is not None:
            self._capture.drops(self._source.counts)
            self._capture.flush()

    def _end(self, error: str | None, stop: Stop) -> None:
        """Close capture and sinks, all of them, and write the last status; the first failure among these is raised."""
        self._notifier.stopping()
        failures: list[Exception] = []
        for step in (self._close_capture, lambda: self._close_delivery(error, stop)):
            try:
                step()
            except (EdgeKitError, OSError) as failure:  # noqa: PERF203 (each is tried, whatever the other does)
                failures.append(failure)
        self._notifier.close()
        self._log.info("ended", error or "", state=self._source.state)
        if failures and error is None:
            raise failures[0]

    def _close_capture(self) -> None:
        if self._capture is not None:
            self._capture.drops(self._source.counts)
            self._capture.close()

    def _close_delivery(self, error: str | None, stop: Stop) -> None:
        def last(failure: Exception | None) -> dict[str, Any]:
            return self.facts(error=error or (str(failure) if failure else None)).to_json()

        self._delivery.close(CLOSING_S if stop.requested else None, last=last)


def _spool_states(delivery: dict[str, Any]) -> tuple[str, ...]:
    parts = [part for part in delivery.values() if isinstance(part, dict)]
    return tuple(str(part["state"]) for part in parts if "state" in part)


def _microseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e6
