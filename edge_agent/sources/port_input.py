"""What the bytes of a port mean: lines of text, or frames."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from edge_agent.config.frame import frame_struct
from edge_agent.errors import ConfigError, DataError
from edge_agent.frame_segments import FrameSegmenter
from edge_agent.recording import RecordingParser
from edge_agent.sources.framing.binary import BinaryDecoder
from edge_agent.sources.framing.cobs import CobsDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.arrivals import Arrival
    from edge_agent.config import Calibration, SerialSource, Stream
    from edge_agent.records import Block, SampleCounts
    from edge_agent.sources.framing import Decoder

_LINE_END = re.compile(rb"[\n\r]")
"""Old instruments end their lines with CR alone."""
QUIET_S = 0.25
"""After so long without a byte a line begins: a sensor that starts up, or one that sends now and then."""
SUSPICIOUS_BYTES = 2048
"""So many bytes without one sample are no accident of a start."""


class PortInput(Protocol):
    """Turns bytes into blocks; the port may be cut at any byte."""

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about them."""
        ...

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second as measured."""
        ...

    @property
    def details(self) -> dict[str, int | float | str]:
        """Counters for the status."""
        ...

    @property
    def stamped(self) -> bool:
        """Whether samples carry a time of their own, so that it does not matter when they are read."""
        ...

    def feed(self, data: bytes, arrival: Arrival) -> Iterator[Block]:
        """Take what one read has brought; yield the blocks that it completes."""
        ...

    def opened(self, now_s: float) -> None:
        """Take note that the port was opened: bytes from now on may begin anywhere."""
        ...

    def interrupt(self) -> Iterator[Block]:
        """Take note that the line was cut; yield what was at hand."""
        ...


def port_input(
    stream: Stream, source: SerialSource, calibration: Calibration | None, header: str = ""
) -> PortInput:
    """
    Return what reads the source's format. Raises ConfigError if its frames do not fit the channels.

    `header` is the names of lines' columns, where they are known.
    """
    try:
        source.check_fits(stream.channels)
    except ValueError as error:
        raise ConfigError(
            str(error),
            hint="name the channels as in `input.channels`"
            if source.columns is not None
            else "one field a channel, `x` for bytes that are not read",
        ) from None
    if source.frame is None:
        return TextInput(stream, source, calibration, header)
    layout = frame_struct(source.frame)
    decoder: Decoder = (
        BinaryDecoder(layout, bytes.fromhex(source.sync))
        if source.sync is not None
        else CobsDecoder(layout, source.crc)
    )
    return FrameInput(stream, source, decoder, calibration)


class TextInput:
    """Lines, by the reader of recordings; the half line that a port opens with is left out."""

    def __init__(
        self,
        stream: Stream,
        source: SerialSource,
        calibration: Calibration | None,
        header: str,
    ) -> None:
        self._source = source
        self._channels = stream.channels
        self._parser = RecordingParser(
            stream,
            source,
            where=f"`{source.port}`",
            live=True,
            patient=True,
            names=source.columns or (),
            calibration=calibration,
        )
        self._inside_line = True
        """Whether the next byte may be in the middle of a line."""
        self._last_s = 0.0
        self._bytes = 0
        if header:
            list(self._parser.feed(f"{header}\n".encode()))

    @property
    def counts(self) -> SampleCounts:
        """What became of the lines."""
        return self._parser.counts

    @property
    def notes(self) -> tuple[str, ...]:
        """How the lines were read."""
        if self._parser.layout is None and self._bytes >= SUSPICIOUS_BYTES:
            return (_unreadable(self._source, self._bytes, "line"), *self._parser.notes)
        return self._parser.notes

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second by their time, or as they came."""
        return self._parser.rate_hz_measured

    @property
    def details(self) -> dict[str, int | float | str]:
        """Counters for the status."""
        return {
            "lines": self.counts.read,
            "bad_lines": sum(self.counts.dropped.values()),
            **self._parser.details,
        }

    @property
    def stamped(self) -> bool:
        """Whether there is a column with the time."""
        return self._parser.stamped

    def feed(self, data: bytes, arrival: Arrival) -> Iterator[Block]:
        """Take what one read has brought. Raises DataError when the lines are of something else than the channels."""
        self._bytes += len(data)
        if self._inside_line and arrival.first_s - self._last_s < QUIET_S:
            _, *rest = _LINE_END.split(data, maxsplit=1)
            self._inside_line = not rest
            data = rest[0] if rest else b""
        else:
            self._inside_line = False
        self._last_s = arrival.done_s
        try:
            yield from self._parser.feed(data, arrival)
        except DataError as error:
            names = ",".join(self._channels)
            raise DataError(
                error.message,
                hint=f"let the sensor print one number for each of `{names}` a line, or a header with these names first; "
                'or name what it prints, in order: `columns = ["time_ms", …]` under [source]',
            ) from None

    def opened(self, now_s: float) -> None:
        """Take note that the port was opened."""
        self._inside_line = True
        self._last_s = now_s

    def interrupt(self) -> Iterator[Block]:
        """Take note that the line was cut."""
        yield from self._parser.interrupt()


class FrameInput:
    """Frames of bytes."""

    def __init__(
        self,
        stream: Stream,
        source: SerialSource,
        decoder: Decoder,
        calibration: Calibration | None,
    ) -> None:
        self._source = source
        self._decoder = decoder
        self._segments = FrameSegmenter(stream, calibration=calibration)

    @property
    def counts(self) -> SampleCounts:
        """What became of the frames."""
        return self._segments.counts

    @property
    def notes(self) -> tuple[str, ...]:
        """What was seen of rate and damage."""
        decoder = self._decoder
        if not decoder.frames and decoder.skipped_bytes >= SUSPICIOUS_BYTES:
            return (_unreadable(self._source, decoder.skipped_bytes, "frame"),)
        return self._segments.notes

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second as they came."""
        return self._segments.rate_hz_measured

    @property
    def details(self) -> dict[str, int | float | str]:
        """Counters for the status."""
        decoder = self._decoder
        return {
            "frames": decoder.frames,
            "bad_frames": decoder.bad_frames,
            "resyncs": decoder.resyncs,
            "skipped_bytes": decoder.skipped_bytes,
            **self._segments.details,
        }

    @property
    def stamped(self) -> bool:
        """Never: a frame holds nothing but values."""
        return False

    def feed(self, data: bytes, arrival: Arrival) -> Iterator[Block]:
        """Take what one read has brought."""
        runs = self._decoder.feed(data)
        if runs:
            yield from self._segments.take(runs, arrival)

    def opened(self, now_s: float) -> None:
        """Take note that the port was opened."""
        del now_s  # a frame tells its own beginning
        self._decoder.restart()

    def interrupt(self) -> Iterator[Block]:
        """Take note that the line was cut; nothing is at hand, for each read ends its block."""
        self._segments.interrupt()
        yield from ()


def _unreadable(source: SerialSource, count: int, what: str) -> str:
    keys = {"line": "`format`", "frame": "`format`, `frame` and `sync`"}[what]
    if source.format == "cobs":
        keys = "`format`, `frame` and `crc`"
    return (
        f"{count} bytes came and not one {what} could be read: `baud = {source.baud}` or {keys} are not "
        f"what the sensor sends; `edgekit listen {source.port}` finds out"
    )
