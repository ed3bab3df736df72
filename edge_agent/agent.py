"""
From a configuration to a running pipeline: the one place that knows every kind of source and sink.

What only some kinds need is imported where such a kind is opened: what is not used takes no memory.
"""

# ruff: noqa: PLC0415 (as above)

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from edge_agent import config
from edge_agent.delivery import Delivery
from edge_agent.errors import ConfigError
from edge_agent.latency import LatencyHistogram
from edge_agent.logs import Log
from edge_agent.notify import Notifier
from edge_agent.pipeline import Pipeline
from edge_agent.session import engine_memory, open_stream
from edge_agent.spool.place import spool_folders
from edge_agent.status import StatusFile
from edge_agent.summary import Origin

MIB = 1 << 20
ROOT = Path("/")

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.capture import Capture, CaptureWriter
    from edge_agent.delivery import Keeper
    from edge_agent.overlay import Settings
    from edge_agent.pace import Pace
    from edge_agent.sinks import Sink
    from edge_agent.sources import Source


@dataclass(frozen=True, kw_only=True)
class Run:
    """How this one run goes, beside what is configured."""

    state: Path
    """Folder of what must outlive the process: the spool, and files of sinks with relative paths."""
    speed: float = 1.0
    """Of a replay, as a factor of real time."""
    replay: Path | None = None
    """A recorded run to be run again in place of the source."""
    record: Path | None = None
    """Where to write this run down."""
    status: Path | None = None
    terminal: TextIO | None = None
    """Where terminal sinks write; None for nowhere."""
    agent_json: Path | None = None
    """What to start the uplink with; None where it is a service of its own."""
    log: Log = field(default_factory=lambda: Log(None))
    notifier: Notifier = field(default_factory=lambda: Notifier({}))


def make_pipeline(settings: Settings, folder: Path, run: Run) -> Pipeline:
    """
    Return the pipeline of a configuration whose archive lies in `folder`.

    Raises EdgeKitError when the model, the source or a sink cannot be used.
    """
    agent = settings.agent
    latency = LatencyHistogram()
    stream = open_stream(agent, folder)
    again = _open_replay(run, agent)
    source = again or open_source(agent, folder, run.speed)
    lossless = again is not None or agent.source.kind in ("replay", "stdin")
    record = _open_record(run, agent)
    sinks = open_sinks(agent, run, latency, lossless=lossless)
    uplink, keepers = _open_uplink(settings, run)
    delivery = Delivery(
        sinks,
        lossless=lossless,
        status=StatusFile(run.status) if run.status else None,
        keepers=keepers,
    )
    return Pipeline(
        agent,
        stream,
        source,
        delivery,
        origin=Origin(device=settings.device, release=settings.release, overlay=settings.overlay),
        pace=again or make_pace(agent, uplink, run.speed),
        capture=record,
        notifier=run.notifier,
        log=run.log,
        uplink=uplink,
        latency=latency,
    )


def open_source(agent: config.AgentConfig, folder: Path, speed: float) -> Source:
    """Return the source that `agent` names; paths within the release count from `folder`."""
    return source_of(agent.source, agent.input, folder, speed=speed, calibration=agent.calibration)


def source_of(
    source: config.Source,
    stream: config.Stream,
    folder: Path,
    *,
    speed: float = 1.0,
    calibration: config.Calibration | None = None,
) -> Source:
    """
    Return a source of the samples of `stream`; its paths count from `folder`.

    Raises EdgeKitError for one that can never be used; a device that is not there is waited for.
    """
    if isinstance(source, config.SerialSource):
        from edge_agent.sources.serial import SerialSource

        return SerialSource(stream, source, calibration=calibration)
    if isinstance(source, config.SysfsSource):
        from edge_agent.sources.sysfs import SysfsSource

        return SysfsSource(stream, source, calibration=calibration)
    if isinstance(source, config.PluginSource):
        from edge_agent.sources.plugin import open_plugin

        return open_plugin(stream, source, folder, calibration=calibration)
    if isinstance(source, config.ReplaySource):
        from edge_agent.sources.replay import ReplaySource

        return ReplaySource(
            folder / source.path, stream, source, speed=speed, calibration=calibration
        )
    from edge_agent.sources.stdin import StdinSource

    return StdinSource(stream, source, calibration=calibration)


def open_sinks(
    agent: config.AgentConfig, run: Run, latency: LatencyHistogram, *, lossless: bool
) -> list[Sink]:
    """Return the sinks that are configured. Raises EdgeKitError for one that cannot be opened."""
    opened: list[Sink] = []
    spools = iter([folder for _, folder in spool_folders(agent, run.state).values()])
    for sink in agent.sinks:
        if isinstance(sink, config.JsonlSink):
            from edge_agent.sinks.jsonl import JsonlSink

            rotate_mib = sink.rotate_mib
            opened.append(
                JsonlSink(
                    run.state / sink.path,
                    predictions=sink.predictions,
                    rotate_bytes=None if rotate_mib is None else int(rotate_mib * MIB),
                    keep=sink.keep,
                )
            )
        elif isinstance(sink, config.CommandSink):
            from edge_agent.sinks.command import CommandSink

            opened.append(
                CommandSink(
                    sink.command, name=agent.name, timeout_s=sink.timeout_s, lossless=lossless
                )
            )
        elif isinstance(sink, config.MqttSink):
            from edge_agent.sinks.spool_sink import SpoolSink

            opened.append(SpoolSink(next(spools), sink))
        elif run.terminal is not None:
            from edge_agent.sinks.terminal import TerminalSink

            opened.append(TerminalSink(run.terminal, latency=latency, memory=engine_memory))
    return opened


def _open_replay(run: Run, agent: config.AgentConfig) -> Capture | None:
    if run.replay is None:
        return None
    from edge_agent.capture import Capture

    return Capture(run.replay, agent, speed=run.speed)


def _open_record(run: Run, agent: config.AgentConfig) -> CaptureWriter | None:
    if run.record is None:
        return None
    if run.replay is not None and run.record.resolve() == run.replay.resolve():
        raise ConfigError(
            f"`{run.record}` is replayed: it would be written while it is read",
            hint="record to another file",
        )
    from edge_agent.capture import CaptureWriter

    return CaptureWriter(run.record, agent)


def _open_uplink(settings: Settings, run: Run) -> tuple[Path | None, Sequence[Keeper]]:
    """Return the folder in which the uplink reports, and what keeps it running where that is the agent's to do."""
    if not any(isinstance(sink, config.MqttSink) for sink in settings.agent.sinks):
        return None, ()
    folder = run.state if run.status is None else run.status.parent
    if run.agent_json is None:
        return folder, ()
    from edge_agent.process import Supervised
    from edge_agent.uplink.start import uplink_command

    command = uplink_command(
        run.agent_json,
        run.state,
        status=run.status,
        overlay=settings.overlay_path,
        log=run.log.active,
    )
    return folder, (Supervised(command),)


def make_pace(
    agent: config.AgentConfig, uplink: Path | None, speed: float, *, root: Path = ROOT
) -> Pace | None:
    """
    Return the governor's pace; None without a budget, where the board does not tell of throttling either.

    Throttling spoils the figures of any run, so without a budget it is told all the same; power is not measured then.

    To be called last: what it may limit is what is left when everything else is loaded. A replay that is not played at
    the `speed` of real time is only reported on: a budget is of real time.
    """
    from edge_agent.throttling import find_throttling

    throttling = find_throttling(root)
    if not agent.budget.limits and throttling is None:
        return None
    from edge_agent.budget_report import budget_report
    from edge_agent.governor import Governor
    from edge_agent.latency import RecentLatency
    from edge_agent.memory_limit import enforce
    from edge_agent.meters.find import find_meter, may_enforce
    from edge_agent.pace import GovernedPace
    from edge_agent.uplink.report import uplink_pids
    from edge_agent.usage import UsageReader

    budget, now_s = agent.budget, time.monotonic()
    if speed != 1:
        budget = replace(budget, on_exceed=("report",))
    meter = find_meter(budget, agent.board, root=root) if budget.limits else None
    governor = Governor(budget, agent.board, power_enforced=may_enforce(budget, meter), now_s=now_s)
    # Wherever it was started: what the uplink uses counts.
    reader = UsageReader(meter, throttling, children=lambda: uplink_pids(uplink) if uplink else ())
    latency = RecentLatency(budget.window_s, now_s)
    enforcement = enforce(budget.memory_bytes)
    return GovernedPace(
        governor,
        reader,
        latency,
        lambda usage, governor, now_s: budget_report(budget, enforcement, usage, governor, now_s),
    )
