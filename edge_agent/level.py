"""How much of the work is done, and the record of a change of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """How much of the work is done."""

    hop_factor: int = 1
    """Every so manyth window is computed."""
    paced: bool = False
    """Windows are passed over as the limits demand it."""
    paused: bool = False
    exceeded: tuple[str, ...] = ()
    """Keys of the budget that are exceeded, as measured over the last window."""

    @property
    def name(self) -> str:
        """`full`, `hop-x3`, `skip` or `pause`; predictions carry it."""
        if self.paused:
            return "pause"
        if self.paced:
            return "skip"
        return f"hop-x{self.hop_factor}" if self.hop_factor > 1 else "full"


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelChange:
    """A level that was entered, or a limit that is exceeded or kept again, and why: an event."""

    time_s: float
    """On the monotonic clock."""
    level: Level
    before: Level
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return the event's record."""
        return {
            "type": "level",
            "time_s": self.time_s,
            "level": self.level.name,
            "before": self.before.name,
            "exceeded": list(self.level.exceeded),
            "reason": self.reason,
        }
