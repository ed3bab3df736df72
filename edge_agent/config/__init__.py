"""
What the agent is told: `agent.json`, as standard-library dataclasses.

One schema for both sides: the host builds `edgekit.toml` on these same classes and checks it with pydantic
(`extra = "forbid"`, attribute docstrings as descriptions); the device reads `agent.json` with `edge_agent.schema`.
"""

from edge_agent.config.agent import AgentConfig, Archive
from edge_agent.config.budget import BoardFacts, Budget, PowerModel
from edge_agent.config.checks import STRICT
from edge_agent.config.sinks import CommandSink, JsonlSink, MqttSink, Sink, TerminalSink
from edge_agent.config.sources import (
    PluginSource,
    ReplaySource,
    SerialSource,
    Source,
    StdinSource,
    SysfsSource,
)
from edge_agent.config.stream import Calibration, Columns, Decision, Output, Stream

__all__ = [
    "STRICT",
    "AgentConfig",
    "Archive",
    "BoardFacts",
    "Budget",
    "Calibration",
    "Columns",
    "CommandSink",
    "Decision",
    "JsonlSink",
    "MqttSink",
    "Output",
    "PluginSource",
    "PowerModel",
    "ReplaySource",
    "SerialSource",
    "Sink",
    "Source",
    "StdinSource",
    "Stream",
    "SysfsSource",
    "TerminalSink",
]
