"""How much of the work is done: asked by the loop for every window, answered by the governor or by a recorded run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from edge_agent.records import FULL, Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_agent.governor import Governor
    from edge_agent.latency import RecentLatency
    from edge_agent.usage import Usage, UsageReader


class Pace(Protocol):
    """Whether windows are computed, at what level, and what became of the budget."""

    enforcing: bool
    """Whether `admit` can ever say no: only then is it asked."""
    level: str
    """Name of the level; predictions carry it."""
    is_recorded: bool
    """Whether changes stand between blocks, as in a recorded run; else they come with ticks."""

    def admit(self, now_s: float) -> bool:
        """Return whether the window that is due is computed."""
        ...

    def spend(self, now_s: float, took_s: float) -> None:
        """Count a window that was computed, in `took_s` of CPU time."""
        ...

    def predicted(self, now_s: float, waited_s: float) -> None:
        """Note how long after its arrival a block's predictions were there."""
        ...

    def tick(self, now_s: float) -> None:
        """Look at what was used; to be called about once a second."""
        ...

    def take_changes(self) -> list[Event]:
        """Return the changes of level since the last call; their number and time are the pipeline's to say."""
        ...

    def report(self) -> dict[str, Any] | None:
        """Return the budget as `status.json` shows it; None where there is none."""
        ...


class FullPace:
    """Nothing limits the work: every window is computed."""

    enforcing = False
    is_recorded = False
    level = FULL

    def admit(self, now_s: float) -> bool:  # noqa: ARG002 (the protocol's)
        """Compute it."""
        return True

    def spend(self, now_s: float, took_s: float) -> None:
        """Count nothing."""

    def predicted(self, now_s: float, waited_s: float) -> None:
        """Note nothing."""

    def tick(self, now_s: float) -> None:
        """Look at nothing."""

    def take_changes(self) -> list[Event]:
        """Return none."""
        return []

    def report(self) -> dict[str, Any] | None:
        """Return none."""
        return None


class GovernedPace:
    """The governor's: reads what was used once a second and keeps within the budget by what `on_exceed` allows."""

    is_recorded = False

    def __init__(
        self,
        governor: Governor,
        reader: UsageReader,
        latency: RecentLatency,
        describe: Callable[[Usage, Governor, float], dict[str, Any]],
    ) -> None:
        self._governor = governor
        self._reader = reader
        self._latency = latency
        self._describe = describe
        self._report: dict[str, Any] | None = None
        self.enforcing = governor.enforcing
        self.level = governor.level.name
        self.admit = governor.admit
        self.spend = governor.spend

    def predicted(self, now_s: float, waited_s: float) -> None:
        """Note how long after its arrival a block's predictions were there."""
        self._latency.record(now_s, waited_s)

    def tick(self, now_s: float) -> None:
        """Read the usage and let the governor look at it."""
        usage = self._reader.read(now_s, self._latency.percentile_s(99, now_s))
        self.level = self._governor.step(usage, now_s).name
        self._report = self._describe(usage, self._governor, now_s)

    def take_changes(self) -> list[Event]:
        """Return the governor's changes of level, as events."""
        return [
            level_event(change.level.name, change.before.name, change.reason)
            for change in self._governor.take_changes()
        ]

    def report(self) -> dict[str, Any] | None:
        """Return the budget as it stood at the last tick."""
        return self._report


def level_event(level: str, previous: str, reason: str) -> Event:
    """Return the event of a change of level; its number and time are still to be filled in."""
    return Event(0, 0.0, level, previous, None, kind="level", reason=reason)
