"""Reading recordings: every sample arrives, or is dropped for a reason that is told."""

from __future__ import annotations

import json
import math
import os
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config import Columns, Stream
from edge_agent.errors import DataError
from edge_agent.recording import RecordingParser, RecordingReader

if TYPE_CHECKING:
    from pathlib import Path

    from edge_agent.records import Block


def stream(**options: object) -> Stream:
    """Make the settings of two channels at 50 Hz."""
    return Stream(**{"channels": ("ax", "ay"), "rate_hz": 50, "window": 4, "hop": 2, **options})  # type: ignore[arg-type]


def parse(
    text: str | bytes, settings: Stream | None = None, *, live: bool = False
) -> tuple[list[Block], RecordingParser]:
    """Parse a whole recording."""
    parser = RecordingParser(settings or stream(), Columns(), where="`walk.csv`", live=live)
    data = text.encode() if isinstance(text, str) else text
    return [*parser.feed(data), *parser.finish()], parser


def values(blocks: list[Block]) -> list[tuple[float, ...]]:
    """Return all samples."""
    return [sample for block in blocks for sample in struct.iter_unpack("<2f", block.samples)]


def begins(blocks: list[Block]) -> list[tuple[str, int]]:
    """Return why each block begins, and its length."""
    return [(block.begin, block.count) for block in blocks]


def test_csv() -> None:
    """Values in the model's order, times, labels, rows and counts."""
    blocks, parser = parse("time,label,ay,ax\n0.00,walk,1,2\n0.02,run,3,4\n")

    (block,) = blocks
    assert values(blocks) == [(2, 1), (4, 3)]
    assert (block.begin, block.count, block.first_row) == ("start", 2, 2)
    assert (block.times_s, block.labels) == ((0.0, 0.02), ("walk", "run"))
    assert (parser.counts.read, parser.counts.dropped, parser.counts.pending) == (2, {}, 0)


def test_jsonl() -> None:
    """The same by keys; a missing key is a missing value."""
    rows = [
        {"t_ms": 0, "ax": 1, "ay": 2.5, "activity": "walk"},
        {"t_ms": 20, "ay": 4, "ax": 3},
        {"t_ms": 40, "ax": 1},
    ]
    blocks, parser = parse("\n".join(map(json.dumps, rows)))

    assert values(blocks) == [(1, 2.5), (3, 4)]
    assert blocks[0].labels == ("walk", "")
    assert blocks[0].times_s == (0.0, 0.02)
    assert parser.counts.dropped == {"bad_value": 1}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffax,ay\r\n1,2\r\n3,4\r\n",
        "ax;ay\n1;2\n3;4",
        "ax\tay\n1\t2\n3\t4\n",
        '"ax","ay"\n"1","2"\n"3","4"\n',
        'ax,ay,note\n1,2,"a,b"\n3,4,c\n',
        "ax,ay\n1,2,\n3,4,\n",
        "\nax,ay\n\n 1 , 2 \n\n3,4\n\n",
    ],
)
def test_forms_of_csv(text: str) -> None:
    """Byte order mark, line ends, delimiters, quotes, a trailing delimiter, blank lines."""
    blocks, parser = parse(text)

    assert values(blocks) == [(1, 2), (3, 4)]
    assert parser.counts.read == 2


def test_rows_are_those_of_the_file() -> None:
    """A blank line ends a block, so that rows can be counted from its first."""
    blocks, _ = parse("ax,ay\n1,2\n\n3,4\n5,6\n")

    assert [(block.first_row, block.count, block.begin) for block in blocks] == [
        (2, 1, "start"),
        (4, 2, ""),
    ]


@pytest.mark.parametrize(
    "bad", ["", "x", "nan", "NaN", "inf", "-Infinity", "1e39", "-1e300", "9" * 400, "1,5"]
)
def test_a_bad_value_is_dropped_with_a_reason(bad: str) -> None:
    """Whatever is no float32 number is dropped, counted, told, and ends the segment."""
    blocks, parser = parse(f'ax,ay\n1,2\n"{bad}",3\n4,5\n')

    assert values(blocks) == [(1, 2), (4, 5)]
    assert begins(blocks) == [("start", 1), ("bad", 1)]
    assert parser.counts.dropped == {"bad_value": 1}
    assert any("row 3" in note for note in parser.notes)


@pytest.mark.parametrize(
    "bad", ["true", "null", '"1"', "[1]", "NaN", "-Infinity", "1e999", "1" + "0" * 400]
)
def test_a_bad_json_value_is_dropped(bad: str) -> None:
    """Only numbers are numbers: true is none, and neither is text."""
    blocks, parser = parse(f'{{"ax":1,"ay":2}}\n{{"ax":{bad},"ay":3}}\n{{"ax":4,"ay":5}}\n')

    assert values(blocks) == [(1, 2), (4, 5)]
    assert parser.counts.dropped == {"bad_value": 1}


def test_values_out_of_range_are_bad() -> None:
    """`min` and `max` are the user's knowledge of the sensor; the bounds themselves are good."""
    blocks, parser = parse("ax,ay\n-1,1\n0,1.01\n1,0\n", stream(min=-1.0, max=1.0))

    assert values(blocks) == [(-1, 1), (1, 0)]
    assert parser.counts.dropped == {"bad_value": 1}


def test_the_largest_float32_is_good() -> None:
    """The end of the range is within it."""
    largest = 3.4028234663852886e38
    blocks, _ = parse(f"ax,ay\n{largest!r},{-largest!r}\n")

    assert values(blocks) == [(largest, -largest)]


def test_hold_keeps_the_last_good_value_of_each_channel() -> None:
    """Held samples are counted; before any good value there is nothing to hold."""
    blocks, parser = parse("ax,ay\nnan,1\n1,2\n,3\n4,x\nnan,nan\n5,6\n", stream(on_bad="hold"))

    assert values(blocks) == [(1, 2), (1, 3), (4, 3), (4, 3), (5, 6)]
    assert begins(blocks) == [("start", 5)]
    assert (parser.counts.held, parser.counts.dropped) == (3, {"bad_value": 1})
    assert any("held" in note for note in parser.notes)


def test_hold_does_not_reach_over_a_break() -> None:
    """A value from before a gap is no value for after it."""
    text = (
        "time,ax,ay\n"
        + "".join(f"{t:.2f},1,2\n" for t in (0, 0.02, 0.04))
        + "1.00,nan,3\n1.02,4,5\n"
    )
    blocks, parser = parse(text, stream(on_bad="hold"))

    assert values(blocks)[-1] == (4, 5)
    assert (parser.counts.held, parser.counts.dropped) == (0, {"bad_value": 1})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1", "ragged"),
        ("1,2,3", "ragged"),
        ('1,"2', "malformed"),
        ("x" * (2 << 20), "too_long"),
        ("\0", "ragged"),
    ],
)
def test_a_line_that_is_no_row(line: str, reason: str) -> None:
    """It costs itself and nothing else."""
    blocks, parser = parse(f"ax,ay\n1,2\n{line}\n3,4\n")

    assert values(blocks) == [(1, 2), (3, 4)]
    assert begins(blocks) == [("start", 1), ("bad", 1)]
    assert parser.counts.dropped == {reason: 1}
    assert parser.counts.read == 3


@pytest.mark.parametrize(
    "line",
    ["{", "5", "[1,2]", "nonsense", '{"ax":1,"ay":2}}', "[" * 100_000, '{"ax":' + "9" * 5000 + "}"],
)
def test_a_malformed_json_line(line: str) -> None:
    """It is counted; the next line is read."""
    _, parser = parse(f'{{"ax":1,"ay":2}}\n{line}\n{{"ax":3,"ay":4}}\n')

    assert parser.counts.read == 3
    assert sum(parser.counts.dropped.values()) == 1


def test_gaps_groups_and_the_clock() -> None:
    """Each break begins a segment that says why."""
    rows = [(i * 0.02, "a") for i in range(10)] + [(1 + i * 0.02, "a") for i in range(10)]
    rows += [(0.5 + i * 0.02, "a") for i in range(5)] + [(7 + i * 0.02, "b") for i in range(5)]
    text = "time,ax,ay,subject\n" + "".join(f"{t:.2f},1,2,{group}\n" for t, group in rows)
    blocks, parser = parse(text)

    assert begins(blocks) == [("start", 10), ("gap", 10), ("backwards", 5), ("group", 5)]
    assert parser.rate_hz_measured == pytest.approx(50)
    assert any("1 gap of 0.82 s" in note and "max_gap_s" in note for note in parser.notes)


def test_a_bad_time_drops_the_sample() -> None:
    """A sample of unknown time belongs nowhere."""
    text = (
        "time,ax,ay\n" + "".join(f"{i * 0.02:.2f},1,2\n" for i in range(5)) + "soon,1,2\n0.12,1,2\n"
    )
    blocks, parser = parse(text)

    assert begins(blocks) == [("start", 5), ("bad", 1)]
    assert parser.counts.dropped == {"bad_time": 1}


def test_another_rate_is_told() -> None:
    """A recording at half the rate is read, and said to be one."""
    text = "time_s,ax,ay\n" + "".join(f"{i / 25:.2f},1,2\n" for i in range(100))
    _, parser = parse(text)

    assert parser.rate_hz_measured == pytest.approx(25)
    assert "the recording runs at 25 Hz, `rate_hz` is 50" in parser.notes


def test_without_time_the_rate_is_assumed() -> None:
    """Evenly spaced, and said so."""
    blocks, parser = parse("ax,ay\n" + "1,2\n" * 300)

    assert [block.count for block in blocks] == [256, 44]
    assert blocks[1].time_of(1) == pytest.approx(257 / 50)
    assert parser.rate_hz_measured is None
    assert any("no time column" in note for note in parser.notes)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"\n\n \n", "is empty"),
        (b"ax,ay\n", "has a header but no samples"),
        (b"ax,az\n1,2\n", "has no column `ay`"),
        (b"1,2\n3,4\n", "has no header"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is no text"),
        (b"\x1f\x8b\x08\0\0\0", "is no text"),
        ("ax,ay\n1,2\n".encode("utf-16"), "is no text"),
        (b"\0" * 100, "is no text"),
        (b"x" * (2 << 20), "is no recording"),
        (b'"ax,ay\n1,2\n', "header that cannot be read"),
        (b'{"ax": 1}\n', "has no column `ay`"),
        (b"{\n}\n", "no line that can be read"),
        (b"[\n" + b"1\n" * 300, "is no JSONL recording"),
    ],
)
def test_what_is_no_recording(data: bytes, says: str) -> None:
    """One sentence that says what is wrong."""
    with pytest.raises(DataError, match=says):
        parse(data)


@given(
    st.one_of(
        st.binary(max_size=400),
        st.binary(max_size=200).map(lambda data: b"time,ax,ay,label\n" + data),
    )
)
def test_garbage_is_an_error_or_counted(data: bytes) -> None:
    """Any bytes: a DataError, or samples that are all accounted for; never another exception."""
    parser = RecordingParser(stream(on_bad="hold"), Columns(), where="`x`")
    blocks = []
    try:
        blocks = [*parser.feed(data), *parser.finish()]
    except DataError:
        return

    counts = parser.counts
    assert counts.read == sum(block.count for block in blocks) + sum(counts.dropped.values())


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas(delimiter: str) -> None:
    """As spreadsheets in half of Europe write them: read where no comma separates, and said."""
    rows = [["time", "ax", "ay"], ["0,00", "0,1972", "-1"], ["0,02", "3", "-0,5"]]
    blocks, parser = parse("\n".join(map(delimiter.join, rows)))

    assert values(blocks) == [(pytest.approx(0.1972), -1), (3, -0.5)]
    assert blocks[0].times_s == (0.0, 0.02)
    assert "numbers are read with a decimal comma" in parser.notes


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ('ax,ay\n"0,1","0,2"\n"0,3","0,4"\n', "bad value: 2, first in row 2", "`0,1` may be"),
        ("ax;ay\n1,972;2,344\n", "bad value: 1, first in row 2", "`1,972` may be"),
        ("ax,ay\n0,1,0,2\n", "ragged: 1, first in row 2: 4 fields", "`0,1` may be"),
        ("ax,ay\nx,y\n", "`ax` is no number", None),
        ('{"ax": "1", "ay": 2}\n', "`ax` is no number", None),
    ],
)
@pytest.mark.parametrize("live", [False, True])
def test_not_one_sample_of_use(*, text: str, says: str, hint: str | None, live: bool) -> None:
    """A recording of which nothing can be used is an error, not a run without windows."""
    with pytest.raises(
        DataError, match=r"no sample of `walk.csv` could be used: dropped as"
    ) as caught:
        parse(text, live=live)

    assert says in caught.value.message
    assert (caught.value.hint or "").startswith(hint or "")
    assert (caught.value.hint is None) is (hint is None)


def test_one_sample_of_use_is_enough() -> None:
    """The rest is counted."""
    blocks, parser = parse("ax,ay\nx,1\n1,2\n")

    assert values(blocks) == [(1, 2)]
    assert parser.counts.dropped == {"bad_value": 1}


def test_blocks_know_their_group() -> None:
    """Only where there is a column for it."""
    blocks, _ = parse("ax,ay,subject\n1,2,a\n1,2,a\n1,2,b\n")

    assert [(block.group, block.count) for block in blocks] == [("a", 2), ("b", 1)]
    assert parse("ax,ay\n1,2\n")[0][0].group is None


def test_files_of_other_forms() -> None:
    """What a live source may send, a file of it may hold."""
    assert values(parse("ax  ay\n1 2\n3\t 4\n")[0]) == [(1, 2), (3, 4)]
    assert values(parse("ax:1,ay:2\nay:4,ax:3\n")[0]) == [(1, 2), (3, 4)]


fields = st.sampled_from(["1", "-2.5", "nan", "", "x", "1e40", '"3"', '"4'])
lines = st.lists(fields, min_size=1, max_size=5).map(",".join)


@given(st.lists(lines, max_size=30), st.data())
def test_pieces_make_no_difference(rows: list[str], data: st.DataObject) -> None:
    """A recording that arrives in pieces is the same recording."""
    text = "\n".join(["time,ax,ay", *rows, "0,1,2"]).encode()
    whole_blocks, whole = parse(text)
    at = data.draw(st.integers(0, len(text)))
    parser = RecordingParser(stream(), Columns(), where="`x`")
    blocks = [*parser.feed(text[:at]), *parser.feed(text[at:]), *parser.finish()]

    assert values(blocks) == values(whole_blocks)
    assert parser.counts == whole.counts
    assert parser.notes == whole.notes


def test_a_live_source_hands_over_what_is_there() -> None:
    """A line that has come is a sample now, not when 256 have come."""
    parser = RecordingParser(stream(), Columns(), where="standard input", live=True)
    assert values(list(parser.feed(b"ax,ay\n1,2\n3,"))) == [(1, 2)]
    blocks = list(parser.feed(b"4\n"))

    assert values(blocks) == [(3, 4)]


def test_live_without_a_header() -> None:
    """Columns of numbers, as many as channels, are the channels in order."""
    blocks, parser = parse("1,2\n3,4\n", live=True)

    assert values(blocks) == [(1, 2), (3, 4)]
    assert any("no header" in note for note in parser.notes)
    with pytest.raises(DataError, match="has no header"):
        parse("1,2,3\n", live=True)


def test_live_time_is_settled_before_the_first_window() -> None:
    """The stamps are judged once as many samples are there as the first window needs."""
    parser = RecordingParser(stream(window=12), Columns(), where="standard input", live=True)
    early = list(
        parser.feed(b"t_s,ax,ay\n" + b"".join(b"%.2f,1,2\n" % (i * 0.02) for i in range(11)))
    )
    assert early == []
    assert parser.counts.pending == 11

    (block,) = parser.feed(b"0.22,1,2\n")
    assert (block.count, block.begin, parser.counts.pending) == (12, "start", 0)


class TestReader:
    """The same from a file."""

    def test_reads_again_when_iterated_again(self, tmp_path: Path) -> None:
        """A second pass starts over; its counts are its own."""
        path = tmp_path / "walk.csv"
        path.write_text("ax,ay\n" + "1,2\n" * 1000)
        reader = RecordingReader(path, stream(), Columns())

        assert sum(block.count for block in reader) == sum(block.count for block in reader) == 1000
        assert reader.counts.read == 1000

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("missing.csv", "there is no file"),
            (".", "is a folder"),
            ("nul\0.csv", "cannot read"),
            ("pipe", "no regular file"),
        ],
    )
    def test_what_is_no_file(self, tmp_path: Path, name: str, says: str) -> None:
        """Missing, a folder, an impossible name, a pipe that would block."""
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match=says):
            list(RecordingReader(tmp_path / name, stream(), Columns()))

    def test_blocks_of_the_size_asked_for(self, tmp_path: Path) -> None:
        """Small blocks for replaying at a slow pace."""
        path = tmp_path / "walk.csv"
        path.write_text("ax,ay\n" + "1,2\n" * 7)

        assert [
            block.count for block in RecordingReader(path, stream(), Columns(), block_samples=3)
        ] == [3, 3, 1]


def test_nothing_is_not_a_number_in_the_blocks() -> None:
    """What reaches the model is finite, always."""
    blocks, _ = parse("ax,ay\n1,2\nnan,1\n1,inf\n3,4\n", stream(on_bad="hold"))

    assert all(math.isfinite(value) for sample in values(blocks) for value in sample)


def test_a_row_of_empty_fields_is_a_bad_value() -> None:
    """Delimiters that are whitespace, or no delimiter at all, do not make a row vanish."""
    assert parse("ax\tay\n1\t2\n\t\n3\t4\n")[1].counts.dropped == {"bad_value": 1}


@pytest.mark.parametrize("live", [False, True])
def test_an_empty_value_of_a_single_column(live: bool) -> None:
    """In the middle it is a bad value with its own row; at the end of the file it is only an empty line."""
    blocks, parser = parse("ax\n1\n\n2\n3\n\n\n", stream(channels=("ax",)), live=live)

    assert (parser.counts.read, parser.counts.dropped) == (4, {"bad_value": 1})
    assert [(block.count, block.begin, block.first_row) for block in blocks] == [
        (1, "start", 2),
        (2, "bad", 4),
    ]


def test_empty_lines_between_several_columns_are_none() -> None:
    """Without a delimiter there is no field."""
    assert parse("ax\tay\n1\t2\n\n  \n3\t4\n")[1].counts.read == 2


@pytest.mark.parametrize("text", ["1_0", "\u0661\u0660", "\uff11"])
def test_what_only_python_reads_as_a_number(text: str) -> None:
    """Underscores and digits of other scripts are no numbers of a logger."""
    assert parse(f"ax,ay\n1,2\n{text},2\n")[1].counts.dropped == {"bad_value": 1}
    rows = "".join(f"{i * 20},1,2\n" for i in range(9))
    assert parse(f"time_ms,ax,ay\n{rows}{text},1,2\n")[1].counts.dropped == {"bad_time": 1}


@pytest.mark.parametrize("start", [0, 1000])
def test_live_stamps_in_bursts_longer_than_a_window(start: int) -> None:
    """The first stamps are all the same: it is waited until they move, and time is used."""
    rows = [f"{start + 240 * (i // 12)},{i},0\n" for i in range(240)]
    parser = RecordingParser(stream(), Columns(), where="standard input", live=True)
    blocks = [*parser.feed(b"time_ms,ax,ay\n")]
    for row in rows:
        blocks += parser.feed(row.encode())
    blocks += parser.finish()

    assert parser.counts.dropped == {}
    assert [block.begin for block in blocks if block.begin] == ["start"]
    assert all(block.times_s for block in blocks)
    assert parser.rate_hz_measured == pytest.approx(50)


def test_a_group_that_changes_with_every_row_is_none() -> None:
    """A column that is called `run` and counts tells no recordings apart."""
    text = "run,ax,ay\n" + "".join(f"{i},1,2\n" for i in range(300))
    blocks, parser = parse(text)

    assert begins(blocks) == [("start", 256), ("", 44)]
    assert {block.group for block in blocks} == {None}
    assert "column `run` is not used as group: it changes 256 times in 257 rows" in parser.notes


def test_a_group_that_the_user_names_is_one() -> None:
    """What is written down is not doubted."""
    parser = RecordingParser(stream(), Columns(group="run"), where="`walk.csv`")
    text = "run,time_ms,ax,ay\n" + "".join(f"{i},{i * 20},1,2\n" for i in range(20))
    blocks = [*parser.feed(text.encode()), *parser.finish()]

    assert len(blocks) == 20


def test_coarse_stamps_do_not_blame_the_rate() -> None:
    """Five whole seconds say too little about a rate to contradict the user."""
    text = "time_s,ax,ay\n" + "".join(f"{(i + 10) // 50},1,2\n" for i in range(250))

    assert not any("runs at" in note for note in parse(text, stream(rate_hz=46))[1].notes)
