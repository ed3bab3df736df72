"""Value files: read on schedule, waited for while they are missing."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.config import Stream
from edge_agent.config import SysfsSource as Configuration
from edge_agent.errors import ConfigError
from edge_agent.sources.sysfs import SysfsSource
from edge_agent.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def listen(
    files: tuple[Path, ...],
    seconds: float,
    *,
    each: Callable[[int], None] = lambda _turn: None,
    **changes: Any,
) -> tuple[SysfsSource, list[tuple[float, str, tuple[float, ...]]]]:
    """Listen for some virtual seconds; return the samples with their time and why their segment began."""
    settings: dict[str, Any] = {"rate_hz": 10.0, "window": 4, "hop": 4, **changes}
    stream = Stream(channels=tuple(f"c{i}" for i in range(len(files))), **settings)
    clock = ManualClock(100.0, stop_at_s=100.0 + seconds)
    source = SysfsSource(stream, Configuration(files=tuple(map(str, files))), clock=clock)
    found: list[tuple[float, str, tuple[float, ...]]] = []
    for turn, block in enumerate(source.blocks(clock)):
        if block is not None:
            for position, values in enumerate(struct.iter_unpack(f"<{len(files)}f", block.samples)):
                begin = "" if position else block.begin
                found.append((block.time_of(position), begin, values))
        each(turn)
    return source, found


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Make a thermal zone and a channel of an ADC."""
    hot, volts = tmp_path / "hwmon3/temp1_input", tmp_path / "in_voltage0_raw"
    hot.parent.mkdir()
    hot.write_text("42500\n")
    volts.write_text("-17\n")
    return hot, volts


@pytest.mark.parametrize("rate_hz", [0.5, 10.0, 200.0])
def test_on_schedule(files: tuple[Path, Path], rate_hz: float) -> None:
    """So many samples a second, as far apart as they should be, one segment."""
    source, found = listen(files, 20.0, rate_hz=rate_hz)

    assert len(found) == pytest.approx(20 * rate_hz, abs=2)
    assert {values for _, _, values in found} == {(42500.0, -17.0)}
    assert [begin for _, begin, _ in found if begin] == ["start"]
    steps = {round(later[0] - sooner[0], 6) for sooner, later in pairwise(found)}
    assert steps == {1 / rate_hz}
    assert source.state == "stopped"


def test_missing_then_there_then_gone(files: tuple[Path, Path]) -> None:
    """Absent is healthy; a sensor that comes back begins a segment."""
    hot, volts = files
    hot.unlink()

    def change(turn: int) -> None:
        if turn in (4, 40):
            hot.write_text("1000\n")
        if turn == 20:
            hot.unlink()

    source, found = listen((hot, volts), 30.0, each=change)

    assert [begin for _, begin, _ in found if begin] == ["start", "gap"]
    assert float(source.details["absent_s"]) > 2.0
    assert source.notes == ()


def test_while_it_is_missing(tmp_path: Path) -> None:
    """What is missing is named, and the loop has its turns."""
    source, found = listen((tmp_path / "no",), 5.0)

    assert found == []
    assert source.notes == (f"there is no `{tmp_path / 'no'}`",)
    assert source.details["absent_s"] == pytest.approx(5.0)


def test_a_pattern(files: tuple[Path, Path]) -> None:
    """The number of a hwmon changes from boot to boot; a pattern of several files is refused, for it means none."""
    hot, _ = files
    pattern = hot.parent.parent / "hwmon*/temp1_input"
    assert len(listen((pattern,), 1.0)[1]) >= 9

    other = hot.parent.parent / "hwmon4/temp1_input"
    other.parent.mkdir()
    other.write_text("1")
    with pytest.raises(ConfigError, match=r"is 2 files: .*hwmon3.*hwmon4"):
        listen((pattern,), 1.0)


def test_a_device_that_is_there_twice_for_a_moment(files: tuple[Path, Path]) -> None:
    """Plugged in again it comes under another number before the old one has gone: that ends no run."""
    hot, volts = files
    pattern = hot.parent.with_name("hwmon*") / hot.name
    other = hot.parent.with_name("hwmon4") / hot.name
    other.parent.mkdir()
    said: list[str] = []

    def change(turn: int) -> None:
        if turn == 10:
            hot.rename(hot.with_suffix(".old"))
            volts.rename(volts.with_suffix(".old"))
        if turn == 12:
            hot.with_suffix(".old").rename(hot)
            other.write_text("1000\n")
        if turn == 14:
            volts.with_suffix(".old").rename(volts)
        if turn == 16:
            hot.unlink()

    source = SysfsSource(
        Stream(channels=("hot", "volts"), rate_hz=10.0, window=4, hop=4),
        Configuration(files=(str(pattern), str(volts))),
        clock=(clock := ManualClock(100.0, stop_at_s=120.0)),
    )
    last = (0.0, 0.0)
    for turn, block in enumerate(source.blocks(clock)):
        change(turn)
        said += [note for note in source.notes if "is 2 files" in note and note not in said]
        if block is not None:
            last = struct.unpack("<2f", block.samples[-8:])

    assert len(said) == 1
    assert last == (1000.0, -17.0)


def test_what_is_no_number_is_a_bad_value(files: tuple[Path, Path]) -> None:
    """A file that says something else for a while costs its samples; `hold` bridges them."""
    hot, _ = files

    def change(turn: int) -> None:
        hot.write_text("N/A\n" if 5 <= turn < 8 else "7\n")

    source, found = listen((hot,), 3.0, each=change)
    assert source.counts.dropped == {"bad_value": 3}
    assert [begin for _, begin, _ in found if begin] == ["start", "bad"]
    assert source.details["unread_values"] == 3

    source, found = listen((hot,), 3.0, each=change, on_bad="hold")
    assert source.counts.held == 3
    assert [begin for _, begin, _ in found if begin] == ["start"]


def test_a_machine_that_was_held_up_leaves_a_gap(files: tuple[Path, Path]) -> None:
    """Samples that were not read when they were due are missing."""
    clock = ManualClock(stop_at_s=10.0)
    stream = Stream(channels=("c0",), rate_hz=100.0, window=4, hop=4)
    source = SysfsSource(stream, Configuration(files=(str(files[0]),)), clock=clock)
    begins = []
    for turn, block in enumerate(source.blocks(clock)):
        if block is not None and block.begin:
            begins.append(block.begin)
        if turn == 20:
            clock.advance(0.04)

    assert begins == ["start", "gap"]
    assert source.details["gaps"] == 1


def test_one_file_a_channel(tmp_path: Path) -> None:
    """Said before anything is read."""
    stream = Stream(channels=("a", "b"), rate_hz=1.0, window=4, hop=4)
    with pytest.raises(ConfigError, match="`files` has 1 files for 2 channels"):
        SysfsSource(stream, Configuration(files=(str(tmp_path),)))
