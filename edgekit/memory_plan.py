"""
What a service will occupy on its board, known before it is there.

The engine's part is counted: it is what the engine's own allocator held while the proof ran. Python's part is measured
by `scripts/measure-agent-memory`, per kind of source and sink, and rounded up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_agent import config
from edge_agent.config.budget import MIB
from edgekit.errors import OverBudget
from edgekit.project import StreamInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgekit.project import Project

AGENT_BYTES = 16 * MIB
"""Python with the agent loaded; x86-64, CPython 3.11."""
ENGINE_CODE_BYTES = 8 * MIB
"""The engine's library at work: three quarters of its pages are touched, and on a device it has 10 MB."""
SOURCE_BYTES = {
    "replay": MIB,
    "stdin": 3 * MIB // 2,
    "serial": 2 * MIB,
    "sysfs": MIB,
}
PLUGIN_BYTES = MIB
"""Without what the plugin itself imports."""
SINK_BYTES = {
    "terminal": 3 * MIB // 2,
    "jsonl": MIB // 2,
    "command": MIB,
    "mqtt": MIB // 2,
}
UPLINK_BYTES = 27 * MIB
"""The second process that the network has: Python, paho-mqtt, TLS."""
QUEUE_BYTES = 5 * MIB
"""The queue between model and sinks when it is full (`edge_agent.delivery.CAPACITY`)."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that occupies memory."""

    name: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """What the service will occupy at most, and what it may."""

    parts: tuple[Part, ...]
    limit_bytes: int | None

    @property
    def total_bytes(self) -> int:
        """The sum of the parts."""
        return sum(part.size_bytes for part in self.parts)

    @property
    def share(self) -> float | None:
        """How much of the limit is planned; None without a limit."""
        return None if self.limit_bytes is None else self.total_bytes / self.limit_bytes

    def check(self) -> None:
        """Raise OverBudget, with the numbers, if it is more than the limit."""
        if self.limit_bytes is None or self.total_bytes <= self.limit_bytes:
            return
        largest = sorted(self.parts, key=lambda part: -part.size_bytes)
        listed = ", ".join(f"{part.name} {_mib(part.size_bytes)}" for part in largest)
        raise OverBudget(
            f"the service needs {_mib(self.total_bytes)}, `budget.memory_mib` is {self.limit_bytes / MIB:g}: {listed}",
            hint=f"set `memory_mib` to {-(-self.total_bytes // MIB)} in [budget], or take a smaller model",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object."""
        return {
            "total_bytes": self.total_bytes,
            "limit_bytes": self.limit_bytes,
            "parts": {part.name: part.size_bytes for part in self.parts},
        }


def memory_plan(project: Project, engine: Mapping[str, int], archive_bytes: int) -> MemoryPlan:
    """
    Return the plan of a project whose archive has `archive_bytes`.

    `engine` is the proof's `memory`. While the model is loaded its archive is in memory as well; what is
    loaded and what runs are not there at once: `loading` is what it needs beyond that.
    """
    loading_bytes = archive_bytes + engine["load_bytes"]
    weights_bytes, peak_bytes = engine["live_bytes"], engine["peak_bytes"]
    parts = [
        Part(name="weights", size_bytes=weights_bytes),
        Part(name="intermediate results", size_bytes=max(0, peak_bytes - weights_bytes)),
        Part(name="loading", size_bytes=max(0, loading_bytes - max(peak_bytes, weights_bytes))),
        Part(name="engine", size_bytes=ENGINE_CODE_BYTES),
        Part(name="Python and agent", size_bytes=AGENT_BYTES),
    ]
    stream = project.input
    if isinstance(stream, StreamInput):
        window_bytes = 4 * len(stream.channels) * stream.window
        parts.append(Part(name="ring of samples", size_bytes=window_bytes))
        parts += _input_and_output(project)
    return MemoryPlan(parts=tuple(parts), limit_bytes=project.budget.memory_bytes)


def _input_and_output(project: Project) -> list[Part]:
    source = project.source
    kind = "stdin" if source is None else source.kind
    kinds = {sink.kind for sink in project.sink or (config.TerminalSink(),)}
    parts = [
        Part(name=f"source {kind}", size_bytes=SOURCE_BYTES.get(kind, PLUGIN_BYTES)),
        Part(name="sinks", size_bytes=sum(SINK_BYTES[kind] for kind in kinds)),
        Part(name="queue", size_bytes=QUEUE_BYTES),
    ]
    if "mqtt" in kinds:
        parts.append(Part(name="uplink", size_bytes=UPLINK_BYTES))
    return parts


def _mib(count: int) -> str:
    return f"{count / MIB:.1f} MiB"
