"""
Recordings: CSV, JSONL or WAV bytes in, blocks of float32 samples out.

    lines.LineSplitter → opening.Opening, then rows.Rows → segments.Segmenter → Block
    (WAV) wav.WavParser                                  → segments.Segmenter → Block

One code path for replaying, for standard input and for the host's evaluation. Memory does not grow with
the length of the recording.
"""

from __future__ import annotations

import math
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.blocks import BLOCK_SAMPLES
from edge_agent.errors import DataError
from edge_agent.lines import LineSplitter
from edge_agent.live_opening import LiveOpening
from edge_agent.opening import FileOpening
from edge_agent.rows import RowError
from edge_agent.segments import Segmenter
from edge_agent.wav import HEAD_BYTES, WavParser, is_wav

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from edge_agent.arrivals import Arrival
    from edge_agent.columns import Layout
    from edge_agent.config import Calibration, Columns, Stream
    from edge_agent.opening import Opening, Settled
    from edge_agent.records import Block, SampleCounts
    from edge_agent.rows import Row, Rows

CHUNK_BYTES = 1 << 16


class RecordingParser:
    """
    Reads one recording as its bytes arrive.

    With `live`, what a chunk completes is handed over at once, and the recording may begin anywhere
    (`live_opening`); with `patient` as well, lines that are no samples never end it. `names` are those of the columns of a live
    source that may never say them.
    """

    def __init__(  # noqa: PLR0913 (what is read, and how; given by name)
        self,
        stream: Stream,
        columns: Columns,
        *,
        where: str,
        live: bool = False,
        patient: bool = False,
        names: tuple[str, ...] = (),
        block_samples: int = BLOCK_SAMPLES,
        calibration: Calibration | None = None,
    ) -> None:
        self._where = where
        self._patient = patient
        self._live = live
        self._lines = LineSplitter()
        self._row = 0
        self._empty = 0
        """Lines before this one that are rows with an empty value, should another row follow."""
        self._rows: Rows | None = None
        self._header: str | None = None
        """Of a live source, the line that named the columns: a sensor that restarts says it again."""
        self._renamed = 0
        """How often a live source has named its columns anew, and otherwise."""
        self._live_opening = (
            LiveOpening(stream.channels, columns, where, patient=patient, names=names)
            if live
            else None
        )
        self._opening: Opening = self._live_opening or FileOpening(stream.channels, columns, where)
        self._segments = Segmenter(
            stream, live=live, block_samples=block_samples, calibration=calibration
        )
        self.layout: Layout | None = None
        """Which column is what; known after the first rows."""

    def feed(self, chunk: bytes, arrival: Arrival | None = None) -> Iterator[Block]:
        """
        Take the next bytes; yield the blocks that they complete. Raises DataError for an unusable header.

        `arrival`: when they came, of a live source whose lines may carry no time.
        """
        lines = self._lines.split(chunk)
        if arrival is not None and lines:
            self._segments.arrived(arrival, len(lines) - lines.count(""))
        if not self._take_run(lines):
            yield from self._read(lines)
        if self._live:
            yield from self._segments.flush()

    def interrupt(self) -> Iterator[Block]:
        """Take note that the line was cut: half a line is no line, and the next row begins a segment."""
        self._lines = LineSplitter()
        self._segments.interrupt()
        yield from self._segments.flush()

    def finish(self) -> Iterator[Block]:
        """Yield what is left at the end. Raises DataError if there was no sample at all, or not one of use."""
        yield from self._read(self._lines.finish())
        if self._rows is None:
            self._settle(self._opening.finish())
        yield from self._segments.finish()
        counts = self._segments.counts
        if not counts.read:
            raise DataError(f"{self._where} has a header but no samples")
        if counts.read == sum(counts.dropped.values()):
            raise DataError(
                f"no sample of {self._where} could be used: {'; '.join(self._segments.drops)}",
                hint=self._rows.hint if self._rows else None,
            )

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples."""
        return self._segments.counts

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how the recording was read: one sentence each."""
        of_layout = self.layout.notes if self.layout else ()
        renamed = (
            (f"the columns were named anew while it ran, last as `{self._header}`",)
            if self._renamed
            else ()
        )
        of_rows = self._rows.notes if self._rows else ()
        return (*of_layout, *renamed, *of_rows, *self._segments.notes)

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second by the time stamps or by arrival, gaps left out; None where neither tells."""
        return self._segments.rate_hz_measured

    @property
    def stamped(self) -> bool:
        """Whether the samples carry a time of their own."""
        return self._segments.stamped

    @property
    def details(self) -> dict[str, int | float | str]:
        """Counters for the status."""
        return self._segments.details

    def _take_run(self, lines: list[str | None]) -> bool:
        """Take the lines of a live source at once, where all are good samples; else return False, having taken none."""
        rows = self._rows
        if not self._live or rows is None or len(lines) <= 1 or self._empty:
            return False  # one line costs less by itself
        texts = [line for line in lines if line is not None]
        if len(texts) < len(lines) or self._header in texts:
            return False
        values = rows.read_run(texts)
        if values is None or not self._segments.add_run(self._row + 1, values):
            return False
        self._row += len(lines)
        return True

    def _read(self, lines: list[str | None]) -> Iterator[Block]:
        segments = self._segments
        for line in lines:
            self._row += 1
            if line is None:
                self._refuse(RowError("too_long", "the line is longer than 1 MiB"))
            elif self._rows is not None:
                if line != self._header:
                    self._take_or_wait(self._rows, line)
            elif line and not line.isspace():
                settled = self._opening.take(self._row, line)
                self._settle(settled)
                if self._live and self._rows is not None and (self._row, line) not in settled:
                    self._header = line
            if segments.ready:
                yield from segments.take_ready()

    def _refuse(self, error: RowError) -> None:
        if self._rows is None and not self._patient:
            raise DataError(f"{self._where} is no recording: {error} and holds no header")
        self._segments.add(self._row, error)

    def _settle(self, settled: Settled) -> None:
        """Take what the first lines have turned out to be."""
        opening = self._opening
        if opening.layout is not None and self.layout is None:
            self.layout, self._rows = opening.layout, opening.rows
            self._segments.use(opening.layout)
        for row, line in settled:
            if isinstance(line, RowError):
                self._segments.add(row, line)
            elif self._rows is not None:
                self._take(self._rows, row, line)

    def _take_or_wait(self, rows: Rows, line: str) -> None:
        """Take a line; empty ones only when another follows, as many files end with some."""
        if rows.is_blank(line):
            return
        if not line:
            self._empty += 1
            return
        for row in range(self._row - self._empty, self._row):
            self._take(rows, row, "")
        self._empty = 0
        self._take(rows, self._row, line)

    def _take(self, rows: Rows, row: int, line: str) -> None:
        sample: Row | RowError
        try:
            sample = rows.read(line)
        except RowError as error:
            sample = error
        # A header has no number where the channels are; only lines that are of no use are looked at twice.
        useless = isinstance(sample, RowError) or all(map(math.isnan, sample[0]))
        if not (useless and self._rename(line)):
            self._segments.add(row, sample)

    def _rename(self, line: str) -> bool:
        """Take a line that names all columns, should it be one: the sensor that is plugged in now has another program."""
        found = self._live_opening.renamed(line) if self._live_opening else None
        if found is None:
            return False
        layout, rows = found
        if self.layout is None or layout.names != self.layout.names:
            self.layout, self._rows = layout, rows
            self._segments.change(layout)
            self._renamed += 1
        self._header = line
        return True


class RecordingReader:
    """
    The blocks of one CSV, JSONL or WAV file; iterating again reads it again.

    Raises DataError for a file that is missing, no text and no WAV, empty or without the channels.
    """

    def __init__(
        self,
        path: str | Path,
        stream: Stream,
        columns: Columns,
        *,
        block_samples: int = BLOCK_SAMPLES,
        calibration: Calibration | None = None,
    ) -> None:
        self._path = Path(path)
        self._stream = stream
        self._columns = columns
        self._block_samples = block_samples
        self._calibration = calibration
        self._parser: RecordingParser | WavParser = self._new_parser()
        self.channels = stream.channels

    def __iter__(self) -> Iterator[Block]:
        with self._open() as file:
            chunk = self._read(file)
            if is_wav(chunk[:HEAD_BYTES]):
                yield from self._wav(file)
                return
            self._parser = parser = self._new_parser()
            while chunk:
                yield from parser.feed(chunk)
                chunk = self._read(file)
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

    def _wav(self, file: FileIO) -> Iterator[Block]:
        self._parser = parser = WavParser(self._stream, self._columns, **self._how())
        try:
            file.seek(0)
            yield from parser.read(file)
        except OSError as error:
            raise self._failure(error) from None

    def _new_parser(self) -> RecordingParser:
        return RecordingParser(self._stream, self._columns, **self._how())

    def _how(self) -> dict[str, Any]:
        return {
            "where": f"`{self._path}`",
            "block_samples": self._block_samples,
            "calibration": self._calibration,
        }

    def _open(self) -> FileIO:
        path = self._path
        try:
            # A pipe or a device would block before it can be asked to stop.
            if not stat.S_ISREG(path.stat().st_mode):
                kind = "a folder" if path.is_dir() else "no regular file"
                raise DataError(f"`{path}` is {kind}", hint="give a CSV, JSONL or WAV file")
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
