"""One line of a recording, read into its values."""

from __future__ import annotations

import csv
import json
import math
import re
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, Protocol

from edge_agent.columns import WHITESPACE, read_row
from edge_agent.number import is_plain, read_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edge_agent.columns import Layout

Row = tuple[list[float], str, str, str]
"""Values of the channels (NaN for what is no number), and the texts of time, label and group."""

COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
"""A number with a decimal comma, or with one between its thousands."""
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


class RowError(Exception):
    """A line that is no row; `reason` is what it is counted under."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Rows(Protocol):
    """Reads lines of one format."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how the lines were read: one sentence each."""
        ...

    @property
    def hint(self) -> str | None:
        """What may be wrong with the lines, should not one be of use."""
        ...

    def read(self, line: str) -> Row:
        """Read one line; raise RowError if it is no row."""
        ...

    def read_run(self, lines: Sequence[str]) -> list[float] | None:
        """Return the values of lines that hold nothing but them, line by line; None where each line is to be read by itself."""
        ...

    def is_blank(self, line: str) -> bool:
        """Return whether a line separates rows and is none: one of empty fields is a row."""
        ...


class CsvRows:
    """
    Rows of a CSV file; one line is one row.

    Where no comma separates the columns, the first row with a fraction shows whether commas are decimal.
    """

    def __init__(self, layout: Layout, delimiter: str) -> None:
        self._delimiter = delimiter
        self._split_at = None if delimiter == WHITESPACE else delimiter
        self._width = len(layout.names)
        self._channels = layout.channels
        self._time = layout.time
        self._label = layout.label
        self._group = layout.group
        self._only_channels = layout.channels == tuple(range(self._width))
        """Whether the columns are the channels, in their order."""
        self._numeric = (*layout.channels, *(() if layout.time is None else (layout.time,)))
        self._mark: Literal["", ".", ","] = "." if delimiter == "," else ""
        """The decimal mark; empty while no number has shown it."""
        self._comma: str | None = None
        """What looked like a number with a decimal comma and was not read as one."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A word on decimal commas."""
        return ("numbers are read with a decimal comma",) if self._mark == "," else ()

    @property
    def hint(self) -> str | None:
        """What to do about decimal commas."""
        if self._comma is None:
            return None
        return f"`{self._comma}` may be a number with a decimal comma: write decimal points, or `;` between the columns"

    def read(self, line: str) -> Row:
        """Read one line; raise RowError if its fields are too few, too many or not closed."""
        fields = line.split(self._split_at) if '"' not in line else self._quoted(line)
        if len(fields) != self._width:
            self._refuse_ragged(fields)
        if self._mark != ".":
            self._put_points(fields)
        try:
            read = float if is_plain(line) else read_number
            values = [read(fields[position]) for position in self._channels]
        except ValueError:
            values = [_number(fields[position]) for position in self._channels]
            if self._comma is None:
                self._look_for_comma([fields[position] for position in self._channels])
        return (
            values,
            "" if self._time is None else fields[self._time],
            "" if self._label is None else fields[self._label].strip(),
            "" if self._group is None else fields[self._group].strip(),
        )

    def read_run(self, lines: Sequence[str]) -> list[float] | None:
        """Return the values of lines, line by line; None unless all are numbers, written without doubt."""
        if not self._only_channels or self._mark != ".":
            return None
        if not is_plain("\n".join(lines)):
            return None
        rows = [line.split(self._split_at) for line in lines]
        if set(map(len, rows)) != {self._width}:
            return None
        try:
            return [*map(float, chain.from_iterable(rows))]
        except ValueError:
            return None

    def is_blank(self, line: str) -> bool:
        """Return whether a line holds no field: of a single column, an empty line is an empty value."""
        if line and not line.isspace():
            return False
        return self._split_at is None or (self._width > 1 and self._split_at not in line)

    def _quoted(self, line: str) -> list[str]:
        try:
            return read_row(line, self._delimiter)
        except csv.Error as error:
            raise RowError("malformed", str(error)) from None

    def _refuse_ragged(self, fields: list[str]) -> None:
        # Many loggers end each row, but not the header, with a delimiter.
        if len(fields) == self._width + 1 and not fields[-1].strip():
            return
        if self._comma is None and len(fields) > self._width:
            self._look_for_comma([",".join(fields[:2])])
        raise RowError("ragged", f"{len(fields)} fields for {self._width} columns")

    def _look_for_comma(self, fields: list[str]) -> None:
        self._comma = next(filter(COMMA_NUMBER.fullmatch, map(str.strip, fields)), None)

    def _put_points(self, fields: list[str]) -> None:
        """Write the channels and the time with decimal points, once the mark is known to be a comma."""
        if not self._mark:
            self._mark = decimal_mark(fields[position] for position in self._numeric)
        if self._mark != ",":
            return
        for position in self._channels:
            # With a decimal comma a point stands between thousands: no number that is worth a guess.
            text = fields[position]
            fields[position] = "" if "." in text else text.replace(",", ".")
        if self._time is not None and COMMA_NUMBER.fullmatch(fields[self._time].strip()):
            fields[self._time] = fields[self._time].replace(",", ".")


class JsonRows:
    """Rows of a JSONL file: one object a line, columns by their keys."""

    notes: tuple[str, ...] = ()
    hint: str | None = None

    def __init__(self, layout: Layout) -> None:
        self._object: Callable[[str], dict[str, Any]] = read_object
        self._value: Callable[[Any], float] = _json_number
        names = layout.names
        self._channels = [names[position] for position in layout.channels]
        self._time = None if layout.time is None else names[layout.time]
        self._label = None if layout.label is None else names[layout.label]
        self._group = None if layout.group is None else names[layout.group]

    def read(self, line: str) -> Row:
        """Read one line; raise RowError if it holds no names with values."""
        sample = self._object(line)
        values = [self._value(sample.get(name)) for name in self._channels]
        return (
            values,
            _text(sample, self._time),
            _text(sample, self._label),
            _text(sample, self._group),
        )

    def read_run(self, lines: Sequence[str]) -> list[float] | None:  # noqa: ARG002 (the protocol's)
        """Return None: each object has its own names."""
        return None

    def is_blank(self, line: str) -> bool:
        """Return whether there is nothing in a line."""
        return not line or line.isspace()


class PairRows(JsonRows):
    """Rows as Arduino's Serial Plotter takes them: `ax:1.0,ay:2.0`, with commas, spaces or tabs between."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._object = read_pairs
        self._value = _number


def read_object(line: str) -> dict[str, Any]:
    """Read one line of JSONL; raise RowError if it is no JSON object."""
    try:
        sample = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowError("malformed", f"no JSON: {str(error)[:80]}") from None
    if not isinstance(sample, dict):
        raise RowError("malformed", "no JSON object")
    return sample


def read_pairs(line: str) -> dict[str, Any]:
    """Read one line of `name:value` pairs; raise RowError if it is anything else."""
    pairs = {}
    fields = re.sub(r"\s*:\s*", ":", line).replace(",", " ").split()
    for field in fields or [""]:
        name, colon, value = field.partition(":")
        if not name or not colon or not value:
            raise RowError("malformed", "no pairs of name and value, such as `ax:1.0,ay:2.0`")
        pairs[name] = value
    return pairs


def decimal_mark(texts: Iterable[str]) -> Literal["", ".", ","]:
    """
    Return the decimal mark of the numbers among the fields of a row that no comma separates.

    Empty while there is no fraction, and where every comma may as well stand before thousands (`1,234`).
    """
    commas = []
    for text in map(str.strip, texts):
        if "." in text and not math.isnan(_number(text)):
            return "."
        if COMMA_NUMBER.fullmatch(text):
            commas.append(text)
    return "," if any(not _THOUSANDS.fullmatch(text) for text in commas) else ""


def _number(text: str | None) -> float:
    try:
        return read_number(text or "")
    except ValueError:
        return math.nan


def _json_number(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is not int:  # a bool is none either
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _text(sample: dict[str, Any], name: str | None) -> str:
    value = None if name is None else sample.get(name)
    return "" if value is None else str(value)
