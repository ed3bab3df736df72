"""
Which level the load asks for, with hysteresis: the gentlest action that is allowed and enough.

The load is what all windows would use, of what a limit leaves beside the rest; it does not depend on the level
in force, so a change never undoes itself.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge_agent.level import Level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_agent.allowance import Allowance
    from edge_agent.config import Budget

ENTER_LOAD = 0.95
TARGET_LOAD = 0.9
LEAVE_LOAD = 0.8
"""Where work is reduced, to what load, and below which (for a whole window) it is taken up again."""
LARGEST_FACTOR = 64


class Ladder:
    """Chooses the level for the limits that `budget` enforces: those in `accounts`, and the latency."""

    def __init__(self, budget: Budget, accounts: Mapping[str, Allowance]) -> None:
        self._accounts = accounts
        self._window_s = budget.window_s
        self._latency_s = math.inf if budget.latency_ms is None else budget.latency_ms / 1000
        self._may_stretch = "stretch-hop" in budget.actions
        self._may_skip = "skip" in budget.actions
        self._may_pause = "pause" in budget.actions
        self._calm_since_s: dict[str, float] = {}
        self._load_factor = self._latency_factor = 1
        self._latency_changed_s = -math.inf
        self._paced = self._paused = False
        self._reason = ""

    def choose(
        self, windows_per_s: float, latency_p99_s: float | None, now_s: float, *, starved: bool
    ) -> tuple[Level, str]:
        """
        Return the level, and the reason for what changed in this step (empty: nothing did).

        `windows_per_s` are due; `starved`: a window was refused because there was no room for it.
        """
        self._reason = ""
        if self._may_stretch:
            self._stretch(windows_per_s, now_s)
            self._stretch_for_latency(latency_p99_s, now_s)
        factor = max(self._load_factor, self._latency_factor)
        if self._may_skip:
            self._pace(windows_per_s / factor, now_s)
        if self._may_pause:
            self._pause(now_s, starved=starved and not self._may_skip)
        return Level(hop_factor=factor, paced=self._paced, paused=self._paused), self._reason

    def _stretch(self, windows_per_s: float, now_s: float) -> None:
        key, load = self._worst(windows_per_s)
        factor = self._load_factor
        if load / factor >= ENTER_LOAD:
            factor = max(factor, _factor(load / TARGET_LOAD))
        lower = _factor(load / LEAVE_LOAD)
        if self._is_calm("load", now_s, lower < factor):
            factor = lower
        if factor != self._load_factor:
            self._load_factor = factor
            self._reason = _load_text(key, load)

    def _stretch_for_latency(self, latency_p99_s: float | None, now_s: float) -> None:
        """Double the hop once a window until the latency is kept: it says nothing of how much is needed."""
        latency_s = latency_p99_s or 0.0
        factor = self._latency_factor
        calm = self._is_calm("latency", now_s, latency_s <= LEAVE_LOAD * self._latency_s)
        if latency_s > self._latency_s and now_s - self._latency_changed_s >= self._window_s:
            factor = min(LARGEST_FACTOR, 2 * factor)
        elif calm and now_s - self._latency_changed_s >= self._window_s:
            factor = max(1, factor // 2)
        if factor != self._latency_factor:
            self._latency_factor, self._latency_changed_s = factor, now_s
            self._reason = f"99 % of predictions within {latency_s * 1e3:.3g} ms, `latency_ms` is {self._latency_s * 1e3:g}"

    def _pace(self, windows_per_s: float, now_s: float) -> None:
        key, load = self._worst(windows_per_s)
        paced = self._paced or load >= ENTER_LOAD
        if self._is_calm("pace", now_s, load <= LEAVE_LOAD):
            paced = False
        if paced != self._paced:
            self._paced = paced
            self._reason = _load_text(key, load)

    def _pause(self, now_s: float, *, starved: bool) -> None:
        used = {key: account.load(now_s) for key, account in self._accounts.items()}
        key = max(used, key=used.__getitem__, default="")
        most = used.get(key, 0.0)
        paused = self._paused or starved or most == math.inf
        if self._is_calm("pause", now_s, most <= LEAVE_LOAD and not starved):
            paused = False
        if paused != self._paused:
            self._paused = paused
            self._reason = (
                _load_text(key, most, "inferences used")
                if most < math.inf
                else (f"what is used beside the model leaves nothing of `{key}`")
            )

    def _worst(self, windows_per_s: float) -> tuple[str, float]:
        """Return the limit that so many windows come nearest to, and their load on it."""
        loads = {key: account.load_at(windows_per_s) for key, account in self._accounts.items()}
        key = max(loads, key=loads.__getitem__, default="")
        return key, loads.get(key, 0.0)

    def _is_calm(self, what: str, now_s: float, calm: bool) -> bool:
        """Return whether it has been calm for a whole window."""
        if not calm:
            self._calm_since_s.pop(what, None)
            return False
        return now_s - self._calm_since_s.setdefault(what, now_s) >= self._window_s


def _factor(load: float) -> int:
    return math.ceil(max(1.0, min(load, LARGEST_FACTOR)))


def _load_text(key: str, load: float, what: str = "the windows that are due use") -> str:
    share = f"{load:.0%}" if load < math.inf else "more than all"
    return f"{what} {share} of what `{key}` leaves to inferences"
