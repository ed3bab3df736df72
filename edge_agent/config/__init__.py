"""
What the agent is told: `agent.json`, as standard-library dataclasses.

One schema for both sides: the host builds `edgekit.toml` on these same classes and checks it with pydantic
(`extra = "forbid"`, attribute docstrings as descriptions); the device reads `agent.json` with `edge_agent.schema`.
"""

from edge_agent.config.agent import AgentConfig, Archive
from edge_agent.config.checks import STRICT
from edge_agent.config.sinks import JsonlSink, Sink, TerminalSink
from edge_agent.config.sources import ReplaySource, Source, StdinSource
from edge_agent.config.stream import Columns, Decision, Output, Stream

__all__ = [
    "STRICT",
    "AgentConfig",
    "Archive",
    "Columns",
    "Decision",
    "JsonlSink",
    "Output",
    "ReplaySource",
    "Sink",
    "Source",
    "StdinSource",
    "Stream",
    "TerminalSink",
]
