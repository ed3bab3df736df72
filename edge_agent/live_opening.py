"""
How a live source opens: in the middle of a line, with words of a sensor that starts up, or at once with numbers.

What comes before the first sample is dropped and counted.
"""

from __future__ import annotations

import csv
import difflib
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.columns import (
    DELIMITERS,
    WHITESPACE,
    Layout,
    all_numbers,
    match,
    names_all,
    read_row,
)
from edge_agent.errors import DataError, EdgeKitError
from edge_agent.opening import LONGEST_START, header_names, is_text, object_names, pair_names
from edge_agent.rows import COMMA_NUMBER, CsvRows, RowError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.config import Columns
    from edge_agent.opening import Settled
    from edge_agent.rows import Rows

ALIKE_ROWS = 20
"""So many rows of numbers that all have another count than there are channels are no accident of a start."""
_NAME = re.compile(r"[^\W\d]\S*(?: \S{1,2})?(?: ?[(\[].*[)\]])?")
"""What can name a column: a word, perhaps with an axis (`Acc X`) and a unit in brackets; no sentence."""


class _Numbers(NamedTuple):
    """A line of numbers."""

    row: int
    line: str
    delimiter: str
    width: int


@dataclass
class LiveOpening:
    """
    A live source: a header or objects with all channels, or two rows in a row with a number for each of `names`, else for each channel.

    One row is not enough: the first line may be the end of a longer one.
    """

    channels: tuple[str, ...]
    columns: Columns
    where: str
    layout: Layout | None = None
    rows: Rows | None = None
    patient: bool = False
    """Whether to go on, whatever comes: a port may say anything until its sensor is plugged in."""
    names: tuple[str, ...] = ()
    """Of the columns where no header says them; empty: the channels are all, in order."""
    _refused: int = 0
    _first: str | None = None
    """The first line that was refused."""
    _heading: str | None = None
    """The words before the present run of rows, which may name their columns."""
    _last: _Numbers | None = None
    """The line before, where it was a row of numbers."""
    _alike: int = 0
    """How long the present run of rows is that are like the last."""
    _unlike: _Numbers | None = None
    """A row of numbers with another count than there are channels."""

    def take(self, row: int, line: str) -> Settled:
        """Take the next line; return what is settled with it."""
        opened = self._named(line)
        if opened is not None:
            self.layout, self.rows, is_sample = opened
            return [*self._refuse_last(), *([(row, line)] if is_sample else [])]
        numbers = _numbers(row, line)
        if numbers is not None:
            return self._take_numbers(numbers)
        self._heading = line
        return self._refuse_last() + self._refuse(row, line)

    def renamed(self, line: str) -> tuple[Layout, Rows] | None:
        """Return how to read on after a header that came between the rows; None if the line is none of use."""
        try:
            opened = self._named(line)
        except EdgeKitError:
            return None
        return None if opened is None or opened[2] else opened[:2]

    def finish(self) -> Settled:
        """Return what is settled as nothing more comes."""
        last = self._last
        if self._unlike is not None:
            raise self._no_header(self._unlike)
        if last is not None:
            self._open_unnamed(last.delimiter)
            return [(last.row, last.line)]
        if self._first is None:
            raise DataError(f"{self.where} is empty")
        raise self._nothing()

    def _named(self, line: str) -> tuple[Layout, Rows, bool] | None:
        """Return how to read a line that names every channel, and whether it is a sample; None if it does not."""
        if not is_text(line):
            return None
        try:
            found = object_names(line) or pair_names(line) or header_names(line, self.channels)
        except csv.Error:
            return None
        if not names_all(found.names, self.channels):
            return None
        layout = match(found.names, self.channels, self.columns, self.where)
        return layout, found.rows(layout), found.is_sample

    def _take_numbers(self, numbers: _Numbers) -> Settled:
        last = self._last
        alike = last is not None and last[2:] == numbers[2:]
        width = len(self.names or self.channels)
        if last is not None and alike and numbers.width == width:
            self._open_unnamed(numbers.delimiter)
            return [(last.row, last.line), (numbers.row, numbers.line)]
        if last is not None and not alike:
            self._heading = None  # it stood before other rows
        settled = self._refuse_last()
        self._last = numbers
        self._alike = self._alike + 1 if alike else 1
        if numbers.width != width:
            self._unlike = numbers
            if self._alike >= ALIKE_ROWS:
                raise self._no_header(numbers)
        return settled

    def _open_unnamed(self, delimiter: str) -> None:
        self._check_heading(delimiter, len(self.names or self.channels))
        if self.names:
            self.layout = match(self.names, self.channels, self.columns, "`columns`")
        else:
            self.layout = Layout(
                self.channels,
                tuple(range(len(self.channels))),
                notes=("there is no header: the columns are taken as the channels, in order",),
            )
        self.rows = CsvRows(self.layout, delimiter)

    def _check_heading(self, delimiter: str, count: int) -> None:
        """Raise DataError if the rows stand under names, and not under those of the channels."""
        if self._heading is None or count == 1:  # one word may be any
            return
        names = [name.strip() for name in self._heading.split(delimiter)]
        if delimiter == WHITESPACE:  # words of a sentence look like names
            names = self._heading.split()
            named = all(_is_near(name, self.channels) for name in names)
        else:
            named = all(_NAME.fullmatch(name) for name in names)
        if named and len(names) == count:
            match(names, self.channels, self.columns, self.where)

    def _refuse_last(self) -> Settled:
        last, self._last = self._last, None
        return [] if last is None else self._refuse(last.row, last.line)

    def _refuse(self, row: int, line: str) -> Settled:
        self._refused += 1
        self._first = self._first or line
        if self._refused > LONGEST_START and not self.patient:
            raise self._nothing()
        return [(row, RowError("before_start", f"`{_shown(line)}` is no header and no whole row"))]

    def _no_header(self, numbers: _Numbers) -> DataError:
        count, channels = numbers.width, self.channels
        if numbers is self._last:
            self._check_heading(numbers.delimiter, count)
        hint = (
            f"send a number for each of {', '.join(f'`{name}`' for name in channels)} in every line"
        )
        if count > len(channels):
            more = [f"other{number}" for number in range(2, count - len(channels) + 1)]
            # Spaces name tabbed columns as well, and can be typed.
            delimiter = numbers.delimiter.replace("\t", WHITESPACE)
            header = shlex.quote(delimiter.join(["time_ms", *channels, *more]))
            hint = (
                f"name the columns, in the order they come: `(echo {header}; cat …) | edgekit run`"
            )
        wanted = f"{len(channels)} channels"
        if self.names:
            wanted = f"{len(self.names)} `columns`"
        return DataError(
            f"{self.where} has no header, and its rows have {count} numbers for "
            f"{wanted}: `{_shown(numbers.line)}`",
            hint=hint,
        )

    def _nothing(self) -> DataError:
        names = ", ".join(f"`{name}`" for name in self.channels)
        return DataError(
            f"{self.where} has no header with {names} and no rows of {len(self.channels)} numbers: "
            f"it begins with `{_shown(self._first or '')}`",
            hint=f"name the columns in a first line, such as `(echo {shlex.quote(','.join(self.channels))}; cat …) | edgekit run`",
        )


def _is_near(name: str, channels: Sequence[str]) -> bool:
    lowered = [channel.casefold() for channel in channels]
    return bool(difflib.get_close_matches(name.casefold(), lowered, 1, cutoff=0.5))


def _numbers(row: int, line: str) -> _Numbers | None:
    """Read a line of numbers, with any delimiter, with decimal commas where these do not delimit; None if it is none."""
    for delimiter in DELIMITERS:
        try:
            fields = [field.strip() for field in read_row(line, delimiter)]
        except csv.Error:
            continue
        if len(fields) > 1 and not fields[-1]:
            fields.pop()
        if delimiter != ",":
            fields = [
                field.replace(",", ".") if COMMA_NUMBER.fullmatch(field) else field
                for field in fields
            ]
        if all_numbers(fields):
            return _Numbers(row, line, delimiter, len(fields))
    return None


def _shown(line: str) -> str:
    """Return the beginning of a line, fit for a message."""
    start = line.strip()[:60].replace("\t", " ")
    return start if start.isprintable() else ascii(start)[1:-1]
