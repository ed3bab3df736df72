"""What the service uses, read from the kernel and the meter."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.meters import Meter, Reading
    from edge_agent.throttling import Throttling

ROOT = Path("/")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What the service uses, at one moment."""

    cpu_s: float
    """CPU time since the start, of all its processes."""
    memory_bytes: int | None = None
    """Resident memory of all its processes; None where the kernel does not say."""
    power: Reading | None = None
    """None without a meter, or when it could not be read this time."""
    latency_p99_s: float | None = None
    """99 % of the predictions of the last window came within that; None where there was none."""
    spoiled_by: tuple[str, ...] = ()
    """What makes figures of speed and power unlike those of a healthy board."""


class UsageReader:
    """
    Reads the usage of this process and of its children.

    `children` tells the process ids of the children that run (the uplink): what they used counts, and stays counted when
    they end. A reading takes under a millisecond, more with a meter on a slow bus.
    """

    def __init__(
        self,
        meter: Meter | None = None,
        throttling: Throttling | None = None,
        *,
        children: Callable[[], Sequence[int]] = tuple,
        root: Path = ROOT,
    ) -> None:
        self._meter = meter
        self._throttling = throttling
        self._children = children
        self._proc = root / "proc"
        self._cpu_s: dict[int, float] = {}
        self._ended_s = 0.0

    def read(self, now_s: float, latency_p99_s: float | None = None) -> Usage:
        """Return the usage up to now; what cannot be read is None."""
        pids = (os.getpid(), *self._children())
        memory = [self._resident_bytes(pid) for pid in pids]
        known = [size for size in memory if size is not None]
        return Usage(
            cpu_s=self._cpu_time_s(pids),
            memory_bytes=sum(known) if known else None,
            power=self._meter.read(now_s) if self._meter else None,
            latency_p99_s=latency_p99_s,
            spoiled_by=self._throttling.read() if self._throttling else (),
        )

    def _cpu_time_s(self, pids: Sequence[int]) -> float:
        times = {}
        for pid in pids:
            seconds = self._process_cpu_s(pid)
            if seconds is not None:
                times[pid] = seconds
        self._ended_s += sum(used for pid, used in self._cpu_s.items() if pid not in times)
        self._cpu_s = times
        return self._ended_s + sum(times.values())

    def _process_cpu_s(self, pid: int) -> float | None:
        """Return user and system time of a process: fields 14 and 15 of its `stat` (proc_pid_stat(5))."""
        if pid == os.getpid():
            return time.process_time()
        try:
            stat = (self._proc / str(pid) / "stat").read_bytes()
            fields = stat.rpartition(b")")[2].split()  # the name before it may hold anything
            return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        except (OSError, ValueError, IndexError):
            return None

    def _resident_bytes(self, pid: int) -> int | None:
        try:
            return int((self._proc / str(pid) / "statm").read_bytes().split()[1]) * _PAGE_BYTES
        except (OSError, ValueError, IndexError):
            return None
