"""Finding channels, time, label and group by the names of the columns."""

from __future__ import annotations

import pytest

from edge_agent.columns import Layout, match, read_header, unit_of
from edge_agent.config import Columns
from edge_agent.errors import DataError


def layout(header: str, channels: str = "ax,ay", columns: Columns | None = None) -> Layout:
    """Match a comma-separated header."""
    return match(header.split(","), channels.split(","), columns or Columns(), "`walk.csv`")


def roles(found: Layout) -> tuple[str | None, ...]:
    """Return the names taken for time, label and group."""
    positions = (found.time, found.label, found.group)
    return tuple(None if position is None else found.names[position] for position in positions)


def test_channels_are_found_in_any_order() -> None:
    """The order is the model's, not the file's."""
    assert layout("ay,time,ax").channels == (2, 0)


def test_case_and_spaces_do_not_matter_and_are_said() -> None:
    """A near enough name is taken, with a note."""
    found = layout("AX, a y")

    assert found.channels == (0, 1)
    assert any("`AX`" in note for note in found.notes)


def test_missing_channels_are_named_with_near_names() -> None:
    """The error names what is missing, what is there, and what may be meant."""
    with pytest.raises(DataError) as caught:
        layout("acc_x,acc_y,label", "acc_x,acc_yy,gz")

    assert "`acc_yy`, `gz`" in caught.value.message
    assert "`acc_y`" in caught.value.message
    assert caught.value.hint == "`acc_yy` may be `acc_y`"


def test_a_header_of_numbers_is_no_header() -> None:
    """A file that begins with samples is told to have no header."""
    with pytest.raises(DataError, match="has no header") as caught:
        layout("0.1,0.2")

    assert caught.value.hint == "add a first line with the names of the columns"


def test_a_channel_that_stands_twice_is_refused() -> None:
    """Nobody knows which of the two is meant."""
    with pytest.raises(DataError, match="`ax` 2 times"):
        layout("ax,ay,ax")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("time,ax,ay,label,group", ("time", "label", "group")),
        ("Timestamp (ms),ax,ay,Activity,Subject ID", ("Timestamp (ms)", "Activity", "Subject ID")),
        ("t_us,ax,ay,class,session", ("t_us", "class", "session")),
        ("millis,ax,ay,target,file", ("millis", "target", "file")),
        ("ax,ay,temperature,runtime", (None, None, None)),
        ("t,time,ax,ay", ("time", None, None)),
    ],
)
def test_usual_names_are_recognised(header: str, expected: tuple[str | None, ...]) -> None:
    """Time, label and group are found by the names people use; others are left alone."""
    assert roles(layout(header)) == expected


def test_a_channel_is_never_taken_for_the_time() -> None:
    """A channel named `t` is a channel."""
    assert layout("t,ax", "t,ax").time is None


def test_named_columns_come_before_usual_ones() -> None:
    """What the user names is taken, even where another name is more usual."""
    found = layout("time,clock,ax,ay,label,truth", columns=Columns(time="clock", label="truth"))

    assert roles(found) == ("clock", "truth", None)
    assert found.unused == ("time", "label")
    assert any("`time`, `label`" in note for note in found.notes)


@pytest.mark.parametrize("role", ["time", "label", "group"])
def test_a_named_column_that_is_missing_is_an_error(role: str) -> None:
    """Never silently another column, or none."""
    with pytest.raises(DataError, match=f"no column `activty` for the {role}") as caught:
        layout("ax,ay,activity", columns=Columns(**{role: "activty"}))

    assert caught.value.hint == "`activty` may be `activity`"


@pytest.mark.parametrize(
    ("name", "unit_s"),
    [
        ("time", None),
        ("time_s", 1.0),
        ("time_ms", 1e-3),
        ("Time (ms)", 1e-3),
        ("t [us]", 1e-6),
        ("t (\N{MICRO SIGN}s)", 1e-6),
        ("timestamp.ns", 1e-9),
        ("millis", 1e-3),
        ("micros", 1e-6),
        ("secs", 1.0),
        ("status", None),
        ("times", None),
    ],
)
def test_units_in_names(name: str, unit_s: float | None) -> None:
    """A suffix tells the unit; a name that merely ends in the letter does not."""
    assert unit_of(name) == unit_s


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_seen_in_the_header(delimiter: str) -> None:
    """Comma, semicolon and tab are told apart."""
    assert read_header(delimiter.join(["time", '"ax"', "ay"]), ("ax", "ay")) == (
        delimiter,
        ["time", "ax", "ay"],
    )


def test_the_delimiter_that_finds_the_channels_wins() -> None:
    """Commas within names do not mislead."""
    assert read_header("a,b,c;ax;ay", ("ax", "ay"))[0] == ";"
