"""Which column of a recording is what: channels, time, label, group."""

from __future__ import annotations

import csv
import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_agent.errors import DataError
from edge_agent.number import read_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.config import Columns

WHITESPACE = " "
"""As a delimiter: any run of spaces and tabs."""
DELIMITERS = (",", ";", "\t", WHITESPACE)
LISTED_NAMES = 12
LONGEST_NAME = 40
"""A message shows so many names, and so much of each: a file may have any."""

TIME_NAMES = (
    *("time", "timestamp", "t", "ts", "datetime", "date_time", "date", "epoch", "unix_time"),
    *("elapsed", "elapsed_time", "seconds", "secs", "millis", "micros", "nanos"),
)
LABEL_NAMES = (
    *("label", "labels", "activity", "class", "target", "ground_truth", "annotation", "gesture"),
    "state",
)
GROUP_NAMES = (
    *("group", "subject", "subject_id", "session", "session_id", "user", "user_id", "person"),
    *("participant", "participant_id", "recording", "recording_id", "file", "filename"),
    *("trial", "run"),
)
UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
MICRO = "\N{GREEK SMALL LETTER MU}"
"""What `casefold` makes of the micro sign."""
UNIT_WORDS = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "ms": ("ms", "msec", "millis", "milliseconds"),
    "us": ("us", f"{MICRO}s", "usec", "micros", "microseconds"),
    "ns": ("ns", "nsec", "nanos", "nanoseconds"),
}
SECONDS = {word: UNITS_S[unit] for unit, words in UNIT_WORDS.items() for word in words}
"""Seconds in each unit, by every word for it."""
_UNIT_SUFFIX = re.compile(rf"^(?P<base>.*?)[\s_.\-]*[\s_.\-(\[](?P<unit>[a-z{MICRO}]+)[)\]]?$")


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one recording; positions count from 0 in the order of `names`."""

    names: tuple[str, ...]
    channels: tuple[int, ...]
    time: int | None = None
    label: int | None = None
    group: int | None = None
    group_named: bool = False
    """Whether the user named the column of the group; else it is a guess by its name."""
    notes: tuple[str, ...] = ()

    @property
    def time_unit_s(self) -> float | None:
        """Seconds a tick, if the name of the time column says so."""
        return None if self.time is None else unit_of(self.names[self.time])

    @property
    def unused(self) -> tuple[str, ...]:
        """Names of the columns that nothing reads."""
        used = {*self.channels, self.time, self.label, self.group}
        return tuple(name for position, name in enumerate(self.names) if position not in used)


def read_header(line: str, channels: Sequence[str] = ()) -> tuple[str, list[str]]:
    """
    Return the delimiter of a CSV header and its names: the one that finds most channels, then most columns.

    Names may hold spaces, so whitespace delimits only where it finds more channels than any other delimiter.
    Raises csv.Error if no delimiter makes sense of the quotes.
    """
    wanted = {_plain(name) for name in channels}
    found: list[tuple[int, bool, int, str, list[str]]] = []
    refused: list[csv.Error] = []
    for delimiter in DELIMITERS:
        try:
            names = [name.strip() for name in read_row(line, delimiter)]
        except csv.Error as error:  # the quotes end before another delimiter
            refused.append(error)
            continue
        channels_found = len(wanted & set(map(_plain, names)))
        found.append((channels_found, delimiter != WHITESPACE, len(names), delimiter, names))
    if not found:
        raise refused[0]
    *_, delimiter, names = max(found, key=lambda candidate: candidate[:3])
    return delimiter, names


def read_row(line: str, delimiter: str) -> list[str]:
    """Split one CSV line; raise csv.Error for an open quote or a field over csv's limit."""
    if '"' not in line:
        return line.split(None if delimiter == WHITESPACE else delimiter)
    return next(csv.reader((line,), delimiter=delimiter, strict=True, skipinitialspace=True))


def all_numbers(fields: Sequence[str]) -> bool:
    """Return whether every field is a number: a row of samples, not a header."""
    try:
        for field in fields:
            read_number(field)
    except ValueError:
        return False
    return bool(fields)


def names_all(names: Sequence[str], channels: Sequence[str]) -> bool:
    """Return whether every channel is among the names."""
    return set(map(_plain, channels)) <= set(map(_plain, names))


def match(names: Sequence[str], channels: Sequence[str], columns: Columns, where: str) -> Layout:
    """
    Find the channels and the columns for time, label and group among the names of a recording.

    Raises DataError for a missing channel, a named column that is not there, and a name that stands twice.
    """
    notes: list[str] = []
    found = [_find(name, names, where, notes) for name in channels]
    missing = [name for name, position in zip(channels, found, strict=True) if position is None]
    if missing:
        raise _missing_channels(missing, names, where)
    positions = tuple(position for position in found if position is not None)
    taken = set(positions)
    roles: dict[str, int | None] = {}
    for role, named, usual in (
        ("time", columns.time, TIME_NAMES),
        ("label", columns.label, LABEL_NAMES),
        ("group", columns.group, GROUP_NAMES),
    ):
        position = (
            _named(role, named, names, where, notes) if named else _usual(names, usual, taken)
        )
        if position is not None:
            taken.add(position)
            if not named and _base(names[position]) != role:
                notes.append(f"column `{names[position]}` is taken as {role}, by its name")
        roles[role] = position
    layout = Layout(
        tuple(names),
        positions,
        roles["time"],
        roles["label"],
        roles["group"],
        group_named=bool(columns.group),
    )
    if layout.unused:
        notes.append(f"columns that are not used: {_listed(layout.unused)}")
    return replace(layout, notes=tuple(notes))


def unit_of(name: str) -> float | None:
    """Return the seconds a tick that a column's name tells (`time_ms`, `t (us)`, `millis`), or None."""
    lowered = name.strip().casefold()
    if lowered in TIME_NAMES and lowered in SECONDS:
        return SECONDS[lowered]
    matched = _UNIT_SUFFIX.match(lowered)
    return None if matched is None else SECONDS.get(matched["unit"])


def _find(name: str, names: Sequence[str], where: str, notes: list[str]) -> int | None:
    same = [position for position, other in enumerate(names) if other == name]
    if not same:
        same = [position for position, other in enumerate(names) if _plain(other) == _plain(name)]
        if len(same) == 1:
            notes.append(f"`{name}` is read from the column `{names[same[0]]}`")
    if len(same) > 1:
        raise DataError(
            f"{where} has the column `{name}` {len(same)} times",
            hint="rename the columns so that each name is unique",
        )
    return same[0] if same else None


def _named(role: str, name: str, names: Sequence[str], where: str, notes: list[str]) -> int:
    position = _find(name, names, where, notes)
    if position is None:
        raise DataError(
            f"{where} has no column `{name}` for the {role}: its columns are {_listed(names)}",
            hint=_near_hint([name], names) or f"name one of them in `{role}`, or remove `{role}`",
        )
    return position


def _usual(names: Sequence[str], usual: Sequence[str], taken: set[int]) -> int | None:
    bases = [_base(name) for name in names]
    for base in usual:
        for position, other in enumerate(bases):
            if other == base and position not in taken:
                return position
    return None


def _base(name: str) -> str:
    """Return a column's name in lower case with underscores, without its unit."""
    lowered = name.strip().casefold()
    matched = _UNIT_SUFFIX.match(lowered)
    if matched is not None and matched["unit"] in SECONDS:
        lowered = matched["base"]
    return re.sub(r"[\s.\-]+", "_", lowered.strip())


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()


def no_header(fields: Sequence[str], where: str) -> DataError:
    """Return the error for a recording that begins with its first sample."""
    return DataError(
        f"{where} has no header: its first row is `{','.join(fields)[:60]}`",
        hint="add a first line with the names of the columns",
    )


def _missing_channels(missing: Sequence[str], names: Sequence[str], where: str) -> DataError:
    wanted = ", ".join(f"`{name}`" for name in missing)
    if all_numbers(names):
        return no_header(names, where)
    return DataError(
        f"{where} has no column {wanted}: its columns are {_listed(names)}",
        hint=_near_hint(missing, names)
        or "name the channels in `input.channels` as the header does",
    )


def _near_hint(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    lowered = {name.casefold(): name for name in names}
    near = []
    for name in wanted:
        match = difflib.get_close_matches(name.casefold(), list(lowered), 1, cutoff=0.5)
        if match:
            near.append(f"`{name}` may be `{lowered[match[0]]}`")
    return "; ".join(near) or None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name[:LONGEST_NAME]}`" for name in names[:LISTED_NAMES])
    more = len(names) - LISTED_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
