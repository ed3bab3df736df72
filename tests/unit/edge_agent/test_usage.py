"""What the service uses: its own processes, and those of its children."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from edge_agent.meters import Reading
from edge_agent.usage import UsageReader

if TYPE_CHECKING:
    from pathlib import Path


class FixedMeter:
    """A meter that always shows the same."""

    source = "fixed"
    measured = True

    def read(self, now_s: float) -> Reading | None:
        """Return a power; none at the start."""
        if now_s == 0:
            return None
        return Reading(mw=2500.0, source="fixed", uncertainty_percent=3.0, measured=True)


def _process(root: Path, pid: int, *, ticks: int, pages: int) -> None:
    folder = root / f"proc/{pid}"
    folder.mkdir(parents=True, exist_ok=True)
    fields = f"S 1 1 1 0 -1 4194560 9 0 0 0 {ticks} 0 0 0 20 0 1 0 99 9 9"
    (folder / "stat").write_text(f"{pid} (a (strange) name) {fields}\n")
    (folder / "statm").write_text(f"99999 {pages} 0 0 0 0 0\n")


def test_this_process(tmp_path: Path) -> None:
    """CPU time grows with work; memory is that of a Python process."""
    reader = UsageReader()
    before = reader.read(0.0)
    until_s = time.process_time() + 0.02
    while time.process_time() < until_s:
        pass
    after = reader.read(1.0, latency_p99_s=0.05)

    assert after.cpu_s - before.cpu_s >= 0.02
    assert (after.memory_bytes or 0) > 1_000_000
    assert (after.latency_p99_s, after.power, after.spoiled_by) == (0.05, None, ())
    assert UsageReader(root=tmp_path).read(0.0).memory_bytes is None


def test_children_count(tmp_path: Path) -> None:
    """The uplink's memory and time are the service's; what a child used stays counted when it ends."""
    running = [70]
    _process(tmp_path, os.getpid(), ticks=0, pages=1000)
    _process(tmp_path, 70, ticks=250, pages=500)
    reader = UsageReader(children=lambda: running, root=tmp_path)
    first = reader.read(0.0)
    _process(tmp_path, 70, ticks=400, pages=700)
    second = reader.read(1.0)
    running.clear()
    third = reader.read(2.0)

    page_bytes = os.sysconf("SC_PAGE_SIZE")
    assert [usage.memory_bytes for usage in (first, second, third)] == [
        1500 * page_bytes,
        1700 * page_bytes,
        1000 * page_bytes,
    ]
    assert second.cpu_s - first.cpu_s == pytest.approx(1.5, abs=0.1)
    assert third.cpu_s >= second.cpu_s


def test_the_meter_is_read() -> None:
    """A meter may have nothing to say yet."""
    reader = UsageReader(FixedMeter())

    assert [bool(reader.read(now_s).power) for now_s in (0.0, 1.0)] == [False, True]
