"""
How a recording opens: what its first lines say about the lines that follow.

This is a file, which begins with its header; `live_opening` is a source that begins anywhere.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from edge_agent.columns import Layout, all_numbers, match, read_header
from edge_agent.errors import DataError
from edge_agent.rows import CsvRows, JsonRows, PairRows, RowError, read_object, read_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_agent.config import Columns
    from edge_agent.rows import Rows

LONGEST_START = 256
"""So many lines may come before the first sample."""

Settled = list[tuple[int, "str | RowError"]]
"""Lines by their row: those to be read as samples, and why others are none."""


class Opening(Protocol):
    """Takes the first lines until it is known what they are."""

    layout: Layout | None
    """Which column is what; None until it is known."""
    rows: Rows | None
    """Reads the lines that follow; None until the layout is known."""

    def take(self, row: int, line: str) -> Settled:
        """Take the next line; return what is settled with it. Raises DataError for what can be no recording."""
        ...

    def finish(self) -> Settled:
        """Return what is settled as nothing more comes. Raises DataError if there was nothing of use."""
        ...


@dataclass
class FileOpening:
    """A file: a header with all channels, or objects; before the first object broken lines are counted."""

    channels: tuple[str, ...]
    columns: Columns
    where: str
    layout: Layout | None = None
    rows: Rows | None = None
    _refused: list[RowError] = field(default_factory=list)

    def take(self, row: int, line: str) -> Settled:
        """Take the next line; return what is settled with it."""
        if line.lstrip()[0] not in "{[" and not self._refused:
            return self._csv_or_pairs(row, line)
        try:
            names = list(read_object(line))
        except RowError as error:
            self._refused.append(error)
            if len(self._refused) > LONGEST_START:
                raise DataError(f"{self.where} is no JSONL recording: row {row}: {error}") from None
            return [(row, error)]
        self.layout = match(names, self.channels, self.columns, self.where)
        self.rows = JsonRows(self.layout)
        return [(row, line)]

    def finish(self) -> Settled:
        """Raise DataError: the recording ended before it began."""
        if self._refused:
            raise DataError(f"{self.where} has no line that can be read: {self._refused[0]}")
        raise DataError(f"{self.where} is empty")

    def _csv_or_pairs(self, row: int, line: str) -> Settled:
        if not is_text(line):
            raise DataError(
                f"{self.where} is no text: {line[:24]!r}",
                hint="give a CSV with a header or a JSONL file, as UTF-8",
            )
        try:
            found = pair_names(line) or header_names(line, self.channels)
        except csv.Error as error:
            raise DataError(f"{self.where} has a header that cannot be read: {error}") from None
        self.layout = match(found.names, self.channels, self.columns, self.where)
        self.rows = found.rows(self.layout)
        return [(row, line)] if found.is_sample else []


class Names(NamedTuple):
    """A line that names its values or the columns below it."""

    names: list[str]
    rows: Callable[[Layout], Rows]
    """Makes the reader of such lines, and of those below a header."""
    is_sample: bool


def object_names(line: str) -> Names | None:
    """Return the keys of a JSON object; None if it is anything else."""
    try:
        return Names(list(read_object(line)), JsonRows, is_sample=True)
    except RowError:
        return None


def pair_names(line: str) -> Names | None:
    """Return the names of `name:number` pairs; None if it is anything else."""
    try:
        pairs = read_pairs(line)
    except RowError:
        return None
    return Names(list(pairs), PairRows, is_sample=True) if all_numbers([*pairs.values()]) else None


def header_names(line: str, channels: tuple[str, ...]) -> Names:
    """Return the names of a CSV header, whatever they are. Raises csv.Error for quotes that make no sense."""
    delimiter, names = read_header(line, channels)
    return Names(names, lambda layout: CsvRows(layout, delimiter), is_sample=False)


def is_text(line: str) -> bool:
    """Return whether a line can be printed, but for tabs."""
    return all(mark.isprintable() or mark == "\t" for mark in line) and "\ufffd" not in line[:16]
