"""
What a stream of bytes is: lines of text, COBS frames or frames with sync bytes. Pure functions over what was captured.

Nothing is asked for that a user would have to know: names, number of channels, how they are packed, and the speed are
concluded from the bytes and from when they came.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from edge_agent.columns import DELIMITERS, all_numbers, match, read_row
from edge_agent.config import Columns
from edge_agent.errors import EdgeKitError
from edge_agent.number import read_number
from edge_agent.opening import header_names, is_text, pair_names
from edge_agent.rows import COMMA_NUMBER
from edgekit.sniff_frames import Frames, find_cobs, find_synced

if TYPE_CHECKING:
    from collections.abc import Sequence

Format = Literal["csv", "jsonl", "cobs", "binary"]

ALIKE_SHARE = 0.8
"""So many of the lines must be of one kind: the first is half of one, and a sensor may say a word now and then."""
LEAST_LINES = 4
MOST_BYTES = 1 << 16
"""Only the last of what was captured is looked at."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a port says."""

    format: Format
    channels: tuple[str, ...]
    """Names from the lines themselves, or `ch1`, `ch2`, …"""
    named: bool
    """Whether the names are the sensor's own."""
    time: str | None = None
    """Column with the sensor's own time."""
    header: str = ""
    """The line that names the columns, as it came."""
    frame: str | None = None
    """How a sample is packed, of frames."""
    sync: str | None = None
    crc: str | None = None
    count: int
    """Samples in what was looked at."""
    last: tuple[float, ...]
    """The last sample."""
    notes: tuple[str, ...] = field(default=())


def sniff(data: bytes) -> Heard | None:
    """Return what captured bytes are; None if nothing that is known."""
    data = data[-MOST_BYTES:]
    return _text(data) or _frames(find_cobs(data), "cobs") or _frames(find_synced(data), "binary")


def _frames(found: Frames | None, kind: Literal["cobs", "binary"]) -> Heard | None:
    if found is None:
        return None
    return Heard(
        format=kind,
        channels=_numbered(len(found.last)),
        named=False,
        frame=found.frame,
        sync=found.sync,
        crc=found.crc,
        count=found.samples,
        last=found.last,
        notes=found.notes,
    )


def _text(data: bytes) -> Heard | None:
    """Return what lines are; the first may be half of one, the last is not whole yet."""
    text = data.decode("utf-8", "replace").replace("\r", "\n")  # old instruments send CR alone
    lines = [line.strip() for line in text.split("\n")[1:-1]]
    lines = [line for line in lines if line]
    printable = [line for line in lines if is_text(line)]
    if len(printable) < max(LEAST_LINES, ALIKE_SHARE * len(lines)):
        return None
    return _objects(printable) or _pairs(printable) or _rows(printable)


def _objects(lines: Sequence[str]) -> Heard | None:
    found: list[dict[str, Any]] = []
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    if len(found) < max(LEAST_LINES, ALIKE_SHARE * len(lines)):
        return None
    numbers = {
        key: float(value)
        for key, value in found[-1].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return _named("jsonl", numbers, len(found))


def _pairs(lines: Sequence[str]) -> Heard | None:
    found = [names for names in map(pair_names, lines) if names is not None]
    if len(found) < max(LEAST_LINES, ALIKE_SHARE * len(lines)):
        return None
    last = next(line for line in reversed(lines) if pair_names(line) is not None)
    values = dict(part.partition(":")[::2] for part in last.replace(",", " ").split() if part)
    numbers = {name: read_number(values[name]) for name in found[-1].names if values.get(name)}
    return _named("csv", numbers, len(found))


def _rows(lines: Sequence[str]) -> Heard | None:
    best: tuple[int, str, int, list[list[str]]] | None = None
    for delimiter in DELIMITERS:
        rows = [_with_points(_fields(line, delimiter), delimiter) for line in lines]
        rows = [row for row in rows if all_numbers(row)]
        widths = [len(row) for row in rows]
        if not widths:
            continue
        width = max(set(widths), key=widths.count)
        alike = [row for row in rows if len(row) == width]
        if len(alike) >= max(LEAST_LINES, ALIKE_SHARE * len(lines)) and (
            best is None or width > best[0]
        ):
            best = (width, delimiter, len(alike), alike)
    if best is None:
        return None
    width, delimiter, count, alike = best
    values = [read_number(text) for text in alike[-1]]
    header = _header(lines, delimiter, width)
    if header is not None:
        names = [name.strip() for name in _fields(header, delimiter)]
        heard = _named("csv", dict(zip(names, values, strict=True)), count)
        return None if heard is None else replace(heard, header=header)
    note = ""
    columns = [[read_number(row[column]) for row in alike] for column in range(width)]
    if width > 1 and _is_clock(columns[0]):
        note = (
            "the first column grows like a clock: let the sensor print a header such as "
            f"`time_ms,{','.join(_numbered(width - 1))}` to have it read as one"
        )
    return Heard(
        format="csv",
        channels=_numbered(width),
        named=False,
        count=count,
        last=tuple(values),
        notes=(note,) if note else (),
    )


def _named(kind: Format, numbers: dict[str, float], count: int) -> Heard | None:
    """Return what named values are: one may be the time, the others are channels."""
    if not numbers:
        return None
    try:
        layout = match(tuple(numbers), (), Columns(), "the port")
    except EdgeKitError:  # a name stands twice
        return None
    others = {layout.time, layout.label, layout.group}
    channels = [name for position, name in enumerate(layout.names) if position not in others]
    if not channels:
        return None
    return Heard(
        format=kind,
        channels=tuple(channels),
        named=True,
        time=None if layout.time is None else layout.names[layout.time],
        count=count,
        last=tuple(numbers[name] for name in channels),
    )


def _header(lines: Sequence[str], delimiter: str, width: int) -> str | None:
    """Return the line that names as many columns as there are."""
    for line in lines:
        names = [name.strip() for name in _with_points(_fields(line, delimiter), delimiter)]
        if len(names) != width or all_numbers(names) or len(set(names)) < width or not all(names):
            continue
        if not any(all_numbers([name]) for name in names) and header_names(line, ()).names:
            return line
    return None


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return read_row(line, delimiter)
    except csv.Error:  # quotes that make no sense of this delimiter
        return []


def _with_points(fields: list[str], delimiter: str) -> list[str]:
    """Return fields with decimal points for decimal commas, as the agent reads them where no comma delimits."""
    if delimiter == ",":
        return fields
    texts = [field.strip() for field in fields]
    return [text.replace(",", ".") if COMMA_NUMBER.fullmatch(text) else text for text in texts]


def _is_clock(values: Sequence[float]) -> bool:
    """Return whether numbers only grow, by steps that are much alike."""
    steps = [later - sooner for sooner, later in pairwise(values)]
    return bool(steps) and min(steps) > 0 and max(steps) < 3 * min(steps) + 2


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"ch{number}" for number in range(1, count + 1))
