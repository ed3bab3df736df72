"""What the service may use, and what its board draws by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edge_agent.config.checks import STRICT, check

SHORTEST_WINDOW_S = 10
"""Meters are read once a second: shorter windows would judge single readings."""
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the service may use. A limit that is not set does not exist."""

    __pydantic_config__ = STRICT

    memory_mib: float | None = None
    """Memory of the whole service: engine, agent and uplink."""
    cpu_percent: float | None = None
    """CPU time in percent of one core, averaged over the window."""
    power_mw: float | None = None
    """Power in milliwatts, averaged over the window; of what, says `scope`."""
    scope: Literal["board", "dynamic"] = "board"
    """`board`: all that the board draws; `dynamic`: what it draws above its idle power."""
    latency_ms: float | None = None
    """Time from a block's arrival to its prediction that 99 % stay below, over the window."""
    window_s: float = 60.0
    """Length of the sliding window over which everything is averaged."""
    meter: Literal["auto", "model"] = "auto"
    """`auto`: a meter that the board has; without one the board's model reports but never enforces. `model`: the model, and it enforces."""
    on_exceed: tuple[Literal["report", "stretch-hop", "skip", "pause"], ...] = ("report",)
    """What may be done to stay within the limits: only `report`; compute every n-th window (`stretch-hop`), pass over windows (`skip`), stop for a while (`pause`)."""

    def __post_init__(self) -> None:
        for name in ("memory_mib", "cpu_percent", "power_mw", "latency_ms"):
            _check_limit(name, getattr(self, name))
        check(
            SHORTEST_WINDOW_S <= self.window_s < math.inf,
            f"`window_s` is {self.window_s:g}: at least {SHORTEST_WINDOW_S}, meters are read once a second",
        )
        check(len(self.on_exceed) > 0, '`on_exceed` is empty: `["report"]` changes nothing')
        for action in self.on_exceed:
            check(self.on_exceed.count(action) == 1, f"`on_exceed` names `{action}` twice")
        check(
            not self.actions or self._acted_on,
            f"`on_exceed` asks for `{''.join(self.actions[:1])}`, but there is no `cpu_percent`, `power_mw` or `latency_ms` to keep",
        )
        check(
            self.latency_ms is None or not self.actions or "stretch-hop" in self.actions,
            "`on_exceed` cannot keep `latency_ms` without `stretch-hop`",
        )

    @property
    def actions(self) -> tuple[str, ...]:
        """What may be done beyond reporting."""
        return tuple(action for action in self.on_exceed if action != "report")

    @property
    def memory_bytes(self) -> int | None:
        """The limit on memory in bytes."""
        return None if self.memory_mib is None else round(self.memory_mib * MIB)

    @property
    def limits(self) -> bool:
        """Whether there is any limit."""
        return self._acted_on or self.memory_mib is not None

    @property
    def _acted_on(self) -> bool:
        return any(
            limit is not None for limit in (self.cpu_percent, self.power_mw, self.latency_ms)
        )


@dataclass(frozen=True, kw_only=True)
class PowerModel:
    """What a board draws: `idle_mw`, and `core_mw` for each core that is busy."""

    idle_mw: float
    core_mw: float | None = None
    """None where nobody has measured it: then it is no meter."""
    uncertainty_percent: float
    """How far it may be from what a meter would show."""
    source: str
    """Who measured the figures, and how."""

    def __post_init__(self) -> None:
        for name in ("idle_mw", "core_mw", "uncertainty_percent"):
            value = getattr(self, name)
            if value is not None:
                check(0 <= value < math.inf, f"`{name}` is {value:g}: must not be negative")


@dataclass(frozen=True, kw_only=True)
class BoardFacts:
    """What the agent needs to know of its board."""

    id: str
    """Name of the board's file, such as `raspberry-pi-4`."""
    cores: int | None = None
    memory_mib: int | None = None
    power: PowerModel | None = None
    """None where nobody has measured it."""


def _check_limit(name: str, value: float | None) -> None:
    if value is None:
        return
    check(
        0 < value < math.inf,
        f"`{name}` is {value:g}: must be positive; leave it out for no limit",
    )
    check(
        name != "cpu_percent" or value <= 100,  # noqa: PLR2004 (percent)
        f"`{name}` is {value:g}: at most 100, the model runs on one core",
    )
