"""Where the spools lie: a folder for each sink that sends over the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.config import MqttSink

if TYPE_CHECKING:
    from pathlib import Path

    from edge_agent.config import AgentConfig


def spool_folders(agent: AgentConfig, state: Path) -> dict[str, tuple[MqttSink, Path]]:
    """
    Return the mqtt sinks with their folders, by name: `mqtt`, then `mqtt-2` and so on.

    The name does not depend on the broker's address: what waits follows a broker that moves.
    """
    sinks = [sink for sink in agent.sinks if isinstance(sink, MqttSink)]
    names = ["mqtt" if number == 1 else f"mqtt-{number}" for number in range(1, len(sinks) + 1)]
    return {name: (sink, state / "spool" / name) for name, sink in zip(names, sinks, strict=True)}
