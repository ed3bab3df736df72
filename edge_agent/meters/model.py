"""The board's model: idle power, and so much for each core that is busy."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from edge_agent.meters import Reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_agent.config import PowerModel

IDLE_FIELDS = (3, 4)
"""`idle` and `iowait` in the first line of /proc/stat, counted from 0 (proc_stat(5))."""
GUEST_FIELDS = 8
"""From here on the fields count again what `user` and `nice` hold."""


class ModelMeter:
    """
    Idle power (`with_idle`), and `core_mw` for each busy core.

    `busy_s` tells how long cores have been busy in all; it may tell None when it cannot be read.
    """

    measured = False

    def __init__(
        self,
        model: PowerModel,
        core_mw: float,
        busy_s: Callable[[], float | None],
        *,
        with_idle: bool,
    ) -> None:
        self._core_mw = core_mw
        self._busy_s = busy_s
        self._uncertainty_percent = model.uncertainty_percent
        self._idle_mw = model.idle_mw if with_idle else 0.0
        part = "" if with_idle else ", above idle"
        self.source = f"model of the board{part} ({model.source})"
        self._before: tuple[float, float] | None = None

    def read(self, now_s: float) -> Reading | None:
        """Return the mean power since the last reading; None at the first one."""
        busy_s = self._busy_s()
        if busy_s is None:
            return None
        before, self._before = self._before, (now_s, busy_s)
        if before is None or now_s <= before[0]:
            return None
        cores = max(0.0, busy_s - before[1]) / (now_s - before[0])
        return Reading(
            mw=self._idle_mw + self._core_mw * cores,
            source=self.source,
            uncertainty_percent=self._uncertainty_percent,
            measured=False,
        )


def busy_of_board(root: Path) -> Callable[[], float | None]:
    """Return a function that tells the busy time of all cores; that of this process where the kernel tells no more."""
    path = root / "proc/stat"

    def read() -> float | None:
        try:
            with path.open("rb") as file:
                times = [int(field) for field in file.readline().split()[1 : 1 + GUEST_FIELDS]]
        except (OSError, ValueError):
            return None
        idle = sum(times[field] for field in IDLE_FIELDS if field < len(times))
        return (sum(times) - idle) / os.sysconf("SC_CLK_TCK")

    return read if read() is not None else time.process_time
