"""
What one limit allows within a sliding window, and what was used of it.

A bucket of tokens whose tokens come back one window after they were spent, not at a steady rate: a bucket that
refills steadily lets up to twice its content through within one window. So for every window
`use <= limit * window + one inference`, if only inferences for which there `has_room` are run.
"""

from __future__ import annotations

import math

SLOTS = 240
"""Slots in a window. The oldest counts until all of it has left the window: up to 1/240 of the allowance is unused."""
COST_MEMORY = 0.1
"""Weight of the newest inference in the cost that is expected of the next."""


class SlidingSum:
    """The sum of what was added within the last `window_s`; its memory is constant."""

    def __init__(self, window_s: float, now_s: float) -> None:
        self._slot_s = window_s / SLOTS
        self._slots = [0.0] * (SLOTS + 1)
        self._newest = int(now_s / self._slot_s)
        self._total = 0.0

    def add(self, now_s: float, amount: float) -> None:
        """Add an amount; a time before the newest one counts as the newest."""
        self._advance(now_s)
        self._slots[self._newest % len(self._slots)] += amount
        self._total += amount

    def spread(self, since_s: float, now_s: float, amount: float) -> None:
        """Add an amount evenly over the time since `since_s`, at most a window ago."""
        self._advance(now_s)
        since_s = max(since_s, now_s - SLOTS * self._slot_s)
        for slot in range(int(since_s / self._slot_s), self._newest + 1):
            begin_s, end_s = slot * self._slot_s, (slot + 1) * self._slot_s
            share = (min(end_s, now_s) - max(begin_s, since_s)) / (now_s - since_s)
            self._slots[slot % len(self._slots)] += amount * share
        self._total += amount

    def total(self, now_s: float) -> float:
        """Return the sum, or up to one slot more: never less."""
        self._advance(now_s)
        return self._total

    def even_total(self, now_s: float) -> float:
        """Return the sum, if all was added evenly."""
        self._advance(now_s)
        left = max(0.0, now_s / self._slot_s - self._newest)
        return self._total - left * self._slots[(self._newest + 1) % len(self._slots)]

    def _advance(self, now_s: float) -> None:
        slot = int(now_s / self._slot_s)
        if slot <= self._newest:
            return
        count = len(self._slots)
        for passed in range(self._newest + 1, min(slot, self._newest + count) + 1):
            self._slots[passed % count] = 0.0
        self._newest = slot
        self._total = sum(self._slots)  # afresh: adding and subtracting would drift over a year


class Allowance:
    """
    One limit: so much a second, averaged over a window. The unit is the caller's: CPU seconds, millijoules.

    What inferences use is told at once by `spend`; what everything uses together is told by `settle` from time
    to time. The difference is the rest: the board's idle power, decoding, other programs. It cannot be
    put off, so room is kept for it.
    """

    def __init__(
        self, limit_per_s: float, window_s: float, now_s: float, *, rest_per_s: float = 0.0
    ) -> None:
        self.limit_per_s = limit_per_s
        self.rest_per_s = rest_per_s
        """What is used beside inferences; the value given is what is expected before anything is measured."""
        self.cost = 0.0
        """What one inference is expected to use."""
        self._window_s = window_s
        self._began_s = self.settled_s = now_s
        self._by_inferences = SlidingSum(window_s, now_s)
        self._by_the_rest = SlidingSum(window_s, now_s)
        self._spent = 0.0
        """By inferences since the last settlement."""

    def spend(self, now_s: float, amount: float) -> None:
        """Count one inference."""
        self._by_inferences.add(now_s, amount)
        self._spent += amount
        self.cost += (amount - self.cost) * (COST_MEMORY if self.cost else 1.0)

    def settle(self, now_s: float, amount: float | None) -> None:
        """Count all that was used since the last settlement, inferences included; None where nobody knows."""
        passed_s = now_s - self.settled_s
        if passed_s <= 0:
            return
        rest = self.rest_per_s * passed_s if amount is None else amount - self._spent
        self._by_the_rest.spread(self.settled_s, now_s, rest)
        self._spent = 0.0
        self.settled_s = now_s
        weight = passed_s / max(passed_s, min(self._window_s, now_s - self._began_s))
        self.rest_per_s += (max(0.0, rest) / passed_s - self.rest_per_s) * weight

    def has_room(self, now_s: float) -> bool:
        """Return whether one more inference stays within the limit; not before the rest is known."""
        if self.settled_s == self._began_s:
            return False
        ahead_s = max(0.0, self._window_s - (now_s - self._began_s))
        rest = self.rest_per_s * (ahead_s + now_s - self.settled_s)
        used = self._used(now_s) + rest + self.cost
        return used <= self.limit_per_s * self._window_s

    def mean_per_s(self, now_s: float) -> float | None:
        """Return what was used a second over the last window, or since the start; None before anything is known."""
        passed_s = min(self._window_s, self.settled_s - self._began_s)
        return self._used(now_s) / passed_s if passed_s > 0 else None

    def load(self, now_s: float) -> float:
        """Return what inferences have used over the last window, of what the rest leaves them."""
        return self._of_room(self._by_inferences.total(now_s) / self._window_s)

    def load_at(self, inferences_per_s: float) -> float:
        """Return what so many inferences would use, of what the rest leaves them; infinite where it leaves nothing."""
        return self._of_room(inferences_per_s * self.cost)

    def pace_per_s(self) -> float:
        """Return how many inferences a second there is room for in the long run."""
        room = self.limit_per_s - self.rest_per_s
        if room <= 0:
            return 0.0
        return room / self.cost if self.cost else math.inf

    def _used(self, now_s: float) -> float:
        return self._by_inferences.total(now_s) + self._by_the_rest.even_total(now_s)

    def _of_room(self, amount_per_s: float) -> float:
        room = self.limit_per_s - self.rest_per_s
        return amount_per_s / room if room > 0 else math.inf
