"""Frames: good ones come through, damaged ones cost themselves and at most one more, noise makes none."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.frame import count_fields, frame_struct
from edge_agent.sources.framing.binary import BinaryDecoder
from edge_agent.sources.framing.checksum import CHECKSUMS, crc16_ccitt, crc32
from edge_agent.sources.framing.cobs import CobsDecoder, decode
from edge_agent.testing import encode_cobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from edge_agent.sources.framing import Decoder

LAYOUT = frame_struct("<3h")
SYNC = b"\xaa\x55"
VALUES = st.tuples(*[st.integers(-32768, 32767)] * 3)


def cobs_frame(values: Iterable[int], crc: str = "crc32") -> bytes:
    """Return one sample as a sensor sends it."""
    payload = LAYOUT.pack(*values)
    return encode_cobs(payload + CHECKSUMS[crc][0](payload))


def binary_frame(values: Iterable[int]) -> bytes:
    """Return one sample with sync."""
    return SYNC + LAYOUT.pack(*values)


def fed(decoder: Decoder, data: bytes, sizes: Iterable[int] = ()) -> list[tuple[float, ...]]:
    """Feed bytes in pieces of the given sizes, then the rest; return the samples."""
    samples = []
    for size in [*sizes, len(data)]:
        piece, data = data[:size], data[size:]
        for run in decoder.feed(piece):
            samples += [tuple(run.values[i : i + 3]) for i in range(0, len(run.values), 3)]
    return samples


def cobs() -> CobsDecoder:
    """Make a decoder of COBS frames."""
    return CobsDecoder(LAYOUT, "crc32")


def binary() -> BinaryDecoder:
    """Make a decoder of frames with sync."""
    return BinaryDecoder(LAYOUT, SYNC)


def ramp(count: int) -> list[tuple[int, int, int]]:
    """Return samples of which each differs from all others, as a moving sensor's do."""
    return [(i % 30000, -i % 30000, (7 * i) % 30000) for i in range(count)]


def test_checksums_are_the_usual_ones() -> None:
    """The check values of the catalogue, for `123456789`."""
    assert crc32(b"123456789") == (0xCBF43926).to_bytes(4, "little")
    assert crc16_ccitt(b"123456789") == (0x29B1).to_bytes(2, "little")


@pytest.mark.parametrize(
    ("plain", "frame"),
    [
        ("00", "010100"),
        ("0000", "01010100"),
        ("11220033", "031122023300"),
        ("11223344", "051122334400"),
        ("11000000", "021101010100"),
        (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex() + "00"),
        (bytes(range(255)).hex(), "01ff" + bytes(range(1, 255)).hex() + "00"),
        (bytes(range(1, 256)).hex(), "ff" + bytes(range(1, 255)).hex() + "02ff00"),
    ],
)
def test_cobs_as_published(plain: str, frame: str) -> None:
    """The examples that everybody's COBS agrees on; the decoder undoes the encoder."""
    assert encode_cobs(bytes.fromhex(plain)).hex() == frame
    assert decode(bytes.fromhex(frame)[:-1]) == bytes.fromhex(plain)


@given(st.binary(max_size=600))
def test_cobs_there_and_back(plain: bytes) -> None:
    """Any bytes, and no zero within the frame."""
    frame = encode_cobs(plain)

    assert frame.index(0) == len(frame) - 1
    assert decode(frame[:-1]) == plain


@given(st.binary(max_size=40))
def test_cobs_of_anything(noise: bytes) -> None:
    """Whatever comes is decoded or refused."""
    plain = decode(noise)

    assert plain is None or len(plain) < max(1, len(noise))


@pytest.mark.parametrize("crc", ["crc32", "crc16-ccitt"])
def test_each_checksum(crc: str) -> None:
    """Both are looked at: a frame with the other one is none."""
    frames = b"".join(cobs_frame(values, crc) for values in ramp(5))
    other = "crc32" if crc == "crc16-ccitt" else "crc16-ccitt"

    assert fed(CobsDecoder(LAYOUT, crc), frames) == ramp(5)
    assert fed(CobsDecoder(LAYOUT, other), frames) == []


@given(st.lists(VALUES, max_size=30), st.lists(st.integers(0, 20), max_size=40))
def test_frames_come_in_any_pieces(samples: list[tuple[int, int, int]], sizes: list[int]) -> None:
    """Split and merged writes change nothing; the last binary frame waits for the next one's sync."""
    stream = b"".join(map(cobs_frame, samples))
    assert fed(cobs(), stream, sizes) == samples

    stream = b"".join(map(binary_frame, samples)) + SYNC
    found = fed(binary(), stream, sizes)
    assert len(found) == len(samples)
    if not any(SYNC in LAYOUT.pack(*values) for values in samples):
        assert found == samples


@given(
    st.lists(VALUES, min_size=6, max_size=20),
    st.integers(0, 10_000),
    st.integers(1, 255),
    st.sampled_from(["flip", "drop", "add"]),
)
def test_damage_costs_a_frame_and_at_most_one_more(
    samples: list[tuple[int, int, int]], at: int, flip: int, damage: str
) -> None:
    """One byte changed, lost or added: every frame but the damaged one and a neighbour comes, and no other."""
    frames = list(map(cobs_frame, samples))
    stream = bytearray(b"".join(frames))
    at %= len(stream)
    if damage == "flip":
        stream[at] ^= flip
    elif damage == "drop":
        del stream[at]
    else:
        stream.insert(at, flip)
    found = fed(cobs(), bytes(stream))

    assert len(found) >= len(samples) - 2
    assert is_part(found, samples)


def is_part(found: list[tuple[float, ...]], sent: list[tuple[int, int, int]]) -> bool:
    """Return whether samples came in the order that they were sent in, and none of its own making."""
    left: Iterator[tuple[float, ...]] = iter(sent)
    return all(values in left for values in found)


@pytest.mark.parametrize("damage", ["drop", "add", "sync"])
def test_binary_finds_its_beginning_again(damage: str) -> None:
    """A byte lost or added, or a damaged sync, costs a frame and at most the one before."""
    samples = ramp(400)
    chance = random.Random(damage)
    for _ in range(50):
        stream = bytearray(b"".join(map(binary_frame, samples)) + SYNC)
        frame = chance.randrange(1, 398)
        at = 8 * frame + (chance.randrange(2) if damage == "sync" else chance.randrange(8))
        if damage == "drop":
            del stream[at]
        elif damage == "add":
            stream.insert(at, chance.randrange(256))
        else:
            stream[at] ^= 1 << chance.randrange(8)
        decoder = binary()
        found = fed(decoder, bytes(stream), [chance.randrange(200) for _ in range(10)])

        assert len(found) >= 398
        assert is_part(found, samples)
        assert decoder.bad_frames in {1, 2}
        assert decoder.resyncs >= 1


def test_losses_are_told_with_what_follows() -> None:
    """Nothing may span them: the run behind says how many were lost before it."""
    good = [cobs_frame(values) for values in ramp(6)]
    broken = bytearray(good[2])
    broken[3] ^= 0x55

    decoder = cobs()
    runs = decoder.feed(b"".join([*good[:2], broken, *good[3:]]))
    assert [(run.lost, len(run.values) // 3) for run in runs] == [(0, 2), (1, 3)]
    assert (decoder.frames, decoder.bad_frames, decoder.resyncs) == (5, 1, 1)


def test_what_comes_before_the_first_frame_is_no_loss() -> None:
    """Half a frame and a bootloader's words, as a board sends them that was reset when the port was opened."""
    boot = cobs_frame((1, 2, 3))[4:] + b"\r\nboot 3.2\r\n\0"

    for decoder, frames in (
        (cobs(), b"".join(map(cobs_frame, ramp(4)))),
        (binary(), b"".join(map(binary_frame, ramp(4))) + SYNC),
    ):
        runs = decoder.feed(boot + frames)
        assert [(run.lost, len(run.values) // 3) for run in runs] == [(0, 4)]
        assert decoder.bad_frames == 0
        assert decoder.skipped_bytes == len(boot) - boot.count(0) * isinstance(decoder, CobsDecoder)


def test_after_a_cut_half_a_frame_is_forgotten() -> None:
    """Nor is it a damaged one: the cable was pulled."""
    for decoder, frame, end in ((cobs(), cobs_frame, b""), (binary(), binary_frame, SYNC)):
        decoder.feed(b"".join(map(frame, ramp(3))) + frame((9, 9, 9))[:5])
        before = decoder.frames
        decoder.restart()
        runs = decoder.feed(frame((1, 2, 3))[5:] + b"".join(map(frame, ramp(3))) + end)

        assert sum(run.lost for run in runs) <= 1
        assert decoder.frames == before + 3


def test_a_flood_of_zeros() -> None:
    """A line that is held low is a line of zeros: no frame, no memory, no loss."""
    decoder = cobs()
    fed(decoder, cobs_frame((1, 2, 3)))
    assert fed(decoder, bytes(100_000)) == []
    assert decoder.bad_frames == 0
    assert fed(decoder, cobs_frame((4, 5, 6))) == [(4, 5, 6)]

    other = binary()
    assert fed(other, bytes(100_000)) == []
    assert len(other._buffer) < 16


@pytest.mark.parametrize("make", [cobs, binary])
def test_what_is_kept_is_bounded(make: Callable[[], Decoder]) -> None:
    """Without a zero, or without a sync, for ever."""
    decoder: Decoder = make()
    for _ in range(100):
        decoder.feed(b"\x31" * 1000)
    kept = vars(decoder)["_tail" if isinstance(decoder, CobsDecoder) else "_buffer"]

    assert len(kept) <= 20
    frames = {cobs: cobs_frame, binary: binary_frame}[make]
    stream = b"\0" + b"".join(map(frames, ramp(3))) + SYNC
    assert fed(decoder, stream) == ramp(3)


def noisy(size: int, seed: int) -> tuple[bytes, list[tuple[int, int, int]], int]:
    """Return noise with good frames in between, each behind a zero, and how many of them there are."""
    chance = random.Random(seed)
    pieces, sent = [], []
    length = number = 0
    while length < size:
        noise = chance.randbytes(chance.randrange(4000))
        number += 1
        values = (number % 30000, number // 30000, chance.randrange(-30000, 30000))
        pieces += [noise, b"\0", cobs_frame(values)]
        sent.append(values)
        length += len(noise) + 14
    return b"".join(pieces), sent, number


@pytest.mark.parametrize(
    "size", [200_000, pytest.param(10_000_000, marks=pytest.mark.slow, id="10 million")]
)
def test_noise_makes_no_frames(size: int) -> None:
    """With CRC-32: not one false frame, and every good one outside of the noise."""
    stream, sent, _ = noisy(size, seed=size)
    chance = random.Random(1)
    found = fed(cobs(), stream, [chance.randrange(5000) for _ in range(size // 5000)])

    assert found == sent


def test_frames_of_doubles_and_pads() -> None:
    """Any field of one number, big-endian as well; bytes that are not read."""
    layout = frame_struct(">Bx d e 2x")
    assert count_fields(">Bx d e 2x") == 3
    payload = struct.pack(">Bx d e 2x", 7, 1e300, 0.5)
    decoder = CobsDecoder(layout, "crc32")
    (run,) = decoder.feed(encode_cobs(payload + crc32(payload)))

    assert list(run.values) == [7.0, 1e300, 0.5]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ("3h", "must begin with `<`"),
        ("", "must begin with `<`"),
        ("<3s", "after `<` come a struct's fields"),
        ("<h?", "after `<` come a struct's fields"),
        ("<99999h", "longer than 4096 bytes"),
        ("<", "after `<` come a struct's fields"),
    ],
)
def test_what_is_no_frame(frame: str, said: str) -> None:
    """The message says what a frame may be."""
    with pytest.raises(ValueError, match=said):
        frame_struct(frame)
