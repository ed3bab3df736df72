"""From a configuration to a running pipeline: the one place that knows every kind of source and sink."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from edge_agent import config
from edge_agent.latency import LatencyHistogram
from edge_agent.pipeline import Pipeline
from edge_agent.session import engine_memory, open_stream
from edge_agent.sinks.jsonl import JsonlSink
from edge_agent.sinks.terminal import TerminalSink
from edge_agent.sources.replay import ReplaySource
from edge_agent.sources.stdin import StdinSource
from edge_agent.status import StatusFile

if TYPE_CHECKING:
    from edge_agent.sinks import Sink
    from edge_agent.sources import Source


def make_pipeline(
    agent: config.AgentConfig,
    folder: Path,
    *,
    speed: float = 1.0,
    status: Path | None = None,
    terminal: TextIO | None = None,
) -> Pipeline:
    """
    Return the pipeline of `agent`, whose archive lies in `folder`.

    `speed` is a replay's factor of real time; `terminal` is where terminal sinks write, None for nowhere.
    Raises EdgeKitError when the model, the source or a sink cannot be used.
    """
    latency = LatencyHistogram()
    stream = open_stream(agent, folder)
    source = open_source(agent, speed)
    return Pipeline(
        agent,
        stream,
        source,
        sinks=open_sinks(agent.sinks, terminal, latency),
        status=StatusFile(status) if status else None,
        latency=latency,
    )


def open_source(agent: config.AgentConfig, speed: float) -> Source:
    """Return the source that `agent` names."""
    source = agent.source
    if isinstance(source, config.ReplaySource):
        return ReplaySource(Path(source.path), agent.input, source, speed=speed)
    return StdinSource(agent.input, source)


def open_sinks(
    sinks: tuple[config.Sink, ...], terminal: TextIO | None, latency: LatencyHistogram
) -> list[Sink]:
    """Return the sinks that are configured. Raises EdgeKitError for a file that cannot be opened."""
    opened: list[Sink] = []
    for sink in sinks:
        if isinstance(sink, config.JsonlSink):
            opened.append(JsonlSink(Path(sink.path), predictions=sink.predictions))
        elif terminal is not None:
            opened.append(TerminalSink(terminal, latency=latency, memory=engine_memory))
    return opened
