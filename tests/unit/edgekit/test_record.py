"""Recordings: whole lines, sessions that no window spans, and values that are read as they were."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config import Columns, Stream
from edge_agent.recording import RecordingReader
from edge_agent.records import Block
from edge_agent.testing import pack_samples
from edgekit.errors import ConfigError, DataError, EdgeKitError
from edgekit.record import Recorder, shortest

if TYPE_CHECKING:
    from pathlib import Path

CHANNELS = ("ax", "ay")


def block(count: int, *, begin: str = "", time_s: float = 100.0) -> Block:
    """Return samples at 100 Hz."""
    samples = pack_samples([(i / 10, -i / 3) for i in range(count)])
    return Block(samples, count, time_s, 0.01, begin)  # type: ignore[arg-type]


def record(path: Path, *blocks: Block, label: str | None = None) -> Recorder:
    """Record one session."""
    recorder = Recorder(path, CHANNELS, label)
    for each in blocks:
        recorder.write(each)
    recorder.close()
    return recorder


def read(path: Path) -> list[Block]:
    """Read it back as every reader of recordings does."""
    stream = Stream(channels=CHANNELS, rate_hz=100.0, window=4, hop=4)
    return list(RecordingReader(path, stream, Columns()))


def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    """To the last bit of float32; time begins at 0; columns are recognised by their names."""
    path = tmp_path / "walk.csv"
    made = record(path, block(20, begin="start"), block(10, time_s=100.2), label="walk")

    (found,) = read(path)
    assert found.samples == block(20).samples + block(10).samples
    assert found.times_s == pytest.approx([i / 100 for i in range(30)])
    assert set(found.labels) == {"walk"}
    assert (made.samples, made.session, made.segments) == (30, 1, 1)


def test_sessions_are_told_apart(tmp_path: Path) -> None:
    """A file is continued; a label is of its session."""
    path = tmp_path / "walk.csv"
    for label in ("walk", "run", None):
        record(path, block(15, begin="start"), label=label)

    found = read(path)
    assert [each.group for each in found] == ["1", "2", "3"]
    assert [each.begin for each in found] == ["start", "group", "group"]
    assert [set(each.labels) for each in found] == [{"walk"}, {"run"}, {""}]


def test_what_a_crash_left_is_whole_lines(tmp_path: Path) -> None:
    """Half of a last line is cut off before the next session."""
    path = tmp_path / "walk.csv"
    record(path, block(15, begin="start"))
    whole = path.read_bytes()
    path.write_bytes(whole + b"0.15,1.2")
    made = record(path, block(15, begin="start"))

    assert path.read_bytes().startswith(whole)
    assert made.session == 2
    assert sum(each.count for each in read(path)) == 30


def test_a_header_alone_is_continued(tmp_path: Path) -> None:
    """The sensor was silent the first time."""
    path = tmp_path / "walk.csv"
    record(path)

    assert record(path, block(3, begin="start")).session == 1


def test_another_recording_is_not_spoilt(tmp_path: Path) -> None:
    """A file with other columns is refused, and stays as it is."""
    path = tmp_path / "walk.csv"
    path.write_text("time_s,ax,ay,az\n0,1,2,3\n")
    with pytest.raises(DataError, match="has other columns: `time_s,ax,ay,az`"):
        record(path, block(3))

    assert path.read_text() == "time_s,ax,ay,az\n0,1,2,3\n"


def test_a_gap_shows_in_the_time(tmp_path: Path) -> None:
    """Samples a second later are another segment to whoever reads them."""
    path = tmp_path / "walk.csv"
    made = record(path, block(15, begin="start"), block(15, begin="gap", time_s=101.5))

    assert [each.begin for each in read(path)] == ["start", "gap"]
    assert made.segments == 2


def test_names_that_cannot_be(tmp_path: Path) -> None:
    """A channel named as a column of its own; a label of two lines; a folder."""
    with pytest.raises(ConfigError, match="a channel is named `label`"):
        Recorder(tmp_path / "a.csv", ("label",), None)
    with pytest.raises(ConfigError, match="cannot stand in one field"):
        Recorder(tmp_path / "a.csv", CHANNELS, "a\nb")
    with pytest.raises(EdgeKitError, match="cannot write"):
        Recorder(tmp_path, CHANNELS, None)


def test_labels_with_commas(tmp_path: Path) -> None:
    """Are quoted."""
    path = tmp_path / "walk.csv"
    record(path, block(15, begin="start"), label='walk, "fast"')

    assert set(read(path)[0].labels) == {'walk, "fast"'}


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_shortest(value: float) -> None:
    """The same float32, in no more digits than that needs."""
    text = shortest(value)

    assert struct.pack("<f", float(text)) == struct.pack("<f", value) or value == 0
    assert len(text) <= 16
