"""Replay keeps the pace, standard input takes what comes; both stop when asked to."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import Columns, Stream
from edge_agent.sources.replay import ReplaySource
from edge_agent.sources.stdin import StdinSource
from edge_agent.stop import StopSignal, stop_on_signals
from edge_agent.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STREAM = Stream(channels=("ax",), rate_hz=50.0, window=4, hop=2)


@pytest.fixture
def stop() -> Iterator[StopSignal]:
    """Make a stop that nobody has requested yet."""
    nobody = StopSignal()
    yield nobody
    nobody.close()


def replay(
    tmp_path: Path, text: str, clock: ManualClock, speed: float = 1.0
) -> list[tuple[float, int]]:
    """Play a recording; return when each block came and how long it was."""
    path = tmp_path / "walk.csv"
    path.write_text(text)
    source = ReplaySource(path, STREAM, Columns(), clock=clock, speed=speed)
    return [(clock(), block.count) for block in source.blocks(clock) if block]


def test_real_time(tmp_path: Path) -> None:
    """Two seconds of recording take two seconds, in small blocks."""
    text = "time_s,ax\n" + "".join(f"{i * 0.02:.2f},1\n" for i in range(101))
    came = replay(tmp_path, text, ManualClock())

    assert came[-1][0] == pytest.approx(2.0)
    assert max(count for _, count in came) <= 3
    assert sum(count for _, count in came) == 101


@pytest.mark.parametrize(("speed", "seconds"), [(10.0, 0.2), (0.5, 4.0), (math.inf, 0.0)])
def test_other_speeds(tmp_path: Path, speed: float, seconds: float) -> None:
    """A factor of real time, or no waiting at all."""
    text = "time_s,ax\n" + "".join(f"{i * 0.02:.2f},1\n" for i in range(101))

    assert replay(tmp_path, text, ManualClock(), speed=speed)[-1][0] == pytest.approx(seconds)


def test_without_time_the_rate_paces(tmp_path: Path) -> None:
    """A recording without stamps is played at `rate_hz`."""
    assert replay(tmp_path, "ax\n" + "1\n" * 101, ManualClock())[-1][0] == pytest.approx(2.0)


def test_pauses_are_not_played(tmp_path: Path) -> None:
    """Nobody waits for the hour between two recordings."""
    times = [i * 0.02 for i in range(50)] + [3600 + i * 0.02 for i in range(51)]
    text = "time_s,ax\n" + "".join(f"{t:.2f},1\n" for t in times)

    assert replay(tmp_path, text, ManualClock())[-1][0] == pytest.approx(1.98)


def test_a_slow_replay_gives_signs_of_life(tmp_path: Path) -> None:
    """Between samples a minute apart the loop gets its turn."""
    path = tmp_path / "walk.csv"
    path.write_text("time_s,ax\n" + "".join(f"{i * 60},1\n" for i in range(3)))
    clock = ManualClock()
    source = ReplaySource(path, STREAM, Columns(), clock=clock)
    turns = [clock() for _ in source.blocks(clock)]

    assert turns[-1] == pytest.approx(120)
    assert max(later - sooner for sooner, later in pairwise(turns)) <= 1


def test_a_stop_ends_a_slow_replay_at_once(tmp_path: Path, stop: StopSignal) -> None:
    """Asked to stop from elsewhere, the replay is over before the next sample is due."""
    path = tmp_path / "walk.csv"
    path.write_text("time_s,ax\n" + "".join(f"{i * 60},1\n" for i in range(3)))
    source = ReplaySource(path, STREAM, Columns())
    threading.Timer(0.05, stop.request).start()
    blocks = [block for block in source.blocks(stop) if block]

    assert len(blocks) <= 2
    assert source.state == "stopped"


def test_stdin_takes_lines_as_they_come(stop: StopSignal) -> None:
    """A line is a block as soon as it is there; the end of the input is the end."""
    reading, writing = os.pipe()
    source = StdinSource(STREAM, Columns(), descriptor=reading)
    blocks = source.blocks(stop)
    os.write(writing, b"ax\n1\n2\n")
    first = next(blocks)
    os.write(writing, b"3")
    os.close(writing)
    rest = [block for block in blocks if block]
    os.close(reading)

    assert first is not None
    assert (first.count, first.begin) == (2, "start")
    assert [(block.count, block.begin) for block in rest] == [(1, "")]
    assert source.state == "ended"
    assert source.counts.read == 3


def test_stdin_is_silent_but_alive(stop: StopSignal) -> None:
    """Without samples the loop gets its turn, and the state says what is waited for."""
    reading, writing = os.pipe()
    source = StdinSource(STREAM, Columns(), descriptor=reading)

    assert next(source.blocks(stop)) is None
    assert source.state == "waiting"
    os.close(writing)
    os.close(reading)


def test_a_stop_ends_the_wait_for_stdin(stop: StopSignal) -> None:
    """Nothing has to come for the stop to be noticed."""
    reading, writing = os.pipe()
    source = StdinSource(STREAM, Columns(), descriptor=reading)
    threading.Timer(0.05, stop.request).start()

    assert set(source.blocks(stop)) <= {None}
    assert source.state == "stopped"
    os.close(writing)
    os.close(reading)


def test_a_wait_ends_with_the_stop(stop: StopSignal) -> None:
    """A stop wakes whoever waits, and nobody waits after it."""
    began = time.monotonic()
    threading.Timer(0.02, stop.request).start()

    assert stop.wait(60)
    assert stop.wait(60)
    assert time.monotonic() - began < 30


def test_a_stop_leaves_the_rest_of_a_chunk(stop: StopSignal) -> None:
    """Thousands of lines may come at once; a stop is honoured between their blocks."""
    reading, writing = os.pipe()
    source = StdinSource(STREAM, Columns(), descriptor=reading)
    blocks = source.blocks(stop)
    os.write(writing, b"ax\n" + b"1\n" * 2000)
    first = next(blocks)
    stop.request()
    rest = list(blocks)
    os.close(writing)
    os.close(reading)

    assert first is not None
    assert rest == []
    assert source.state == "stopped"
    assert source.counts.read == first.count + source.counts.pending < 1000


@pytest.mark.parametrize(("before", "stops"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_a_lost_terminal_stops_unless_it_is_ignored(before: signal.Handlers, stops: bool) -> None:
    """SIGHUP is a stop, but not below `nohup`."""
    outside = signal.signal(signal.SIGHUP, before)
    try:
        with stop_on_signals() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
            assert asked.requested is stops
        assert signal.getsignal(signal.SIGHUP) is before
    finally:
        signal.signal(signal.SIGHUP, outside)
