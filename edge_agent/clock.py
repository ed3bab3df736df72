"""
The wall clock, as an annotation: samples are ordered by CLOCK_MONOTONIC, people read dates.

A Raspberry Pi without a battery wakes up years in the past until the network tells it the time, so every date comes
with whether the clock was set.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

SYNCHRONIZED = Path("run/systemd/timesync/synchronized")
"""Made by systemd-timesyncd when it has set the clock."""
CHECK_S = 10.0
_TIMEX_BYTES = 256
"""More than the kernel's `struct timex` has (208 on 64-bit machines)."""
_TIME_ERROR = 5
"""What adjtimex(2) returns while nobody keeps the clock."""


class WallTime(NamedTuple):
    """A moment as people count it."""

    unix_s: float
    """Seconds since 1970, UTC."""
    synced: bool
    """Whether something had set the clock by then."""


class WallClock:
    """Turns moments of the monotonic clock into dates; whether the clock is set is looked up every 10 s."""

    def __init__(
        self,
        *,
        root: Path = Path("/"),
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        kernel_keeps_time: Callable[[], bool] | None = None,
    ) -> None:
        self._file = root / SYNCHRONIZED
        self._wall = wall
        self._monotonic = monotonic
        self._kernel_keeps_time = kernel_keeps_time or _kernel_keeps_time
        self._synced = False
        self._check_at_s: float | None = None

    @property
    def synced(self) -> bool:
        """Whether the clock is set: systemd-timesyncd says so, or the kernel (chrony and ntpd tell it)."""
        now_s = self._monotonic()
        if self._check_at_s is None or now_s >= self._check_at_s:
            self._synced = self._file.exists() or self._kernel_keeps_time()
            self._check_at_s = now_s + CHECK_S
        return self._synced

    def at(self, monotonic_s: float) -> WallTime:
        """Return the date of a moment that is not long past."""
        return WallTime(self._wall() - (self._monotonic() - monotonic_s), self.synced)


def _kernel_keeps_time() -> bool:
    import ctypes  # noqa: PLC0415 (half a megabyte, not needed where systemd-timesyncd runs)

    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zero: nothing is to be changed
    try:
        state = int(ctypes.CDLL(None).adjtimex(buffer))
    except (OSError, AttributeError):
        return False
    return 0 <= state < _TIME_ERROR
