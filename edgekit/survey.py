"""
What can be seen from a recording alone: its columns, its rate, its labels.

The agent's own reader does the reading, so what is found here is what a device would find.
"""

from __future__ import annotations

import contextlib
import csv
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_agent.columns import Layout, all_numbers, match, no_header, read_header, read_row
from edge_agent.config import Columns, Stream
from edge_agent.lines import LineSplitter
from edge_agent.recording import RecordingReader
from edge_agent.rows import CsvRows, JsonRows, RowError, read_object
from edge_agent.wav import HEAD_BYTES, WavHeader, is_wav, wav_header
from edgekit.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from edge_agent.rows import Rows

_HEAD_BYTES = 1 << 18  # a few thousand rows: enough to tell numbers from words
_MOST_SAMPLES = 2_000_000  # about ten seconds of reading
_MOST_LABELS = 100  # more different ones are numbers or remarks, not classes
_USUAL_RATE_HZ = 50.0  # tells milliseconds from seconds where a column's name does not
_NO_CHANNEL = {"", "index", "id", "row", "sample", "seq", "n", "unnamed: 0"}


@dataclass(frozen=True, kw_only=True)
class Survey:
    """One recording, looked over."""

    channels: tuple[str, ...]
    """Columns of numbers that are nothing else."""
    columns: Columns
    """The columns taken as time, label and group, by their names."""
    rate_hz: float | None
    """Measured from the time stamps; None without them."""
    labels: tuple[str, ...]
    """The different labels, sorted; empty if there are none, or if they are measured values."""
    values: bool
    """Whether the label column holds numbers to be predicted instead of classes."""
    samples: int
    whole: bool
    """Whether all of the file was looked at."""


def survey(path: Path) -> Survey:
    """Look a CSV, JSONL or WAV recording over. Raises DataError if it cannot be read or has no channels."""
    header = _wav_header(path)
    if header is not None:
        return _of_wav(header)
    layout, rows, lines = _open(path)
    channels = _number_columns(layout, rows, lines)
    if not channels:
        raise DataError(
            f"`{path}` has no column of numbers to be a channel: its columns are {', '.join(layout.names)}",
            hint="the first line must name the columns, each row below holds one sample",
        )
    prior_hz = rate_in_name(path.name) or _USUAL_RATE_HZ
    stream = Stream(channels=channels, rate_hz=prior_hz, window=1, hop=1)
    reader = RecordingReader(path, stream, Columns())
    labels: set[str] = set()
    whole = True
    for block in reader:
        labels.update(block.labels)
        if reader.counts.read > _MOST_SAMPLES:
            whole = False
            break
    labels.discard("")
    values = len(labels) > _MOST_LABELS or _any_fraction(labels)
    return Survey(
        channels=channels,
        columns=Columns(**{role: _name(layout, role) for role in ("time", "label", "group")}),
        rate_hz=_round_rate(reader.rate_hz_measured),
        labels=() if values else tuple(sorted(labels, key=_natural)),
        values=values,
        samples=reader.counts.read,
        whole=whole,
    )


def rate_in_name(name: str) -> float | None:
    """Return the rate that a file's name tells, such as 26 for `walk_26hz.csv`."""
    found = re.search(r"(\d+(?:\.\d+)?) ?[_-]?(k?)hz(?![a-z])", name, re.IGNORECASE)
    rate_hz = float(found[1]) * (1000 if found[2] else 1) if found else 0.0
    return rate_hz or None


def _wav_header(path: Path) -> WavHeader | None:
    """Return what a WAV file says of itself; None for any other file."""
    if not path.is_file():  # reading a pipe would take from it, or wait
        return None
    try:
        with path.open("rb") as file:
            if not is_wav(file.read(HEAD_BYTES)):
                return None
            file.seek(0)
            return wav_header(file, f"`{path}`")
    except (OSError, ValueError):  # said, in its own words, by the one who opens it as lines
        return None


def _of_wav(header: WavHeader) -> Survey:
    """Return what there is to see: its channels have no names, its samples no labels."""
    names = tuple(f"audio{number}" for number in range(header.channels))
    return Survey(
        channels=names if header.channels > 1 else ("audio",),
        columns=Columns(),
        rate_hz=float(header.rate_hz),
        labels=(),
        values=False,
        samples=header.frames,
        whole=True,
    )


def _open(path: Path) -> tuple[Layout, Rows, list[str]]:
    """Return the columns, a reader of rows, and the first lines behind the header."""
    where = f"`{path}`"
    lines = _head(path)
    if lines[0].lstrip()[0] in "{[":
        try:
            names = list(read_object(lines[0]))
        except RowError as error:
            raise DataError(f"{where} is no JSONL recording: {error}") from None
        found = match(names, (), Columns(), where)
        whole = Layout(found.names, tuple(range(len(names))), found.time, found.label, found.group)
        return whole, JsonRows(whole), lines
    try:
        delimiter, names = read_header(lines[0])
    except csv.Error as error:
        raise DataError(f"{where} has a header that cannot be read: {error}") from None
    if _is_sample(names, lines[1:], delimiter):
        raise no_header(names, where)
    found = match(names, (), Columns(), where)
    whole = Layout(found.names, tuple(range(len(names))), found.time, found.label, found.group)
    return whole, CsvRows(whole, delimiter), lines[1:]


def _is_sample(names: list[str], lines: list[str], delimiter: str) -> bool:
    """Whether a CSV's first row is a sample: numbers alone, or words that are values of their columns further on."""
    words = {position: name for position, name in enumerate(names) if not all_numbers([name])}
    if not words or len(words) == len(names):
        return not words
    seen: set[tuple[int, str]] = set()
    for line in lines:
        with contextlib.suppress(csv.Error):  # the reader counts and reports such rows
            seen.update(enumerate(field.strip() for field in read_row(line, delimiter)))
    return seen.issuperset(words.items())


def _head(path: Path) -> list[str]:
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"`{path}` is not a file", hint="give a CSV, JSONL or WAV file")
        with path.open("rb") as file:
            chunk = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise DataError(f"there is no recording `{path}`") from None
    except OSError as error:
        raise DataError(f"cannot read `{path}`: {error.strerror}") from error
    splitter = LineSplitter()
    found = splitter.split(chunk) + (splitter.finish() if len(chunk) < _HEAD_BYTES else [])
    lines = [line for line in found if line and not line.isspace()]
    if not lines:
        raise DataError(
            f"`{path}` is empty" if len(chunk) < _HEAD_BYTES else f"`{path}` has no lines"
        )
    if any(not (mark.isprintable() or mark == "\t") for mark in lines[0]):
        raise DataError(
            f"`{path}` is no text: {lines[0][:24]!r}",
            hint="give a CSV with a header or a JSONL file, as UTF-8",
        )
    return lines


def _number_columns(layout: Layout, rows: Rows, lines: list[str]) -> tuple[str, ...]:
    """Return the columns that mostly hold numbers and have no other part to play."""
    numbers = [0] * len(layout.names)
    for line in lines:
        try:
            values, *_ = rows.read(line)
        except RowError:
            continue  # the reader counts and reports such rows when it is run
        for position, value in enumerate(values):
            numbers[position] += math.isfinite(value)
    taken = {layout.time, layout.label, layout.group}
    return tuple(
        name
        for position, name in enumerate(layout.names)
        if position not in taken
        and name.lower() not in _NO_CHANNEL
        and numbers[position] > len(lines) / 2
    )


def _name(layout: Layout, role: str) -> str | None:
    position = getattr(layout, role)
    return None if position is None else layout.names[position]


def _any_fraction(labels: set[str]) -> bool:
    """Whether all labels are numbers and some are not whole: measured values, not names."""
    try:
        return any(float(label) % 1 != 0 for label in labels)
    except ValueError:
        return False


def _natural(label: str) -> tuple[bool, float, str]:
    """Sort numbers as numbers (10 behind 9), words as words."""
    try:
        return (False, float(label), label)
    except ValueError:
        return (True, 0.0, label)


def _round_rate(rate_hz: float | None) -> float | None:
    """Round a measured rate to what it was surely set to: clocks are off by parts of a percent."""
    if rate_hz is None:
        return None
    near = float(f"{rate_hz:.2g}") if rate_hz < 100 else float(f"{rate_hz:.3g}")  # noqa: PLR2004 (two or three digits)
    return near if math.isclose(near, rate_hz, rel_tol=0.005) else float(f"{rate_hz:.4g}")
