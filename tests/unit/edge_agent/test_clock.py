"""Dates for moments of the monotonic clock, and whether to believe them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_agent.clock import SYNCHRONIZED, WallClock
from edge_agent.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path


def test_a_moment_becomes_a_date(tmp_path: Path) -> None:
    """As long ago by one clock as by the other."""
    clock = WallClock(
        root=tmp_path,
        wall=lambda: 1_800_000_000.0,
        monotonic=ManualClock(100.0),
        kernel_keeps_time=lambda: False,
    )

    assert clock.at(97.5).unix_s == pytest.approx(1_800_000_000.0 - 2.5)
    assert not clock.at(97.5).synced


def test_when_the_clock_is_set(tmp_path: Path) -> None:
    """By systemd's file, or because the kernel says so; looked up again after ten seconds, not each time."""
    now = ManualClock()
    clock = WallClock(root=tmp_path, monotonic=now, kernel_keeps_time=lambda: False)
    assert not clock.synced

    (tmp_path / SYNCHRONIZED).parent.mkdir(parents=True)
    (tmp_path / SYNCHRONIZED).touch()
    assert not clock.synced
    now.advance(10.0)
    assert clock.synced
    assert WallClock(root=tmp_path / "none", kernel_keeps_time=lambda: True).synced


def test_the_kernel_answers() -> None:
    """Whatever it says here, it is asked without an error."""
    assert WallClock().synced in {True, False}
