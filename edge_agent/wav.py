"""
WAV files as recordings: 16-bit PCM, one channel of the file for each channel of the model, in their order.

Samples become numbers from -1 to 1, sample / 32768, as librosa, soundfile and TensorFlow read them. The file's own rate
must be the model's: features of another rate would be wrong without a sign.
"""

from __future__ import annotations

import struct
import wave
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from edge_agent.blocks import BLOCK_SAMPLES
from edge_agent.columns import Layout
from edge_agent.errors import DataError
from edge_agent.segments import Segmenter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.config import Calibration, Columns, Stream
    from edge_agent.records import Block, SampleCounts

HEAD_BYTES = 12
"""What `is_wav` needs of a file."""

_FULL_SCALE = 32768.0
_WIDTH_BYTES = 2
_READ_FRAMES = 4096

_BROKEN = (wave.Error, EOFError, RuntimeError, struct.error)
"""What the standard library raises for a file that is none; RuntimeError for a chunk longer than the file."""


class WavHeader(NamedTuple):
    """What a WAV file says of itself."""

    channels: int
    rate_hz: int
    frames: int


def is_wav(head: bytes) -> bool:
    """Tell a WAV file by its first bytes."""
    return head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:HEAD_BYTES] == b"WAVE"


def wav_header(file: BinaryIO, where: str) -> WavHeader:
    """Read the header; DataError unless it is 16-bit PCM."""
    return _header(_open(file, where), where)


class WavParser:
    """Reads one WAV file; made of what a recording is to be read as."""

    def __init__(
        self,
        stream: Stream,
        columns: Columns,
        *,
        where: str,
        block_samples: int = BLOCK_SAMPLES,
        calibration: Calibration | None = None,
    ) -> None:
        self._stream = stream
        self._columns = columns
        self._where = where
        self._segments = Segmenter(
            stream, live=False, block_samples=block_samples, calibration=calibration
        )
        count = len(stream.channels)
        self.layout: Layout | None = Layout(stream.channels, tuple(range(count)))
        """A WAV file has its channels and nothing else."""
        self.rate_hz_measured: float | None = None

    def read(self, file: BinaryIO) -> Iterator[Block]:
        """Yield the blocks of a file; DataError for one that does not fit the model or has no sample of use."""
        opened = _open(file, self._where)
        header = _header(opened, self._where)
        self._check(header)
        self.rate_hz_measured = float(header.rate_hz)
        unpack = struct.Struct(f"<{header.channels}h").iter_unpack
        size = header.channels * _WIDTH_BYTES
        row = 0
        while True:
            try:
                chunk = opened.readframes(_READ_FRAMES)
            except _BROKEN:  # the header of a cut file promises more
                break
            if not chunk:
                break
            for frame in unpack(chunk[: len(chunk) // size * size]):
                row += 1
                self._segments.add(row, ([value / _FULL_SCALE for value in frame], "", "", ""))
            yield from self._segments.take_ready()
        yield from self._segments.finish()
        counts = self._segments.counts
        if not counts.read:
            raise DataError(f"{self._where} has a header but no samples")
        if counts.read == sum(counts.dropped.values()):
            drops = "; ".join(self._segments.drops)
            raise DataError(f"no sample of {self._where} could be used: {drops}")

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples."""
        return self._segments.counts

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how the recording was read: one sentence each."""
        scale = "its samples are read as numbers from -1 to 1 (16-bit PCM, divided by 32768)"
        return (scale, *self._segments.notes)

    def _check(self, header: WavHeader) -> None:
        names = self._stream.channels
        if header.channels != len(names):
            raise DataError(
                f"{self._where} has {header.channels} channels, `channels` names {len(names)}: {', '.join(names)}",
                hint="name each channel of the file, in its order, or write a file with those that the model takes",
            )
        if header.rate_hz != self._stream.rate_hz:
            raise DataError(
                f"{self._where} runs at {header.rate_hz} Hz, `rate_hz` is {self._stream.rate_hz:g}",
                hint="resample the file to the rate that the model was trained on",
            )
        for key in ("time", "label", "group"):
            column = getattr(self._columns, key)
            if column is not None:
                raise DataError(
                    f"{self._where} is a WAV file: it has no column `{column}` for the {key}",
                    hint=f"remove `{key} = {column!r}`, or give a CSV or JSONL file",
                )


def _open(file: BinaryIO, where: str) -> wave.Wave_read:
    try:
        return wave.open(file, "rb")
    except _BROKEN as error:
        raise DataError(
            f"{where} is a WAV file that cannot be read: {str(error) or 'it is cut short'}",
            hint="write it as 16-bit PCM",
        ) from None


def _header(opened: wave.Wave_read, where: str) -> WavHeader:
    width = opened.getsampwidth()
    if width != _WIDTH_BYTES:
        raise DataError(
            f"{where} holds samples of {8 * width} bits: only 16-bit PCM is read",
            hint="write it as 16-bit PCM",
        )
    return WavHeader(opened.getnchannels(), opened.getframerate(), opened.getnframes())
