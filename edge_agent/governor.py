"""
Which windows are computed, so that the budget is kept: a pure function of budget, usage and time.

Windows stay on the project's grid, and the engine's ring takes every sample: what is computed at any level
is a subset of what is computed in full, number by number, and going back to full needs no warm-up.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_agent.allowance import Allowance, SlidingSum
from edge_agent.config.budget import MIB
from edge_agent.ladder import Ladder
from edge_agent.level import Level, LevelChange

if TYPE_CHECKING:
    from edge_agent.config import BoardFacts, Budget
    from edge_agent.usage import Usage

WARM_UP_SHARE = 1 / 12
"""Of a window: no level is chosen before, because one block is no rate and one reading no mean."""
BURST_SHARE = 1 / 30
"""Of a window: windows that come together, as blocks bring them, may be computed together."""
EXCEEDED_SHARE, KEPT_SHARE = 1.01, 0.95
"""Of a limit: what counts as exceeded (1 % is less than any meter can tell), and as kept again."""
DEFAULT_CORE_MW = 1000.0
"""What a busy core draws where no board says it: a guess that only shares out what a meter measures."""


class Governor:
    """
    Decides for each window whether it is computed, and once a second at what level.

    The loop asks `admit` for each window that is due and tells `spend` for each that was computed, if the
    governor is `enforcing`; `step` it calls once a second in any case. `power_enforced`: whether the power that
    `usage` tells may change the level.
    """

    def __init__(
        self, budget: Budget, board: BoardFacts | None, *, power_enforced: bool, now_s: float
    ) -> None:
        self._budget = budget
        known = board.power.core_mw if board is not None and board.power is not None else None
        self._core_mw = DEFAULT_CORE_MW if known is None else known
        self._accounts = _accounts(budget, board, now_s)
        self._enforced = {
            key: account
            for key, account in self._accounts.items()
            if budget.actions and (key != "power_mw" or power_enforced)
        }
        self._keeps_latency = bool(budget.actions) and budget.latency_ms is not None
        self._ladder = Ladder(budget, self._enforced)
        self._has_gate = bool({"skip", "pause"} & set(budget.actions))
        self.level = Level()
        self.reason = ""
        """Of the level; of the limits that are exceeded, while it is `full`."""
        self.shed_windows = 0
        """Windows that were not computed."""
        self._began_s = self._credited_s = now_s
        self._offered = SlidingSum(budget.window_s, now_s)
        self._offers = 0
        self._credit = 0.0
        self._pace_per_s = math.inf
        self._starved = False
        """Whether a window was refused since the last step because there was no room for it."""
        self._cpu_s: float | None = None
        self._changes: list[LevelChange] = []

    @property
    def enforcing(self) -> bool:
        """Whether the level can ever be another than `full`."""
        return bool(self._enforced) or self._keeps_latency

    def enforces(self, key: str) -> bool:
        """Return whether this limit may change the level."""
        return key in self._enforced or (key == "latency_ms" and self._keeps_latency)

    def admit(self, now_s: float) -> bool:
        """Return whether the window that is due is computed; constant time, some microseconds."""
        self._offered.add(now_s, 1.0)
        self._offers += 1
        admitted = self._admits(now_s)
        self.shed_windows += not admitted
        return admitted

    def spend(self, now_s: float, took_s: float) -> None:
        """Count a window that was computed, in `took_s` of CPU time."""
        for key, account in self._enforced.items():
            account.spend(now_s, took_s * (self._core_mw if key == "power_mw" else 1.0))

    def step(self, usage: Usage, now_s: float) -> Level:
        """Look at what was used, about once a second; return the level from now on."""
        self._settle(usage, now_s)
        level, reason = replace(self.level, exceeded=()), ""
        passed_s = now_s - self._began_s
        if self.enforcing and passed_s >= WARM_UP_SHARE * self._budget.window_s:
            windows_per_s = self._offered.total(now_s) / min(passed_s, self._budget.window_s)
            level, reason = self._ladder.choose(
                windows_per_s, usage.latency_p99_s, now_s, starved=self._starved
            )
        self._starved = False
        self._pace_per_s = min(
            (account.pace_per_s() for account in self._enforced.values()), default=math.inf
        )
        exceeded = self._exceeded(usage, now_s)
        level = replace(level, exceeded=tuple(exceeded))
        if level != self.level:
            reason = reason or "; ".join(exceeded.values()) or "all limits are kept again"
            self._changes.append(
                LevelChange(time_s=now_s, level=level, before=self.level, reason=reason)
            )
            if level.name == "full" or level.name != self.level.name:
                self.reason = reason
            self.level = level
        return level

    def take_changes(self) -> list[LevelChange]:
        """Return the changes since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def mean_per_s(self, key: str, now_s: float) -> float | None:
        """Return the use over the last window: of `cpu_percent` in cores, of `power_mw` in milliwatts."""
        account = self._accounts.get(key)
        return None if account is None else account.mean_per_s(now_s)

    def _admits(self, now_s: float) -> bool:
        level = self.level
        if level.paused or self._offers % level.hop_factor:
            return False
        if level.paced and not self._has_credit(now_s):
            return False
        if self._has_gate and not all(
            account.has_room(now_s) for account in self._enforced.values()
        ):
            self._starved = True
            # Credit saved up meanwhile would come as a burst, and again in every window.
            self._credit = min(self._credit, 1.0)
            return False
        self._credit -= level.paced
        return True

    def _has_credit(self, now_s: float) -> bool:
        """Credit comes at the pace that the limits allow, so that a window is used up evenly and not at its start."""
        most = max(1.0, self._pace_per_s * BURST_SHARE * self._budget.window_s)
        earned = self._pace_per_s * (now_s - self._credited_s)
        self._credit = min(most, self._credit + earned)
        self._credited_s = now_s
        return self._credit >= 1.0

    def _settle(self, usage: Usage, now_s: float) -> None:
        used_s = None if self._cpu_s is None else usage.cpu_s - self._cpu_s
        self._cpu_s = usage.cpu_s
        for key, account in self._accounts.items():
            if key == "cpu_percent":
                account.settle(now_s, used_s)
            else:
                passed_s = now_s - account.settled_s
                account.settle(now_s, usage.power.mw * passed_s if usage.power else None)

    def _exceeded(self, usage: Usage, now_s: float) -> dict[str, str]:
        """Return the limits that are exceeded, each with a sentence."""
        budget, found = self._budget, {}
        full = now_s - self._began_s >= budget.window_s
        cpu, power_mw = (
            self.mean_per_s(key, now_s) if full else None for key in ("cpu_percent", "power_mw")
        )
        latency_s, memory_bytes = usage.latency_p99_s, usage.memory_bytes
        for key, limit, used in (
            ("memory_mib", budget.memory_mib, None if memory_bytes is None else memory_bytes / MIB),
            ("cpu_percent", budget.cpu_percent, None if cpu is None else cpu * 100),
            ("power_mw", budget.power_mw, power_mw),
            ("latency_ms", budget.latency_ms, None if latency_s is None else latency_s * 1e3),
        ):
            share = KEPT_SHARE if key in self.level.exceeded else EXCEEDED_SHARE
            if limit is not None and used is not None and used > share * limit:
                found[key] = f"`{key}` is {limit:g}, {used:.4g} are used"
        return found


def _accounts(budget: Budget, board: BoardFacts | None, now_s: float) -> dict[str, Allowance]:
    accounts = {}
    if budget.cpu_percent is not None:
        accounts["cpu_percent"] = Allowance(budget.cpu_percent / 100, budget.window_s, now_s)
    if budget.power_mw is not None:
        model = board.power if board is not None and budget.scope == "board" else None
        accounts["power_mw"] = Allowance(
            budget.power_mw,
            budget.window_s,
            now_s,
            rest_per_s=model.idle_mw if model is not None else 0.0,
        )
    return accounts
