"""One line of a recording, read into its values."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING, Any, Protocol

from edge_agent.columns import read_row

if TYPE_CHECKING:
    from edge_agent.columns import Layout

Row = tuple[list[float], str, str, str]
"""Values of the channels (NaN for what is no number), and the texts of time, label and group."""


class RowError(Exception):
    """A line that is no row; `reason` is what it is counted under."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Rows(Protocol):
    """Reads lines of one format."""

    def read(self, line: str) -> Row:
        """Read one line; raise RowError if it is no row."""
        ...


class CsvRows:
    """Rows of a CSV file; one line is one row."""

    def __init__(self, layout: Layout, delimiter: str) -> None:
        self._delimiter = delimiter
        self._width = len(layout.names)
        self._channels = layout.channels
        self._time = layout.time
        self._label = layout.label
        self._group = layout.group

    def read(self, line: str) -> Row:
        """Read one line; raise RowError if its fields are too few, too many or not closed."""
        fields = line.split(self._delimiter) if '"' not in line else self._quoted(line)
        if len(fields) != self._width:
            self._refuse_ragged(fields)
        try:
            values = [float(fields[position]) for position in self._channels]
        except ValueError:
            values = [_number(fields[position]) for position in self._channels]
        return (
            values,
            "" if self._time is None else fields[self._time],
            "" if self._label is None else fields[self._label].strip(),
            "" if self._group is None else fields[self._group].strip(),
        )

    def _quoted(self, line: str) -> list[str]:
        try:
            return read_row(line, self._delimiter)
        except csv.Error as error:
            raise RowError("malformed", str(error)) from None

    def _refuse_ragged(self, fields: list[str]) -> None:
        # Many loggers end each row, but not the header, with a delimiter.
        if len(fields) == self._width + 1 and not fields[-1].strip():
            return
        raise RowError("ragged", f"{len(fields)} fields for {self._width} columns")


class JsonRows:
    """Rows of a JSONL file: one object a line, columns by their keys."""

    def __init__(self, layout: Layout) -> None:
        names = layout.names
        self._channels = [names[position] for position in layout.channels]
        self._time = None if layout.time is None else names[layout.time]
        self._label = None if layout.label is None else names[layout.label]
        self._group = None if layout.group is None else names[layout.group]

    def read(self, line: str) -> Row:
        """Read one line; raise RowError if it is no JSON object."""
        sample = read_object(line)
        values = [_json_number(sample.get(name)) for name in self._channels]
        return (
            values,
            _text(sample, self._time),
            _text(sample, self._label),
            _text(sample, self._group),
        )


def read_object(line: str) -> dict[str, Any]:
    """Read one line of JSONL; raise RowError if it is no JSON object."""
    try:
        sample = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowError("malformed", f"no JSON: {str(error)[:80]}") from None
    if not isinstance(sample, dict):
        raise RowError("malformed", "no JSON object")
    return sample


def _number(text: str) -> float:
    try:
        return float(text)
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
