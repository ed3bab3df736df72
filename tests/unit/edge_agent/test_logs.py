"""Lines that a program can read, that cannot flood a disk, and that hold no secret."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.logs import BURST, Log, is_journal
from edge_agent.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path


def test_a_line_is_keys_and_values() -> None:
    """Words stay plain, all else is quoted; the journal gets priorities."""
    output = io.StringIO()
    writer = Log(output, journal=True)
    writer.warning("source", "the cable is out", state="absent", port="/dev/ttyUSB0", since_s=1.5)
    writer.error("failed")
    writer.info("note", 'says "no"')

    assert output.getvalue().splitlines() == [
        '<4>level=warning event=source state=absent port=/dev/ttyUSB0 since_s=1.5 message="the cable is out"',
        "<3>level=error event=failed",
        r'<6>level=info event=note message="says \"no\""',
    ]


def test_what_comes_often_is_counted_instead() -> None:
    """Ten thousand failures are a handful of lines, and the next one says how many there were."""
    output, clock = io.StringIO(), ManualClock()
    writer = Log(output, clock=clock)
    for _ in range(10_000):
        writer.warning("refused")
    writer.warning("other")
    clock.advance(61)
    writer.warning("refused")

    lines = output.getvalue().splitlines()
    assert len(lines) == BURST + 2
    assert lines[-1] == f"level=warning event=refused suppressed={10_000 - BURST}"


@given(st.text(), st.text())
def test_no_value_makes_another_line(message: str, value: str) -> None:
    """Whatever a sensor or a broker says stays within its line."""
    output = io.StringIO()
    Log(output).info("said", message, value=value)

    assert len(output.getvalue().splitlines()) == 1


def test_credentials_in_an_address_are_left_out() -> None:
    """People write them there in spite of everything."""
    output = io.StringIO()
    Log(output).warning(
        "lost", "cannot reach mqtt://roof:hunter2@broker:1883", url="x://u:hunter2@h"
    )

    assert "hunter2" not in output.getvalue()
    assert "broker:1883" in output.getvalue()


def test_a_journal_that_is_gone_ends_nothing() -> None:
    """A closed standard error is silence."""
    output = io.StringIO()
    output.close()

    Log(output).error("failed", "no one hears it")


def test_the_journal_is_known_by_its_device_and_inode(tmp_path: Path) -> None:
    """As systemd.exec(5) has it: only then are priorities written."""
    with (tmp_path / "log").open("w") as file:
        found = os.fstat(file.fileno())
        ours = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}

        assert is_journal(ours, file)
        assert not is_journal({"JOURNAL_STREAM": "8:1"}, file)
        assert not is_journal({}, file)
    assert not is_journal(ours, None)
    assert not is_journal(ours, io.StringIO())
