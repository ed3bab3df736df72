"""Programs under way: nothing is left of them, and the one that is to run is started again."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_agent.backoff import Backoff
from edge_agent.errors import ToolError
from edge_agent.process import HEALTHY_S, Child, Supervised, find_program

if TYPE_CHECKING:
    from collections.abc import Sequence


def python(text: str) -> tuple[str, ...]:
    """Return the command that runs a piece of Python."""
    return (sys.executable, "-c", text)


def state(pid: int) -> str:
    """Return a process's state letter, such as `Z`; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def test_what_a_child_reads(tmp_path: Path) -> None:
    """Its standard input has what it was given, however much, whether it reads or not."""
    text = f"import sys; open({str(tmp_path / 'out')!r}, 'w').write(sys.stdin.read())"
    child = Child(python(text), stdin=b"x" * 200_000)
    assert child.wait(30)
    assert child.poll() == 0
    assert (tmp_path / "out").read_text() == "x" * 200_000

    idle = Child(python("pass"), stdin=b"x" * 200_000)
    assert idle.wait(30)


def test_nothing_is_left_of_a_child(tmp_path: Path) -> None:
    """Killed with what it started; no zombie."""
    text = (
        "import subprocess, sys, time\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'pid.new')!r}, 'w').write(str(inner.pid))\n"
        f"import os; os.rename({str(tmp_path / 'pid.new')!r}, {str(tmp_path / 'pid')!r})\n"
        "time.sleep(600)"
    )
    child = Child(python(text), stdin=b"")
    while not (tmp_path / "pid").exists():
        time.sleep(0.01)
    inner = int((tmp_path / "pid").read_text())
    child.kill()
    assert child.poll() == -signal.SIGKILL
    assert state(child.pid) == ""
    while state(inner) not in ("", "Z"):  # whoever reaps orphans here
        time.sleep(0.01)


def test_a_child_knows_when_its_parent_is_gone() -> None:
    """Without anything to read its input ends with this process."""
    child = Child(python("import sys; sys.exit(len(sys.stdin.read()) + 7)"))
    assert not child.wait(0.05)
    stdin = child._process.stdin
    assert stdin is not None
    stdin.close()
    assert child.wait(30)
    assert child.poll() == 7


@pytest.mark.parametrize("command", [("/nowhere/program",), ("nul\0",), ("/",)])
def test_a_program_that_does_not_start(command: tuple[str, ...]) -> None:
    """A sentence, and a hint."""
    with pytest.raises(ToolError, match="cannot start `") as caught:
        Child(command, stdin=b"")
    assert caught.value.hint


def test_finding_a_program() -> None:
    """By name or by path; one that is missing is named."""
    assert find_program("sh").endswith("/sh")
    with pytest.raises(ToolError, match="there is no program `no-such-program`"):
        find_program("no-such-program")


def test_the_pause_grows_and_is_never_the_same() -> None:
    """Up to its limit; a success begins anew."""
    backoff = Backoff(1.0, 60.0, draw=lambda: 1.0)
    assert [backoff.next_s() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next_s() == 1
    for _ in range(5000):
        backoff.next_s()
    low = Backoff(8.0, draw=lambda: 0.0)
    assert low.next_s() == 4


class FakeChild:
    """Ends when told to."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.ended_by: list[str] = []

    def poll(self) -> int | None:
        """Return the exit code."""
        return self.code

    def wait(self, timeout_s: float) -> bool:
        """Return whether it has ended."""
        del timeout_s
        return self.code is not None

    def terminate(self) -> None:
        """Note it."""
        self.ended_by.append("terminate")

    def kill(self) -> None:
        """Note it."""
        self.ended_by.append("kill")


def test_a_program_is_started_again() -> None:
    """At once if it ran long, after a growing pause if it did not."""
    children: list[FakeChild] = []

    def start(command: Sequence[str]) -> FakeChild:
        assert command == ("uplink",)
        if len(children) == 2:
            children.append(FakeChild())
            raise ToolError("cannot start `uplink`: No such file")
        children.append(FakeChild())
        return children[-1]

    backoff = Backoff(1.0, draw=lambda: 1.0)
    supervised = Supervised(("uplink",), backoff=backoff, start=start)  # type: ignore[arg-type]
    for now_s in (0, 1):
        supervised.tick(now_s)
    assert len(children) == 1
    children[0].code = -9
    supervised.tick(10)
    assert supervised.last_end == "ended with SIGKILL"
    supervised.tick(10.5)
    assert len(children) == 1
    supervised.tick(11)
    children[1].code = 3
    supervised.tick(12)
    supervised.tick(14)
    assert supervised.last_end == "cannot start `uplink`: No such file"
    supervised.tick(18)
    assert supervised.counters == {"running": True, "starts": 4, "last_end": supervised.last_end}
    children[3].code = 1
    supervised.tick(18 + HEALTHY_S)
    supervised.tick(19 + HEALTHY_S)
    assert len(children) == 5
    supervised.close()
    assert children[4].ended_by == ["terminate", "kill"]


def test_a_supervised_program_is_ended() -> None:
    """By a signal that it understands."""
    supervised = Supervised(python("import time; time.sleep(600)"))
    supervised.tick(0.0)
    child = supervised._child
    assert child is not None
    supervised.close()
    assert state(child.pid) == ""
    assert os.getpid() != child.pid
