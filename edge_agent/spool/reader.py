"""The reading end of the spool: records in order, acknowledgements in any order, nothing deleted before them."""

from __future__ import annotations

import contextlib
import errno
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_agent.spool.files import write_whole
from edge_agent.spool.record import CURSOR, Cursor, Segment, scan, segments_of
from edge_agent.spool.recovery import read_cursor

if TYPE_CHECKING:
    from edge_agent.spool.files import Files
    from edge_agent.spool.record import Boot, Record

SAVE_S = 5.0
"""The cursor is written so often at most; what was acknowledged since is sent again after a power cut."""
UNREADABLE = 5
"""So often a segment is tried that the disk does not give back; then those behind it have their turn."""


@dataclass(slots=True)
class _Given:
    segment: Segment
    record: Record
    acknowledged: bool = False


class SpoolReader:
    """
    Reads what a writer in another process appends; one reader a spool.

    Raises OSError from `read` alone, when a segment that is there cannot be read; the caller tries again later.
    """

    def __init__(self, files: Files) -> None:
        """Raise OSError if the folder cannot be read."""
        self._files = files
        self._given: deque[_Given] = deque()
        self._by_id: dict[tuple[Boot, int], _Given] = {}
        self._ready: deque[_Given] = deque()
        """Read, and not handed out yet."""
        self._segment: Segment | None = None
        """Where reading goes on, from `_offset`."""
        self._offset = 0
        self._last: tuple[Boot, int] | None = None
        """The newest record that was read."""
        self._acknowledged = read_cursor(files)
        self._saved = self._acknowledged
        self._saved_s = -SAVE_S
        self._failed_reads = 0
        """In a row."""
        self._judged: tuple[Segment, int] | None = None
        """Up to here damage has been counted."""
        self.acknowledged = 0
        """Records that were acknowledged since the start."""
        self.corrupt = 0
        """Damaged stretches, and segments that could not be read, that were skipped."""
        self.torn = 0
        """Ends of segments that a power cut left incomplete."""
        self.rewind()

    def read(self, limit: int) -> list[Record]:
        """Return the next records, `limit` at most; none while there are none. Raises OSError."""
        try:
            while len(self._ready) < limit and self._load():
                pass
        except OSError:
            if not self._ready:
                self._failed_reads += 1
                raise
        found: list[Record] = []
        while self._ready and len(found) < limit:
            given = self._ready.popleft()
            self._given.append(given)
            self._by_id[given.record.boot, given.record.seq] = given
            found.append(given.record)
        return found

    def acknowledge(self, record: Record) -> None:
        """Take note that a record has arrived; records that were handed out before it may follow later."""
        given = self._by_id.pop((record.boot, record.seq), None)
        if given is None:  # handed out before a rewind
            return
        given.acknowledged = True
        self.acknowledged += 1
        while self._given and self._given[0].acknowledged:
            first = self._given.popleft()
            self._acknowledged = Cursor(first.segment, first.record.end, first.record.seq)

    def rewind(self) -> None:
        """Hand out again, in order, all that was not acknowledged."""
        self._given.clear()
        self._by_id.clear()
        self._ready.clear()
        cursor = self._acknowledged
        self._segment = None if cursor is None else cursor.segment
        self._offset = 0 if cursor is None else cursor.offset
        self._last = None if cursor is None else (cursor.segment.boot, cursor.seq)

    def tidy(self, now_s: float, *, at_once: bool = False) -> None:
        """Delete what was acknowledged as a whole; write the cursor, every five seconds or `at_once`."""
        if not self._given and not self._ready and self._segment is not None:
            # numbers count in each boot anew: another boot's would make the reader skip records of this one
            same = self._last is not None and self._last[0] == self._segment.boot
            seq = self._last[1] if same and self._last is not None else 0
            self._acknowledged = Cursor(self._segment, self._offset, seq)
        cursor = self._acknowledged
        if cursor is None or cursor == self._saved:
            return
        if self._saved is None or cursor.segment != self._saved.segment:
            self._delete_before(cursor.segment)
        if at_once or now_s - self._saved_s >= SAVE_S:
            with contextlib.suppress(
                OSError
            ):  # a full disk: after a restart more is sent twice, that is all
                write_whole(self._files, CURSOR, cursor.pack())
                self._saved = cursor
            self._saved_s = now_s

    @property
    def in_flight(self) -> int:
        """Records that were handed out and are not acknowledged."""
        return len(self._by_id)

    def waiting_bytes(self) -> int:
        """Return how much stands in the segments behind what was acknowledged."""
        total = 0
        cursor = self._acknowledged
        with contextlib.suppress(OSError):
            for segment in segments_of(self._files.names()):
                if cursor is None or segment >= cursor.segment:
                    total += self._files.size(segment.name)
            if cursor is not None and total:
                total = max(0, total - cursor.offset)
        return total

    def _load(self) -> bool:
        """Read on; return whether there may be more to be had at once."""
        # The list before the content: what stands in a segment that has a successor is all that it will ever hold.
        segments = segments_of(self._files.names())
        here = self._segment
        following = [segment for segment in segments if here is None or segment > here]
        if here is None or here not in segments:
            if not following:
                return False
            here, self._offset = following.pop(0), 0
        final = bool(following)
        try:
            data = self._files.read(here.name, self._offset)
        except FileNotFoundError:  # the writer needed the room
            data = b""
        except OSError as error:
            # one that may not be read is whole: that waits for whoever can change it
            if (
                not final
                or error.errno in (errno.EACCES, errno.EPERM)
                or self._failed_reads + 1 < UNREADABLE
            ):
                raise
            self.corrupt += 1
            data = b""
        self._failed_reads = 0
        self._segment = here
        if data:
            self._take(data, here, final=final)
        if final:
            self._segment, self._offset = following[0], 0
            return True
        return False

    def _take(self, data: bytes, segment: Segment, *, final: bool) -> None:
        found = scan(data, segment, start=self._offset, final=final)
        for record in found.records:
            if (
                self._last is not None
                and self._last[0] == record.boot
                and record.seq <= self._last[1]
            ):
                continue  # written twice, because a sync had failed
            self._last = (record.boot, record.seq)
            self._ready.append(_Given(segment, record))
        position = (segment, found.end)
        if self._judged is None or position > self._judged:
            self.corrupt += found.corrupt
            self.torn += found.torn
            self._judged = position
        self._offset = found.end

    def _delete_before(self, newest: Segment) -> None:
        with contextlib.suppress(OSError):
            for segment in segments_of(self._files.names()):
                if segment < newest:
                    with contextlib.suppress(OSError):  # the writer needed the room; or next time
                        self._files.unlink(segment.name)
