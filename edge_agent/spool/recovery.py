"""What the last writer left: the boot to count up, and a record that it was cut off in."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.spool.files import write_whole
from edge_agent.spool.record import (
    BOOT,
    CURSOR,
    Boot,
    Cursor,
    pack_boot,
    parse_boot,
    parse_cursor,
    scan,
    segments_of,
)

if TYPE_CHECKING:
    from edge_agent.spool.files import Files


class Recovered(NamedTuple):
    """What was found at the end of the newest segment."""

    torn: bool
    """Whether the last writer was cut off within a record."""
    corrupt: int
    """Damaged records that have good ones behind them."""


def begin_boot(files: Files) -> Boot:
    """Count the boot up, on the disk, before its first record is written. Raises OSError if the folder cannot be read."""
    cursor = read_cursor(files)
    last = _read_boot(files)
    counters = [segment.counter for segment in segments_of(files.names())]
    counters += [last.counter] if last is not None else []
    # A cursor that is ahead of the boot would make the reader skip all that is new.
    counters += [cursor.segment.counter] if cursor is not None else []
    boot = Boot(max(counters, default=0) + 1, _new_salt() if last is None else last.salt)
    try:
        write_whole(files, BOOT, pack_boot(boot))
    except (
        OSError
    ):  # a full disk does not keep the agent from starting: its ids are new all the same
        return Boot(boot.counter, _new_salt())
    return boot


def recover(files: Files) -> Recovered:
    """Cut a torn record off the end of the newest segment: only that one can have been under way."""
    segments = segments_of(files.names())
    if not segments:
        return Recovered(torn=False, corrupt=0)
    last = segments[-1]
    try:
        data = files.read(last.name)
    except OSError:  # the reader will say so
        return Recovered(torn=False, corrupt=0)
    found = scan(data, last, final=True)
    good_end = found.records[-1].end if found.records else 0
    with contextlib.suppress(OSError):  # then the reader skips it
        if good_end == 0:
            files.unlink(last.name)
        elif good_end < len(data):
            files.truncate(last.name, good_end)
    return Recovered(found.torn, found.corrupt)


def read_cursor(files: Files) -> Cursor | None:
    """Return up to where everything was acknowledged; None if that is not known."""
    try:
        return parse_cursor(files.read(CURSOR))
    except OSError:
        return None


def _read_boot(files: Files) -> Boot | None:
    try:
        return parse_boot(files.read(BOOT))
    except OSError:
        return None


def _new_salt() -> int:
    return int.from_bytes(os.urandom(4), "little")
