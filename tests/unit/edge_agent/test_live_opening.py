"""A live source begins anywhere: what comes before its samples is dropped, counted and told."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config import Columns, Stream
from edge_agent.errors import DataError
from edge_agent.live_opening import ALIKE_ROWS
from edge_agent.opening import LONGEST_START
from edge_agent.recording import RecordingParser

STREAM = Stream(channels=("ax", "ay", "az"), rate_hz=50.0, window=4, hop=2)


def listen(text: str, stream: Stream = STREAM) -> tuple[list[tuple[float, ...]], RecordingParser]:
    """Take a whole live stream; return its samples."""
    parser = RecordingParser(stream, Columns(), where="standard input", live=True)
    blocks = [*parser.feed(text.encode()), *parser.finish()]
    size = f"<{len(stream.channels)}f"
    return [
        sample for block in blocks for sample in struct.iter_unpack(size, block.samples)
    ], parser


@pytest.mark.parametrize(
    ("start", "dropped"),
    [
        ("", 0),
        ("Initializing MPU6050...\n\nMPU6050 found, calibrating\n", 2),
        (".5,9.81\n", 1),  # the end of a line
        ("81\n7,8,9,10\nreset\n", 3),
        ("7,8,9\nrst cause:2, boot mode:(3,6)\n", 2),  # a row from before the reset
        ("\ufffd\x01\x80~\n", 1),
        ("[I][main.cpp:12] setup(): ready\n", 1),
        ('{"status": "ready"}\n', 1),
        ("state:1\n", 1),
        ('"\n', 1),
    ],
)
@pytest.mark.parametrize(
    "rows",
    [
        "ax,ay,az\n1,2,3\n4,5,6\n",
        "millis;az;ay;ax\n20;3;2;1\n40;6;5;4\n",
        "1,2,3\n4,5,6\n",
        "1, 2, 3\n4, 5, 6\n",
        "1 2 3\n4 5  6\n",
        "1\t2\t3\t\n4\t5\t6\t\n",
        "ax ay az\n1 2 3\n 4 5 6\n",
        "ax\tay\taz\n1\t2\t3\n4\t5\t6\n",
        "ax:1.0,ay:2.0,az:3.0\nax:4.0,ay:5.0,az:6.0\n",
        "az: 3\tax: 1\tay: 2\naz: 6\tax: 4\tay: 5\n",
        "millis:20 ax:1 ay:2 az:3\nmillis:40 ax:4 ay:5 az:6\n",
        '{"ax": 1, "ay": 2, "az": 3}\n{"ax": 4, "ay": 5, "az": 6}\n',
        "1,0;2,0;3,0\n4,0;5,0;6,0\n",
    ],
)
def test_what_comes_before_the_samples_is_dropped(start: str, dropped: int, rows: str) -> None:
    """Boot messages, torn lines and rows of another run cost themselves; every form of samples is found."""
    samples, parser = listen(start + rows)

    assert samples == [(1, 2, 3), (4, 5, 6)]
    assert parser.counts.dropped == ({"before_start": dropped} if dropped else {})
    assert parser.counts.read == 2 + dropped
    assert any("dropped as before start" in note for note in parser.notes) is bool(dropped)


def test_the_first_block_begins_the_recording() -> None:
    """What was dropped before it is no break in it."""
    parser = RecordingParser(STREAM, Columns(), where="standard input", live=True)

    (block,) = parser.feed(b"hello\nax,ay,az\n1,2,3\n")
    assert (block.begin, block.first_row) == ("start", 3)


def test_one_row_is_not_enough_until_nothing_else_comes() -> None:
    """The first line may be the end of a longer one; alone, it is all there is."""
    parser = RecordingParser(STREAM, Columns(), where="standard input", live=True)

    assert list(parser.feed(b"1,2,3\n")) == []
    assert [block.count for block in parser.finish()] == [1]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("20,1,2,3\n40,4,5,6\n", "time_ms,ax,ay,az"),
        ("1,2,3\n20,1,2,3\n40,4,5,6\n", "time_ms,ax,ay,az"),
        ("20,1,2,3\n40,4,5,6\n60,7,8\n", "time_ms,ax,ay,az"),
        ("20\t1\t2\t3\n", "'time_ms ax ay az'"),
        ("20;1;2;3;4;5\n", "'time_ms;ax;ay;az;other2;other3'"),
    ],
)
def test_more_columns_than_channels_need_a_header(text: str, header: str) -> None:
    """The hint can be pasted, and what it makes is read."""
    with pytest.raises(DataError, match="has no header, and its rows have") as caught:
        listen(text)

    assert caught.value.hint
    assert f"`(echo {header}; cat …) | edgekit run`" in caught.value.hint
    named, parser = listen(header.strip("'") + "\n" + text.splitlines()[-2 if "60" in text else -1])
    assert len(named) == 1
    assert parser.layout is not None
    assert parser.layout.time == 0


def test_fewer_columns_than_channels() -> None:
    """No header can help."""
    with pytest.raises(DataError, match="2 numbers for 3 channels: `3,4`") as caught:
        listen("1,2\n3,4\n")

    assert caught.value.hint == "send a number for each of `ax`, `ay`, `az` in every line"


def test_unlike_rows_are_refused_while_the_stream_runs() -> None:
    """Nobody waits for the end of a stream that has none."""
    parser = RecordingParser(STREAM, Columns(), where="standard input", live=True)
    row = b"20,1,2,3\n"

    assert list(parser.feed(row * (ALIKE_ROWS - 1))) == []
    with pytest.raises(DataError, match="has no header"):
        list(parser.feed(row))


def test_words_without_end_are_refused() -> None:
    """A bound on what is read before the first sample."""
    parser = RecordingParser(STREAM, Columns(), where="standard input", live=True)

    assert list(parser.feed(b"no sensor\n" * LONGEST_START)) == []
    assert parser.counts.read == parser.counts.dropped["before_start"] == LONGEST_START
    with pytest.raises(DataError, match=r"no header with `ax`, .* it begins with `no sensor`"):
        list(parser.feed(b"no sensor\n"))


@pytest.mark.parametrize(
    "text",
    [
        "gx,gy,gz\n1,2,3\n4,5,6\n",
        "Gyro X;Gyro Y;Gyro Z (dps)\n1;2;3\n4;5;6\n",
        "gx gy gz\n1 2 3\n4 5 6\n",
        "time,gx,gy,gz\n0,1,2,3\n20,4,5,6\n",
    ],
)
def test_names_of_other_columns_are_believed(text: str) -> None:
    """Rows under a header without the channels are never taken for the channels."""
    with pytest.raises(DataError, match="has no column `ax`"):
        listen(text)


def test_a_column_that_is_named_and_missing() -> None:
    """What the user says about the header holds for a live one."""
    columns = Columns(time="clock")
    parser = RecordingParser(STREAM, columns, where="standard input", live=True)

    with pytest.raises(DataError, match="no column `clock`"):
        list(parser.feed(b"hello\nax,ay,az\n"))


def test_a_strange_start_cannot_control_the_terminal() -> None:
    """Control characters are shown, not sent."""
    _, parser = listen("\x1b]0;title\x07\n1,2,3\n4,5,6\n")

    assert all(note.isprintable() for note in parser.notes)


@given(st.binary(max_size=300), st.booleans())
def test_any_start_is_accounted_for(start: bytes, header: bool) -> None:
    """Any bytes before a stream: a DataError, or samples that are all accounted for."""
    parser = RecordingParser(STREAM, Columns(), where="standard input", live=True)
    data = start + b"\n" + (b"ax,ay,az\n" if header else b"") + b"1,2,3\n" * 4
    try:
        blocks = [*parser.feed(data), *parser.finish()]
    except DataError:
        return

    counts = parser.counts
    assert counts.read == sum(block.count for block in blocks) + sum(counts.dropped.values())
    assert blocks
