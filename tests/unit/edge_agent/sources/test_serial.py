"""A serial port on a pseudo terminal: what comes, what is cut, and what comes back."""

from __future__ import annotations

import os
import pty
import random
import struct
import time
import tty
from typing import TYPE_CHECKING, Any

import pytest
import serial

from edge_agent.config import SerialSource as Configuration
from edge_agent.config import Stream
from edge_agent.errors import ConfigError, DataError
from edge_agent.sources.framing.checksum import crc32
from edge_agent.sources.serial import SerialSource
from edge_agent.sources.serial_port import PortError, SerialPort, missing_hint, problem_of
from edge_agent.stop import StopSignal
from edge_agent.testing import ManualClock, encode_cobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_agent.records import Block

STREAM = Stream(channels=("ax", "ay", "az"), rate_hz=100.0, window=4, hop=4, max_gap_s=60.0)
"""A machine that runs tests may be held up for any time; gaps have tests of their own."""
FRAME = "<3h"


class Sensor:
    """The other end of a port: a pseudo terminal behind a link, as udev makes one by a device's id."""

    def __init__(self, folder: Path) -> None:
        self.port = folder / "by-id-arduino"
        self.master = self.slave = -1

    def plug(self) -> None:
        """Appear under the same path, as another device file."""
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        link = self.port.with_suffix(".new")
        link.symlink_to(os.ttyname(self.slave))
        link.replace(self.port)

    def unplug(self) -> None:
        """Vanish."""
        self.port.unlink()
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = -1

    def send(self, data: bytes) -> None:
        """Write to the line."""
        os.write(self.master, data)

    def close(self) -> None:
        """Give everything back."""
        if self.master >= 0:
            self.unplug()


@pytest.fixture
def sensor(tmp_path: Path) -> Iterator[Sensor]:
    """Plug a sensor in."""
    made = Sensor(tmp_path)
    made.plug()
    yield made
    made.close()


@pytest.fixture
def stop() -> Iterator[StopSignal]:
    """Make a stop that nobody has requested yet."""
    nobody = StopSignal()
    yield nobody
    nobody.close()


class Listener:
    """A source, and what has come out of it."""

    def __init__(self, sensor: Sensor, stop: StopSignal, **changes: Any) -> None:
        settings = {"format": "cobs", "frame": FRAME, **changes}
        stream = settings.pop("stream", STREAM)
        source = Configuration(port=str(sensor.port), **settings)
        self.source = SerialSource(stream, source)
        self.blocks: list[Block] = []
        self.idle = 0
        self._running = self.source.blocks(stop)

    def turn(self) -> None:
        """Let the source do one thing."""
        block = next(self._running)
        if block is None:
            self.idle += 1
        else:
            self.blocks.append(block)

    def until(self, count: int) -> list[tuple[float, ...]]:
        """Listen until so many samples have come; return all of them."""
        for _ in range(60):
            if sum(block.count for block in self.blocks) >= count:
                break
            self.turn()
        return self.samples

    def until_state(self, state: str) -> None:
        """Listen until the source is in that state."""
        for _ in range(200):
            if self.source.state == state:
                return
            self.turn()
        raise AssertionError(f"the source is {self.source.state} for ever")

    @property
    def samples(self) -> list[tuple[float, ...]]:
        """All samples so far."""
        return [
            values for block in self.blocks for values in struct.iter_unpack("<3f", block.samples)
        ]

    @property
    def begins(self) -> list[str]:
        """Why segments began."""
        return [block.begin for block in self.blocks if block.begin]


def cobs(*values: int) -> bytes:
    """Return a frame."""
    payload = struct.pack(FRAME, *values)
    return encode_cobs(payload + crc32(payload))


def ramp(start: int, count: int) -> list[tuple[float, ...]]:
    """Return samples that all differ."""
    return [(float(i), float(-i), float(i % 7)) for i in range(start, start + count)]


def frames(start: int, count: int) -> bytes:
    """Return the frames of a ramp."""
    return b"".join(cobs(i, -i, i % 7) for i in range(start, start + count))


def opened(sensor: Sensor, stop: StopSignal, **changes: Any) -> Listener:
    """Return a listener whose port is open: what is sent before is flushed, as it should be."""
    listener = Listener(sensor, stop, **changes)
    listener.turn()
    return listener


def test_frames_in_any_pieces(sensor: Sensor, stop: StopSignal) -> None:
    """Split and merged writes; the clock is the monotonic one."""
    listener = opened(sensor, stop)
    before_s = time.monotonic()
    data = frames(0, 100)
    chance = random.Random(0)
    while data:
        size = chance.randrange(1, 40)
        sensor.send(data[:size])
        data = data[size:]
        listener.turn()

    assert listener.until(100) == ramp(0, 100)
    assert listener.begins == ["start"]
    assert before_s <= listener.blocks[0].time_s <= listener.blocks[-1].time_s <= time.monotonic()
    assert listener.source.state == "running"
    assert listener.source.details["frames"] == 100


def test_bytes_that_flip(sensor: Sensor, stop: StopSignal) -> None:
    """Damage costs samples, begins a segment, is counted, and never becomes a sample."""
    listener = opened(sensor, stop)
    chance = random.Random(1)
    sent = 0
    for _ in range(40):
        data = bytearray(frames(sent, 20))
        sent += 20
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        sensor.send(bytes(data))
        listener.turn()
    sensor.send(frames(sent, 20))
    listener.until(800 - 79 + 20)
    found = listener.samples

    assert set(found) <= set(ramp(0, sent + 20))
    assert len(found) >= sent + 20 - 80
    assert "bad" in listener.begins
    counts = listener.source.counts
    assert counts.read == len(found) + counts.dropped["bad_frame"] + counts.pending
    assert listener.source.details["bad_frames"] == counts.dropped["bad_frame"]


def test_a_flood_of_zeros(sensor: Sensor, stop: StopSignal) -> None:
    """A line held low is silence: the loop gets its turns, and the next frame comes through."""
    listener = opened(sensor, stop)
    sensor.send(frames(0, 3))
    listener.until(3)
    for _ in range(20):
        sensor.send(bytes(2000))
        listener.turn()
    sensor.send(frames(3, 3))

    assert listener.until(6) == ramp(0, 6)
    assert listener.idle >= 10
    assert listener.source.details["bad_frames"] == 0


def test_unplugged_and_back_within_two_seconds(sensor: Sensor, stop: StopSignal) -> None:
    """The source is absent, not failed; the same path leads to another device file, and a new segment begins."""
    listener = opened(sensor, stop)
    sensor.send(frames(0, 10) + cobs(9, 9, 9)[:5])
    listener.until(10)

    sensor.unplug()
    listener.until_state("absent")
    began_s = time.monotonic()
    while time.monotonic() - began_s < 1.5:  # long enough for the longest pause between attempts
        listener.turn()
    assert listener.source.state == "absent"
    assert str(sensor.port) in listener.source.notes[0]

    sensor.plug()
    turns = 0
    while listener.source.details["reconnects"] == 0:
        listener.turn()
        turns += 1
    assert turns <= 4  # each is at most half a second long
    sensor.send(frames(10, 10))
    assert listener.until(20) == ramp(0, 20)
    assert listener.begins == ["start", "gap"]
    assert listener.source.counts.dropped == {}
    assert float(listener.source.details["absent_s"]) >= 1.5
    assert listener.source.notes == ()


def test_swapped_while_open(sensor: Sensor, stop: StopSignal) -> None:
    """The link points elsewhere before the old device is gone: the new one is read after the hang-up."""
    listener = opened(sensor, stop)
    sensor.send(frames(0, 5))
    listener.until(5)
    old_master, old_slave = sensor.master, sensor.slave
    sensor.plug()
    os.close(old_slave)
    os.close(old_master)
    while listener.source.details["reconnects"] == 0:
        listener.turn()
    sensor.send(frames(5, 5))

    assert listener.until(10) == ramp(0, 10)


def test_two_readers(sensor: Sensor, stop: StopSignal) -> None:
    """Another program takes some of the bytes: frames are damaged, nothing false comes, nothing ends."""
    listener = opened(sensor, stop)
    thief = os.open(sensor.port, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        for number in range(0, 200, 10):
            sensor.send(frames(number, 10))
            if number % 40 == 0:
                os.read(thief, 37)
            listener.turn()
    finally:
        os.close(thief)
    sensor.send(frames(200, 50))
    listener.turn()
    listener.turn()

    assert set(listener.samples) <= set(ramp(0, 250))
    assert len(listener.samples) >= 250 - 5 * 6 - 1
    assert "bad" in listener.begins


def test_the_port_is_for_oneself(sensor: Sensor, stop: StopSignal) -> None:
    """A second agent is told so, and waits."""
    first = opened(sensor, stop)
    second = opened(sensor, stop)

    assert first.source.notes == ()
    assert second.source.state == "waiting"
    assert "is in use by another program" in second.source.notes[0]
    assert "fuser" in second.source.notes[0]


def test_a_closed_port_is_free_though_a_child_was_just_forked(sensor: Sensor) -> None:
    """A child holds a copy of the descriptor until its program begins; `dup` is such a copy."""
    first = SerialPort(str(sensor.port), 115200)
    copy = os.dup(first.fileno())
    first.close()

    SerialPort(str(sensor.port), 9600).close()
    os.close(copy)


def test_an_hour_unplugged_is_no_failure(tmp_path: Path) -> None:
    """One virtual hour: the loop gets a turn at least once a second, and attempts stay a second apart."""
    clock = ManualClock(stop_at_s=3600.0)
    attempts = 0

    def nothing(_path: str, _baud: int) -> SerialPort:
        nonlocal attempts
        attempts += 1
        raise PortError("there is no such port", state="absent")

    source = SerialSource(
        STREAM, Configuration(port=str(tmp_path / "no")), open_port=nothing, clock=clock
    )
    turns = 0
    last_s = 0.0
    for block in source.blocks(clock):
        assert block is None
        assert clock() - last_s <= 1.0
        last_s = clock()
        turns += 1

    assert turns >= 3600
    assert 3600 <= attempts <= 2 * 3600 + 10
    assert source.details["absent_s"] == pytest.approx(3600, abs=2)
    assert source.state == "stopped"


def test_wrong_speed(sensor: Sensor, stop: StopSignal) -> None:
    """Bytes without one frame are told, with the keys that may be wrong and the command that finds out."""
    listener = opened(sensor, stop)
    sensor.send(random.Random(0).randbytes(3000))
    listener.turn()
    listener.turn()

    (note,) = listener.source.notes
    assert "not one frame could be read: `baud = 115200` or `format`, `frame` and `crc`" in note
    assert f"edgekit listen {sensor.port}" in note


def test_lines_at_the_wrong_speed_never_end(sensor: Sensor, stop: StopSignal) -> None:
    """Garbage lines are counted; when the speed is right, samples come."""
    listener = opened(sensor, stop, format="csv", frame=None)
    chance = random.Random(0)
    for _ in range(10):
        noise = chance.randbytes(400).replace(b"\n", b"?").replace(b"\r", b"?")
        sensor.send(b"\xff\n".join(noise[i : i + 5] for i in range(0, 400, 5)) + b"\n")
        listener.turn()
    assert "not one line could be read" in listener.source.notes[0]

    sensor.send(b"".join(b"%d,%d,%d\n" % (i, -i, i % 7) for i in range(20)))
    assert listener.until(20)[-20:] == ramp(0, 20)


def test_a_sensor_that_restarts(sensor: Sensor, stop: StopSignal) -> None:
    """Its words and its header are dropped, its samples are not."""
    listener = opened(sensor, stop, format="csv", frame=None)
    sensor.send(b"0,0,0\n1,-1,1\n2,-2,2\n")
    assert listener.until(3) == ramp(0, 3)

    sensor.send(b"3,-3\r\nboot ok\r\nax,ay,az\r\n3,-3,3\n4,-4,4\n")
    assert listener.until(5) == ramp(0, 5)
    assert listener.begins == ["start", "bad"]


def test_lines_survive_a_reconnect(sensor: Sensor, stop: StopSignal) -> None:
    """What the columns are is remembered: a sensor that was not restarted sends no header again."""
    listener = opened(sensor, stop, format="csv", frame=None)
    time.sleep(0.3)
    sensor.send(b"az,ay,ax\n" + b"".join(b"%d,%d,%d\n" % (i % 7, -i, i) for i in range(5)) + b"3,")
    listener.until(5)
    sensor.unplug()
    listener.until_state("absent")
    sensor.plug()
    while listener.source.details["reconnects"] == 0:
        listener.turn()
    sensor.send(b"".join(b"%d,%d,%d\n" % (i % 7, -i, i) for i in range(5, 10)))

    assert listener.until(10) == ramp(0, 10)
    assert listener.begins == ["start", "gap"]
    assert listener.source.counts.dropped == {}


def test_other_columns_than_the_channels(sensor: Sensor, stop: StopSignal) -> None:
    """Four numbers for three channels, again and again, will never be right: that is said."""
    listener = opened(sensor, stop, format="csv", frame=None)
    sensor.send(b"0\n" + b"1,2,3,4\n" * 30)

    with pytest.raises(DataError, match="rows have 4 numbers for 3 channels") as caught:
        listener.until(1)
    assert "let the sensor print one number for each of `ax,ay,az`" in str(caught.value.hint)


def test_jsonl(sensor: Sensor, stop: StopSignal) -> None:
    """Objects by their keys."""
    listener = opened(sensor, stop, format="jsonl", frame=None)
    sensor.send(b'9}\n{"ay":-1,"ax":1,"az":1}\n{"ax":2,"ay":-2,"az":2,"t":null}\n')

    assert listener.until(2) == ramp(1, 2)


def test_a_pause_is_a_gap(sensor: Sensor, stop: StopSignal) -> None:
    """Nothing is classified across a pause, in frames as in lines."""
    stream = Stream(channels=("ax", "ay", "az"), rate_hz=20.0, window=4, hop=4, max_gap_s=1.0)
    listener = opened(sensor, stop, stream=stream)
    sensor.send(frames(0, 1))
    listener.until(1)
    time.sleep(1.2)
    sensor.send(frames(1, 1))
    listener.turn()  # nobody was listening: whether this one came before the pause or after it is not known
    sensor.send(frames(2, 1))
    listener.until(2)

    assert listener.begins == ["start", "gap"]
    assert listener.samples == ramp(0, 1) + ramp(2, 1)
    assert listener.source.details["gaps"] == 1
    assert listener.source.counts.dropped == {"around_gap": 1}


def test_a_stop_is_prompt(sensor: Sensor, stop: StopSignal) -> None:
    """Whether there is a port or not, and whatever is on it."""
    listener = opened(sensor, stop)
    stop.request()
    with pytest.raises(StopIteration):
        listener.turn()
    assert listener.source.state == "stopped"


def test_a_frame_of_other_fields(tmp_path: Path) -> None:
    """Two fields for three channels: said before anything is opened."""
    with pytest.raises(ConfigError, match="`<2h` has 2 fields for 3 channels"):
        SerialSource(STREAM, Configuration(port=str(tmp_path), format="cobs", frame="<2h"))


def test_near_ports_are_named(tmp_path: Path) -> None:
    """A port that is not there: the others are, the like ones first."""
    by_id = tmp_path / "serial/by-id"
    by_id.mkdir(parents=True)
    for name in ("usb-FTDI_FT232-if00", "usb-Arduino_Uno_7543-if00"):
        (by_id / name).touch()
    (tmp_path / "ttyUSB0").touch()
    hint = missing_hint(str(by_id / "usb-Arduino_Uno_7544-if00"), tmp_path)

    assert hint.startswith(f"these are there: `{by_id}/usb-Arduino_Uno_7543-if00`")
    assert str(tmp_path / "ttyUSB0") in hint
    assert "plug the sensor in" in missing_hint("/dev/ttyUSB0", tmp_path / "none")


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    """Missing, no port, forbidden: each says what to do."""
    missing = problem_of(str(tmp_path / "ttyUSB7"))
    assert missing is not None
    assert missing.state == "absent"
    assert problem_of(str(tmp_path)) is None

    file = tmp_path / "file"
    file.touch()
    with pytest.raises(PortError, match="is no serial port") as caught:
        SerialPort(str(file), 9600)
    assert caught.value.state == "waiting"


def test_permission_denied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The group to join is named: that of the device."""

    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(13, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(PortError, match="permission denied") as caught:
        SerialPort(str(tmp_path / "ttyUSB0"), 9600)
    assert caught.value.hint == (
        "join its group and log in again: `sudo usermod -aG dialout $USER`"
    )
