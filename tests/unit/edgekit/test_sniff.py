"""What comes is recognised by the bytes alone, wherever listening began."""

from __future__ import annotations

import json
import math
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.sources.framing.checksum import CHECKSUMS
from edge_agent.testing import encode_cobs
from edgekit.sniff import sniff

NAMES = ("ax", "ay", "az", "gx", "gy", "gz")


def moving(count: int, channels: int, seed: int, scale: float) -> list[list[float]]:
    """Return samples of a sensor that moves, with noise."""
    chance = random.Random(seed)
    return [
        [
            scale * (math.sin(i / (7 + channel)) + channel / 3 + chance.gauss(0, 0.05))
            for channel in range(channels)
        ]
        for i in range(count)
    ]


def cut(data: bytes, seed: int) -> bytes:
    """Return data as one hears it: from anywhere in its first part."""
    return data[random.Random(seed).randrange(min(60, len(data) // 4)) :]


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32),
    st.integers(1, 6),
    st.sampled_from([",", ";", "\t", " "]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([0.01, 1.0, 500.0]),
)
def test_csv(seed: int, channels: int, delimiter: str, end: str, scale: float) -> None:
    """Any delimiter that the agent reads, and any number of channels."""
    samples = moving(40, channels, seed, scale)
    lines = [delimiter.join(f"{value:.3f}" for value in sample) for sample in samples]
    heard = sniff(cut("".join(line + end for line in lines).encode(), seed))

    assert heard is not None
    assert (heard.format, len(heard.channels), heard.named) == ("csv", channels, False)
    assert heard.last == tuple(round(value, 3) for value in samples[-1])
    assert 20 <= heard.count < 40


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 6), st.booleans())
def test_jsonl_and_pairs(seed: int, channels: int, pairs: bool) -> None:
    """Names come from the lines; a time is told from the channels."""
    names = NAMES[:channels]
    lines = []
    for number, sample in enumerate(moving(30, channels, seed, 2.0)):
        values = {
            "time_ms": number * 20,
            **{n: round(v, 3) for n, v in zip(names, sample, strict=True)},
        }
        lines.append(
            ",".join(f"{name}:{value}" for name, value in values.items())
            if pairs
            else json.dumps(values)
        )
    heard = sniff(cut("".join(line + "\n" for line in lines).encode(), seed))

    assert heard is not None
    assert heard.format == ("csv" if pairs else "jsonl")
    assert (heard.channels, heard.time, heard.named) == (names, "time_ms", True)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32),
    st.integers(1, 6),
    st.sampled_from(["h", "f"]),
    st.sampled_from(["crc32", "crc16-ccitt"]),
)
def test_cobs(seed: int, channels: int, kind: str, crc: str) -> None:
    """The checksum tells its own kind; floats are told from integers."""
    scale = 3000.0 if kind == "h" else 2.0
    data = bytearray()
    last: tuple[float, ...] = ()
    for sample in moving(60, channels, seed, scale):
        values = [int(value) for value in sample] if kind == "h" else sample
        payload = struct.pack(f"<{channels}{kind}", *values)
        last = tuple(map(float, struct.unpack(f"<{channels}{kind}", payload)))
        data += encode_cobs(payload + CHECKSUMS[crc][0](payload))
    heard = sniff(cut(bytes(data), seed) + b"\x05")

    assert heard is not None
    assert (heard.format, heard.crc) == ("cobs", crc)
    assert heard.frame == f"<{channels}{kind}"
    assert heard.last == last


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32),
    st.integers(1, 6),
    st.sampled_from(["h", "f"]),
    st.sampled_from(["aa55", "a55a", "7e7e", "fefe"]),
)
def test_binary(seed: int, channels: int, kind: str, sync: str) -> None:
    """Two bytes that come again and again are the sync, and what is between is the frame."""
    scale = 3000.0 if kind == "h" else 2.0
    data = bytearray()
    for sample in moving(300, channels, seed, scale):
        values = [int(value) for value in sample] if kind == "h" else sample
        data += bytes.fromhex(sync) + struct.pack(f"<{channels}{kind}", *values)
    heard = sniff(cut(bytes(data), seed))

    assert heard is not None
    assert (heard.format, heard.sync, heard.frame) == ("binary", sync, f"<{channels}{kind}")


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_nothing(seed: int) -> None:
    """What comes at a wrong speed is no format, and neither are zeros, nothing, or words."""
    chance = random.Random(seed)

    assert sniff(chance.randbytes(chance.randrange(6000))) is None
    assert sniff(bytes(3000)) is None
    assert sniff(b"hello world\r\nready when you are\r\n" * 20) is None
    assert sniff(b"") is None


def test_a_header_names_the_columns() -> None:
    """One that was heard; the time is told from the channels."""
    lines = "boot ok\r\ntime_ms,ax,ay\r\n" + "".join(f"{i * 10},{i % 7},2.5\r\n" for i in range(30))
    heard = sniff(lines.encode())

    assert heard is not None
    assert (heard.channels, heard.time, heard.last) == (("ax", "ay"), "time_ms", (1.0, 2.5))


def test_a_clock_without_a_name_is_told() -> None:
    """A first column that only grows is most likely the time."""
    heard = sniff("".join(f"{i * 10},{i % 7},{i % 3}\n" for i in range(30)).encode())

    assert heard is not None
    assert heard.channels == ("ch1", "ch2", "ch3")
    assert "let the sensor print a header such as `time_ms,ch1,ch2`" in heard.notes[0]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_decimal_commas(end: str) -> None:
    """What the agent reads is recognised, whatever ends its lines."""
    lines = [";".join(f"{value:.3f}" for value in sample) for sample in moving(40, 3, 1, 1.0)]
    heard = sniff("".join(line.replace(".", ",") + end for line in lines).encode())

    assert heard is not None
    assert (heard.format, heard.channels, heard.count) == ("csv", ("ch1", "ch2", "ch3"), 39)
    assert heard.last == tuple(map(float, lines[-1].split(";")))


def test_all_frames_are_counted() -> None:
    """The rate is told by them: it must not depend on how much is needed to recognise them."""
    frames = [b"\xaa\x55" + struct.pack("<3f", *sample) for sample in moving(2000, 3, 1, 1.0)]
    heard = sniff(b"".join(frames))

    assert heard is not None
    assert (heard.format, heard.frame, heard.sync) == ("binary", "<3f", "aa55")
    assert heard.count == pytest.approx(2000, abs=2)
