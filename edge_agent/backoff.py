"""How long to wait before the next attempt: longer each time, up to a limit, and never all at once."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_S = 1.0
LONGEST_S = 60.0
DOUBLINGS = 30
"""More would change nothing, and overflow some day."""


class Backoff:
    """
    Doubles the pause from `first_s` up to `longest_s`; each is drawn from its upper half.

    The jitter keeps five hundred boards apart that all lost the same broker.
    """

    def __init__(
        self,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._draw = draw
        self.attempts = 0
        """Since the last success."""

    def next_s(self) -> float:
        """Return how long to wait now that another attempt has failed."""
        pause_s: float = min(self._longest_s, self._first_s * 2.0 ** min(self.attempts, DOUBLINGS))
        self.attempts += 1
        return pause_s * (0.5 + self._draw() / 2)

    def reset(self) -> None:
        """Begin anew: an attempt has succeeded."""
        self.attempts = 0
