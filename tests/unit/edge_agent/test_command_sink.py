"""A program on every event: one at a time, in order, with what it needs to know, and in bounded time."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.errors import ToolError
from edge_agent.records import Event
from edge_agent.sinks.command import BACKLOG_EVENTS, CommandSink
from edge_agent.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path


def event(index: int, label: str | None = "walk") -> Event:
    """Make one."""
    return Event(index, 1.5, label, None, 0.83)


class FakeChild:
    """A program of which the test says when it ends."""

    def __init__(self, environment: dict[str, str], stdin: bytes) -> None:
        self.environment = environment
        self.document = json.loads(stdin)
        self.code: int | None = None
        self.killed = False

    def poll(self) -> int | None:
        """Return the exit code."""
        return self.code

    def wait(self, timeout_s: float) -> None:
        """End, after some time."""
        del timeout_s
        self.code = 0

    def kill(self) -> None:
        """End it."""
        self.killed, self.code = True, -9


class Fixture:
    """A sink whose programs are fakes."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.children: list[FakeChild] = []
        self.sink = CommandSink(
            ("sh", "notify.sh"),
            name="gait",
            timeout_s=10.0,
            start=self._start,
            clock=self.clock,
            **options,
        )

    def _start(self, command: tuple[str, ...], *, environment: dict[str, str], stdin: bytes) -> Any:
        assert command[0].endswith("/sh")
        assert all(child.code is not None for child in self.children), "two at once"
        self.children.append(FakeChild(environment, stdin))
        return self.children[-1]


def test_one_program_at_a_time_in_order() -> None:
    """The next event has its turn when the program has ended, however it ended."""
    fixture = Fixture()
    fixture.sink.write([], [event(index) for index in range(3)])
    fixture.sink.tick(1.0)
    assert len(fixture.children) == 1
    for code in (0, 5, 0):
        fixture.children[-1].code = code
        fixture.sink.tick(1.0)
    assert [child.document["index"] for child in fixture.children] == [0, 1, 2]
    assert fixture.sink.counters == {
        "runs": 3,
        "failed": 1,
        "timed_out": 0,
        "dropped": 0,
        "waiting": 0,
    }


def test_a_program_that_hangs_is_killed() -> None:
    """After its time, and the next one runs."""
    fixture = Fixture()
    fixture.sink.write([], [event(0), event(1)])
    fixture.sink.tick(9.9)
    assert not fixture.children[0].killed
    fixture.sink.tick(10.0)
    assert fixture.children[0].killed
    assert [child.document["index"] for child in fixture.children] == [0, 1]
    assert fixture.sink.counters["timed_out"] == 1


def test_the_backlog_is_bounded() -> None:
    """The oldest events give way in a live run; a recording waits instead."""
    live, lossless = Fixture(), Fixture(lossless=True)
    for fixture in (live, lossless):
        fixture.sink.write([], [event(index) for index in range(BACKLOG_EVENTS + 50)])
    assert live.sink.counters["dropped"] == 50
    assert lossless.sink.counters["dropped"] == 0
    lossless.sink.close()
    assert [child.document["index"] for child in lossless.children] == list(
        range(BACKLOG_EVENTS + 50)
    )


def test_the_end_waits_only_so_long() -> None:
    """What waits runs, until somebody is in a hurry."""
    fixture = Fixture(lossless=True)
    fixture.sink.write([], [event(0), event(1)])
    fixture.sink.hurry()
    fixture.sink.close()
    assert fixture.children[0].killed
    assert fixture.sink.counters["dropped"] == 1


def test_what_the_program_is_told() -> None:
    """The event as JSON, and a variable for each of its keys; what no environment can hold is replaced."""
    fixture = Fixture()
    fixture.sink.write([], [event(7, "a\0b"), event(8, None)])
    first = fixture.children[0]
    assert first.document["label"] == "a\0b"
    assert first.environment == {
        "EDGEKIT_NAME": "gait",
        "EDGEKIT_TYPE": "event",
        "EDGEKIT_INDEX": "7",
        "EDGEKIT_TIME_S": "1.5",
        "EDGEKIT_LABEL": "a\N{REPLACEMENT CHARACTER}b",
        "EDGEKIT_PREVIOUS": "",
        "EDGEKIT_SCORE": "0.83",
    }


def test_a_real_program(tmp_path: Path) -> None:
    """With its input and its environment."""
    out = tmp_path / "out"
    text = f"import os, sys; open({str(out)!r}, 'a').write(os.environ['EDGEKIT_LABEL'] + sys.stdin.read())"
    sink = CommandSink((sys.executable, "-c", text), name="gait", timeout_s=60, lossless=True)
    sink.write([], [event(0), event(1, "run")])
    sink.close()
    walk, run = out.read_text().splitlines()
    assert walk.startswith("walk{")
    assert json.loads(run.removeprefix("run"))["index"] == 1


def test_a_missing_program_is_said_at_the_start() -> None:
    """Not at the first event, in the night."""
    with pytest.raises(ToolError, match="there is no program `no-such-program`"):
        CommandSink(("no-such-program",), name="gait", timeout_s=1)
