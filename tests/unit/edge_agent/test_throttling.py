"""Under-voltage and throttling: seen once, told for ever."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from edge_agent.agent import make_pace
from edge_agent.budget_report import budget_texts
from edge_agent.throttling import find_throttling

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_agent.config import AgentConfig


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    """Return the file of the firmware's flags, as a Raspberry Pi 4 has it."""
    folder = tmp_path / "sys/devices/platform/soc/soc:firmware"
    folder.mkdir(parents=True)
    (folder / "get_throttled").write_text("0\n")
    return folder / "get_throttled"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("0", ()),
        ("1", ("under-voltage",)),
        ("50005", ("under-voltage", "throttling")),
        ("50000", ("under-voltage has occurred", "throttling has occurred")),
        ("80008", ("soft temperature limit",)),
        ("2", ("capped clock",)),
        ("nonsense", ()),
    ],
)
def test_flags(tmp_path: Path, flags: Path, value: str, told: tuple[str, ...]) -> None:
    """Hexadecimal without `0x`: low bits are now, bits from 16 on since the board started."""
    flags.write_text(f"{value}\n")
    throttling = find_throttling(tmp_path)

    assert throttling is not None
    assert throttling.read() == told


def test_what_has_passed_is_still_told(tmp_path: Path, flags: Path) -> None:
    """The figures of the run are spoiled, even where the firmware forgets."""
    throttling = find_throttling(tmp_path)
    assert throttling is not None
    flags.write_text("4\n")
    throttling.read()
    flags.write_text("0\n")

    assert throttling.read() == ("throttling has occurred",)


def test_it_is_told_without_a_budget(
    agent_config: Callable[..., AgentConfig], tmp_path: Path, flags: Path
) -> None:
    """In status and summary: it spoils the latency of any run. Where nothing tells of it there is no report."""
    flags.write_text("50005\n")
    pace = make_pace(agent_config(), None, 1.0, root=tmp_path)

    assert pace is not None
    pace.tick(time.monotonic())
    report = pace.report()
    assert report is not None
    assert report["spoiled_by"] == ["under-voltage", "throttling"]
    assert budget_texts(report) == ["not a healthy board's figures: under-voltage, throttling"]
    assert not pace.enforcing
    assert make_pace(agent_config(), None, 1.0, root=tmp_path / "elsewhere") is None


def test_the_alarm_of_the_voltage(tmp_path: Path) -> None:
    """Where only the hwmon tells: its driver clears the alarm when it is read."""
    chip = tmp_path / "sys/class/hwmon/hwmon2"
    chip.mkdir(parents=True)
    (chip / "name").write_text("rpi_volt\n")
    (chip / "in0_lcrit_alarm").write_text("1\n")
    throttling = find_throttling(tmp_path)
    assert throttling is not None

    now = throttling.read()
    (chip / "in0_lcrit_alarm").write_text("0\n")

    assert (now, throttling.read()) == (("under-voltage",), ("under-voltage has occurred",))


def test_a_raspberry_pi_5_is_found_by_pattern(tmp_path: Path) -> None:
    """Its bus has another name."""
    folder = tmp_path / "sys/devices/platform/soc@107c000000/soc@107c000000:firmware"
    folder.mkdir(parents=True)
    (folder / "get_throttled").write_text("1\n")
    throttling = find_throttling(tmp_path)

    assert throttling is not None
    assert throttling.read() == ("under-voltage",)


def test_other_boards_tell_nothing(tmp_path: Path) -> None:
    """No file, no claim."""
    assert find_throttling(tmp_path) is None
