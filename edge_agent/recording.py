"""
Recordings: CSV or JSONL bytes in, blocks of float32 samples out.

    lines.LineSplitter → rows.CsvRows or rows.JsonRows → segments.Segmenter → Block

One code path for replaying, for standard input and for the host's evaluation. Memory does not grow with
the length of the recording.
"""

from __future__ import annotations

import csv
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.columns import Layout, all_numbers, match, read_header
from edge_agent.errors import DataError
from edge_agent.lines import LineSplitter
from edge_agent.rows import CsvRows, JsonRows, Row, RowError, Rows, read_object
from edge_agent.segments import BLOCK_SAMPLES, Segmenter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from edge_agent.config import Columns, Stream
    from edge_agent.records import Block, SampleCounts

CHUNK_BYTES = 1 << 16


class RecordingParser:
    """
    Reads one recording as its bytes arrive.

    With `live`, what a chunk completes is handed over at once, and a CSV without a header is accepted when
    it has a column for each channel.
    """

    def __init__(
        self,
        stream: Stream,
        columns: Columns,
        *,
        where: str,
        live: bool = False,
        block_samples: int = BLOCK_SAMPLES,
    ) -> None:
        self._stream = stream
        self._columns = columns
        self._where = where
        self._live = live
        self._lines = LineSplitter()
        self._row = 0
        self._rows: Rows | None = None
        self._before_header: list[tuple[int, RowError]] = []
        self._segments = Segmenter(stream, live=live, block_samples=block_samples)
        self.layout: Layout | None = None
        """Which column is what; known after the first rows."""

    def feed(self, chunk: bytes) -> Iterator[Block]:
        """Take the next bytes; yield the blocks that they complete. Raises DataError for an unusable header."""
        yield from self._read(self._lines.split(chunk))
        if self._live:
            yield from self._segments.flush()

    def finish(self) -> Iterator[Block]:
        """Yield what is left at the end. Raises DataError if there was no sample at all."""
        yield from self._read(self._lines.finish())
        yield from self._segments.finish()
        if self._rows is None and self._before_header:
            raise DataError(
                f"{self._where} has no line that can be read: {self._before_header[0][1]}"
            )
        if self._rows is None:
            raise DataError(f"{self._where} is empty")
        if not self._segments.counts.read:
            raise DataError(f"{self._where} has a header but no samples")

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples."""
        return self._segments.counts

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how the recording was read: one sentence each."""
        return (*(self.layout.notes if self.layout else ()), *self._segments.notes)

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second by the time stamps, gaps left out; None without a time column."""
        return self._segments.rate_hz_measured

    def _read(self, lines: list[str | None]) -> Iterator[Block]:
        segments = self._segments
        for line in lines:
            self._row += 1
            if line is None:
                self._refuse(RowError("too_long", "the line is longer than 1 MiB"))
            elif line and not line.isspace():
                if self._rows is None:
                    self._open(line)
                else:
                    self._take(self._rows, line)
            if segments.ready:
                yield from segments.take_ready()

    def _take(self, rows: Rows, line: str) -> None:
        sample: Row | RowError
        try:
            sample = rows.read(line)
        except RowError as error:
            sample = error
        self._segments.add(self._row, sample)

    def _refuse(self, error: RowError) -> None:
        if self._rows is None and error.reason == "too_long":
            raise DataError(f"{self._where} is no recording: {error} and holds no header")
        if self._rows is None:
            self._before_header.append((self._row, error))
        else:
            self._segments.add(self._row, error)

    def _open(self, line: str) -> None:
        """Find out from the first line what the recording is."""
        if line.lstrip()[0] in "{[" or self._before_header:
            self._open_jsonl(line)
        else:
            self._open_csv(line)

    def _open_jsonl(self, line: str) -> None:
        try:
            sample = read_object(line)
        except RowError as error:
            if len(self._before_header) >= BLOCK_SAMPLES:
                raise DataError(
                    f"{self._where} is no JSONL recording: row {self._row}: {error}"
                ) from None
            self._refuse(error)
            return
        self._use(match(list(sample), self._stream.channels, self._columns, self._where), None)
        for row, refused in self._before_header:
            self._segments.add(row, refused)
        self._before_header.clear()
        if self._rows is not None:
            self._take(self._rows, line)

    def _open_csv(self, line: str) -> None:
        if any(not (mark.isprintable() or mark == "\t") for mark in line) or "\ufffd" in line[:16]:
            raise DataError(
                f"{self._where} is no text: {line[:24]!r}",
                hint="give a CSV with a header or a JSONL file, as UTF-8",
            )
        channels = self._stream.channels
        try:
            delimiter, names = read_header(line, channels)
        except csv.Error as error:
            raise DataError(f"{self._where} has a header that cannot be read: {error}") from None
        if (
            self._live
            and all_numbers(names)
            and len(names) == len(channels)
            and set(names) != set(channels)
        ):
            layout = Layout(
                channels,
                tuple(range(len(channels))),
                notes=("there is no header: the columns are taken as the channels, in order",),
            )
            self._use(layout, delimiter)
            if self._rows is not None:
                self._take(self._rows, line)
            return
        self._use(match(names, channels, self._columns, self._where), delimiter)

    def _use(self, layout: Layout, delimiter: str | None) -> None:
        self.layout = layout
        self._segments.use(layout)
        self._rows = JsonRows(layout) if delimiter is None else CsvRows(layout, delimiter)


class RecordingReader:
    """
    The blocks of one CSV or JSONL file; iterating again reads it again.

    Raises DataError for a file that is missing, no text, empty or without the channels.
    """

    def __init__(
        self,
        path: str | Path,
        stream: Stream,
        columns: Columns,
        *,
        block_samples: int = BLOCK_SAMPLES,
    ) -> None:
        self._path = Path(path)
        self._stream = stream
        self._columns = columns
        self._block_samples = block_samples
        self._parser = self._new_parser()
        self.channels = stream.channels

    def __iter__(self) -> Iterator[Block]:
        self._parser = parser = self._new_parser()
        with self._open() as file:
            while chunk := self._read(file):
                yield from parser.feed(chunk)
        yield from parser.finish()

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples read so far."""
        return self._parser.counts

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how the recording was read: one sentence each."""
        return self._parser.notes

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second by the time stamps, gaps left out; None without a time column."""
        return self._parser.rate_hz_measured

    @property
    def layout(self) -> Layout | None:
        """Which column is what; known after the first block."""
        return self._parser.layout

    def _new_parser(self) -> RecordingParser:
        return RecordingParser(
            self._stream, self._columns, where=f"`{self._path}`", block_samples=self._block_samples
        )

    def _open(self) -> FileIO:
        path = self._path
        try:
            # A pipe or a device would block before it can be asked to stop.
            if not stat.S_ISREG(path.stat().st_mode):
                kind = "a folder" if path.is_dir() else "no regular file"
                raise DataError(f"`{path}` is {kind}", hint="give a CSV or JSONL file")
            return path.open("rb", buffering=0)
        except FileNotFoundError:
            raise DataError(f"there is no file `{path}`") from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise self._failure(error) from None

    def _read(self, file: FileIO) -> bytes:
        try:
            return file.read(CHUNK_BYTES)
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> DataError:
        return DataError(f"cannot read `{self._path}`: {getattr(error, 'strerror', None) or error}")
