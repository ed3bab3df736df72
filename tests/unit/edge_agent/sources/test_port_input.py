"""Where a line begins when a port is opened in the middle of one, and how damage is accounted for."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.arrivals import Arrival
from edge_agent.config import Calibration, SerialSource, Stream
from edge_agent.errors import ConfigError, DataError
from edge_agent.sources.framing.checksum import crc16_ccitt
from edge_agent.sources.port_input import port_input
from edge_agent.testing import encode_cobs

if TYPE_CHECKING:
    from edge_agent.records import Block
    from edge_agent.sources.port_input import PortInput

STREAM = Stream(channels=("ax", "ay", "az"), rate_hz=100.0, window=4, hop=4)


def make(stream: Stream = STREAM, calibration: Calibration | None = None, **keys: Any) -> PortInput:
    """Return what reads a port, opened at second 1."""
    made = port_input(stream, SerialSource(port="/dev/ttyUSB0", **keys), calibration)
    made.opened(1.0)
    return made


def take(reader: PortInput, data: bytes, at_s: float) -> list[Block]:
    """Let bytes come at a time."""
    return list(reader.feed(data, Arrival(at_s, at_s + 0.02)))


def values(blocks: list[Block]) -> list[tuple[float, ...]]:
    """Return the samples in blocks."""
    return [each for block in blocks for each in struct.iter_unpack("<3f", block.samples)]


def test_half_a_line_is_left_out() -> None:
    """`2,3,4` may be the end of `12,3,4`, and has as many numbers."""
    reader = make()
    blocks = take(reader, b"2,3", 1.05) + take(reader, b",4\n5,6,7\n8,9,1\n", 1.06)

    assert values(blocks) == [(5, 6, 7), (8, 9, 1)]


def test_lines_that_end_with_cr_alone() -> None:
    """Half a line ends with what all others end with."""
    reader = make()
    blocks = take(reader, b"2,3,4\r5,6,7\r", 1.05) + take(reader, b"8,9,1\r\r", 1.06)

    assert values(blocks) == [(5, 6, 7), (8, 9, 1)]


def test_a_header_that_was_said_before_anybody_listened() -> None:
    """`columns` names what comes until a header does; other numbers of columns are still refused."""
    names = ("millis", "az", "ay", "ax", "temperature")
    reader = make(columns=names)
    blocks = take(reader, b"".join(b"%d,3,2,1,20\n" % (10 * row) for row in range(9)), 5.0)
    blocks += take(reader, b"ax,ay,az\n1,2,3\n", 5.1)

    assert values(blocks) == [(1.0, 2.0, 3.0)] * 10
    assert reader.counts.dropped == {}
    with pytest.raises(DataError, match="rows have 4 numbers for 5 `columns`"):
        take(make(columns=names), b"1,2,3,4\n" * 30, 5.0)


def test_columns_that_leave_a_channel_out() -> None:
    """What is wrong is said before anything is opened, not when the sensor is plugged in."""
    with pytest.raises(
        ConfigError, match="`columns` does not name the channel `ay`: it has `ax`, `az`"
    ):
        make(columns=("ax", "az"))
    with pytest.raises(ValueError, match="`columns` is of no use"):
        make(columns=("ax", "ay", "az"), format="jsonl")


def test_lines_at_once_are_as_lines_one_by_one() -> None:
    """Samples, rows, times and accounts do not tell how many lines a read has brought, nor what stood among them."""
    lines = [b"%d,%d,%d\n" % (row, -row, row % 3) for row in range(200)]
    lines[20:20] = [
        b"nan,1,2\n",
        b"\n",
        b"ax,ay,az\n",
        b"1_0,2,3\n",
        b"1,2\n",
        b"1,2,3,\n",
        b'"1",2,3\n',
    ]
    found = []
    for at_once in (1, 7, 64):
        reader = make(calibration=Calibration(gain=(2.0, 1.0, 0.5)))
        blocks = take(reader, b"ax,ay,az\n", 5.98)
        for start in range(0, len(lines), at_once):
            some = lines[start : start + at_once]
            came_s = 6.0 + (start + len(some)) * 0.01
            blocks += reader.feed(b"".join(some), Arrival(came_s, came_s, prompt=False))
        rows = [block.first_row + position for block in blocks for position in range(block.count)]
        found.append((values(blocks), rows, [b.begin for b in blocks if b.begin], reader.counts))

    assert found[0] == found[1] == found[2]
    assert found[0][3].read == 205
    assert found[0][3].dropped == {"bad_value": 2, "ragged": 1}


def test_a_sensor_that_names_its_columns_otherwise() -> None:
    """Another board is plugged in, or another program flashed: its header says what its columns are."""
    reader = make()
    blocks = take(reader, b"ax,ay,az\n" + b"1,2,3\n" * 3, 5.0)
    blocks += list(reader.interrupt())
    reader.opened(6.0)
    blocks += take(reader, b"az,note,ay,ax\n" + b"3,0,2,1\n" * 3, 6.5)
    blocks += take(reader, b"az,note,ay,ax\n3,0,2,1\nax,ay\n", 6.53)

    assert set(values(blocks)) == {(1.0, 2.0, 3.0)}
    assert len(values(blocks)) == 7
    assert [block.begin for block in blocks] == ["start", "gap", ""]
    assert reader.counts.dropped == {"ragged": 1}
    assert "the columns were named anew while it ran, last as `az,note,ay,ax`" in reader.notes


def test_a_clock_that_is_named_later() -> None:
    """A header with a time after rows without one: the stamps count from there on."""
    reader = make()
    blocks = take(reader, b"1,2,3\n" * 4, 5.0)
    rows = b"".join(b"%d,1,2,3\n" % (10 * i) for i in range(12))
    blocks += take(reader, b"time_ms,ax,ay,az\n" + rows, 5.05)

    assert set(values(blocks)) == {(1.0, 2.0, 3.0)}
    assert blocks[0].times_s == ()
    assert blocks[-1].times_s[-1] == pytest.approx(0.11)
    assert blocks[1].begin == "gap"


def test_after_silence_a_line_begins() -> None:
    """Opening a port restarts an Arduino: the rest of its last line comes, then nothing, then its header."""
    reader = make()
    assert take(reader, b"1,2", 1.02) == []
    rows = b"".join(b"%d,3,1,2\n" % (10 * i) for i in range(12))
    blocks = take(reader, b"time_ms,az,ax,ay\n" + rows, 2.8)

    assert set(values(blocks)) == {(1.0, 2.0, 3.0)}
    assert blocks[-1].times_s[-1] == pytest.approx(0.11)
    assert reader.counts.dropped == {}


def test_lines_without_time_have_that_of_their_arrival() -> None:
    """On the monotonic clock, a period apart, behind each other over reads."""
    reader = make()
    blocks = take(reader, b"1,2,3\n" * 3, 5.0) + take(reader, b"1,2,4\n" * 2, 5.03)

    assert [block.time_of(0) for block in blocks] == pytest.approx([5.0, 5.03])
    assert blocks[0].time_of(2) == pytest.approx(5.02)
    assert "no time column" not in " ".join(reader.notes)


def test_lines_that_pause() -> None:
    """Half a second without a line ends the segment, and is told."""
    reader = make()
    blocks = take(reader, b"1,2,3\n" * 3, 5.0) + take(reader, b"1,2,4\n", 5.5)

    assert [block.begin for block in blocks] == ["start", "gap"]
    assert reader.details["gaps"] == 1
    assert any("1 gap of 0.48 s" in note for note in reader.notes)


def test_frames_are_corrected_before_they_are_checked() -> None:
    """A device's own calibration decides what is out of range, for frames as for lines."""
    stream = Stream(channels=("ax", "ay", "az"), rate_hz=100.0, window=4, hop=4, min=-2.0, max=2.0)
    calibration = Calibration(gain=(0.001, 0.001, 0.001), offset=(0.0, 0.0, -1.0))
    payload = struct.pack("<3h", 1500, -1500, 2000)
    frame = encode_cobs(payload + crc16_ccitt(payload))
    bad_payload = struct.pack("<3h", 1500, -1500, 4000)
    bad = encode_cobs(bad_payload + crc16_ccitt(bad_payload))

    framed = make(stream, calibration, format="cobs", frame="<3h", crc="crc16-ccitt")
    lines = make(stream, calibration)
    for reader, data in (
        (framed, frame + bad + frame),
        (lines, b"1500,-1500,2000\n1500,-1500,4000\n1500,-1500,2000\n"),
    ):
        blocks = take(reader, data, 5.0)
        assert values(blocks) == [pytest.approx((1.5, -1.5, 1.0))] * 2
        assert [block.begin for block in blocks] == ["start", "bad"]
        assert reader.counts.dropped == {"bad_value": 1}


def test_marked_frames() -> None:
    """Positions of the samples that were let through are in the block."""
    stream = Stream(
        channels=("ax", "ay", "az"), rate_hz=100.0, window=4, hop=4, max=100.0, on_bad="mark"
    )
    reader = make(stream, format="binary", frame="<3h", sync="aa55")
    frames = [(1, 2, 3), (4, 500, 6), (7, 8, 9)]
    data = b"".join(b"\xaa\x55" + struct.pack("<3h", *each) for each in frames) + b"\xaa\x55"
    (block,) = take(reader, data, 5.0)

    assert block.count == 3
    assert block.marked == (1,)
    assert reader.counts.marked == 1


def test_accounts_add_up() -> None:
    """Read is handed over, dropped and pending, with damage as with bad values."""
    reader = make(Stream(channels=("ax", "ay", "az"), rate_hz=100.0, window=4, hop=4, max=100.0),
                  format="cobs", frame="<3h", crc="crc16-ccitt")  # fmt: skip
    made = 0
    for number in range(40):
        payload = struct.pack("<3h", number, 500 if number % 9 == 0 else 1, 3)
        frame = bytearray(encode_cobs(payload + crc16_ccitt(payload)))
        if number % 7 == 3:
            frame[2] ^= 0x80
        made += sum(block.count for block in take(reader, bytes(frame), 5 + number / 100))

    counts = reader.counts
    assert counts.dropped == {"bad_frame": 6, "bad_value": 5}
    assert counts.read == 40 == made + 11 + counts.pending
