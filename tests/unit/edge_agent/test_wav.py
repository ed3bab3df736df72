"""WAV files as recordings."""

from __future__ import annotations

import struct
import wave
from array import array
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import Columns, Stream
from edge_agent.errors import DataError
from edge_agent.recording import RecordingReader

if TYPE_CHECKING:
    from pathlib import Path

NO_COLUMNS = Columns()


def _write(
    path: Path, values: list[int], *, channels: int = 1, rate_hz: int = 100, width: int = 2
) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        code = {1: "B", 2: "h", 4: "i"}[width]
        file.writeframes(struct.pack(f"<{len(values)}{code}", *values))
    return path


def _reader(
    path: Path, channels: tuple[str, ...] = ("a",), columns: Columns = NO_COLUMNS
) -> RecordingReader:
    stream = Stream(channels=channels, rate_hz=100, window=4, hop=2)
    return RecordingReader(path, stream, columns, block_samples=3)


def _values(reader: RecordingReader) -> list[float]:
    found = array("f")
    for block in reader:
        found.frombytes(block.samples)
    return found.tolist()


def test_samples_become_numbers_from_minus_one_to_one(tmp_path: Path) -> None:
    """Divided by 32768, as the audio libraries do; iterating again reads the file again."""
    path = _write(tmp_path / "a.wav", [0, 16384, -32768, 32767, -1])
    reader = _reader(path)

    for _ in range(2):
        assert _values(reader) == [0.0, 0.5, -1.0, 32767 / 32768, -1 / 32768]
    assert reader.counts.read == 5
    assert reader.rate_hz_measured == 100
    assert reader.layout is not None
    assert reader.layout.label is None
    assert reader.notes == (
        "its samples are read as numbers from -1 to 1 (16-bit PCM, divided by 32768)",
    )


def test_two_channels_are_those_of_the_file(tmp_path: Path) -> None:
    """In the file's order, frame by frame."""
    path = _write(tmp_path / "a.wav", [0, 16384, -16384, 8192], channels=2)

    assert _values(_reader(path, ("left", "right"))) == [0.0, 0.5, -0.5, 0.25]


def test_the_content_tells_not_the_name(tmp_path: Path) -> None:
    """A CSV named .wav is a CSV."""
    path = tmp_path / "a.wav"
    path.write_text("a\n1\n2\n3\n")

    assert _values(_reader(path)) == [1.0, 2.0, 3.0]


def test_a_cut_file_gives_what_it_has(tmp_path: Path) -> None:
    """A recorder that lost power: the header promises more; half a frame is none."""
    path = _write(tmp_path / "a.wav", [16384] * 8)
    path.write_bytes(path.read_bytes()[:-5])

    assert _values(_reader(path)) == [0.5] * 5


@pytest.mark.parametrize(
    ("options", "values", "says"),
    [
        ({"channels": 2}, [1, 2], "has 2 channels, `channels` names 1: a"),
        ({"rate_hz": 44100}, [1, 2], "runs at 44100 Hz, `rate_hz` is 100"),
        ({"width": 1}, [1, 2], "holds samples of 8 bits: only 16-bit PCM"),
        ({"width": 4}, [1, 2], "holds samples of 32 bits: only 16-bit PCM"),
        ({}, [], "has a header but no samples"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, options: dict[str, int], values: list[int], says: str
) -> None:
    """Another rate would make other features, without a sign."""
    path = _write(tmp_path / "a.wav", values, **options)

    with pytest.raises(DataError, match=says):
        _values(_reader(path))


def test_floats_and_broken_headers_are_refused(tmp_path: Path) -> None:
    """With what to write instead."""
    whole = _write(tmp_path / "a.wav", [1, 2]).read_bytes()
    floats = whole[:20] + struct.pack("<H", 3) + whole[22:]
    for broken in (floats, whole[:14], whole[:30], whole[:12] + b"\xff" * 40):
        path = tmp_path / "broken.wav"
        path.write_bytes(broken)
        with pytest.raises(DataError, match="a WAV file that cannot be read") as caught:
            _values(_reader(path))
        assert "16-bit PCM" in str(caught.value.hint)


@pytest.mark.parametrize("key", ["time", "label", "group"])
def test_it_has_no_columns(tmp_path: Path, key: str) -> None:
    """A label that is asked for is not silently missing."""
    path = _write(tmp_path / "a.wav", [1, 2])

    with pytest.raises(DataError, match=f"no column `x` for the {key}"):
        _values(_reader(path, columns=Columns(**{key: "x"})))
