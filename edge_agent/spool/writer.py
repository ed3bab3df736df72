"""The writing end of the spool: group commit, room, and what gives way when there is none."""

from __future__ import annotations

import contextlib
import errno
import json
from typing import TYPE_CHECKING, Literal

from edge_agent.spool.files import write_all
from edge_agent.spool.record import (
    LARGEST_PAYLOAD_BYTES,
    Kind,
    Segment,
    encode,
    pack,
    scan,
    segments_of,
)
from edge_agent.spool.recovery import begin_boot, read_cursor, recover

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.spool.files import Files

SEGMENT_BYTES = 256 * 1024
SEGMENTS = 8
"""A small quota is cut into so many segments at least: one of them is what a drop costs."""
CHUNK_BYTES = 32 * 1024
BATCH_RECORDS = 100
RETRY_S = 5.0
"""How long a disk that fails is left alone."""
FULL_S = 60.0
"""So long after older records gave way the spool counts as full."""
RECOUNT_S = 0.5
BLOCK_BYTES = 4096
"""A file takes whole blocks, however small it is."""
FULL = (errno.ENOSPC, errno.EDQUOT)
Packed = tuple[Kind, int, bytes]


class SpoolWriter:
    """
    Appends records to segments; the I/O thread's alone.

    What was put stands in the kernel at once, and on the disk when `batch_records` have gathered or before
    `loss_window_s` has passed: that is what a power cut may cost. Once it is open nothing here raises:
    what cannot be kept is dropped, counted, and told in a record of its own as soon as there is room.
    """

    def __init__(  # noqa: PLR0913 (each a limit, given by name)
        self,
        files: Files,
        *,
        quota_bytes: int,
        reserve_bytes: int = 0,
        loss_window_s: float = 1.0,
        batch_records: int = BATCH_RECORDS,
        segment_bytes: int = SEGMENT_BYTES,
        drop: Literal["oldest", "newest"] = "oldest",
    ) -> None:
        """Open the spool: cut off a torn end, begin a new boot. Raises OSError if the folder cannot be read."""
        self._files = files
        self._quota_bytes = quota_bytes
        self._reserve_bytes = reserve_bytes
        self._batch_records = batch_records
        self._segment_bytes = min(segment_bytes, max(1, quota_bytes // SEGMENTS))
        self._drop = drop
        # The forcing itself takes time, and whoever calls `tick` comes every tenth of a second only.
        self._sync_after_s = max(loss_window_s / 2, loss_window_s - 0.2)

        self._number = 0
        self._segment: Segment | None = None
        self._descriptor = -1
        self._size = self._synced_size = 0
        """Of the segment under way: all that was written whole, and what is on the disk of it."""
        self._unsynced: list[Packed] = []
        self._unsynced_since_s = 0.0
        self._closed_bytes = 0
        self._counted_s = 0.0
        self._credit_bytes = 0
        """What was given back while the disk is filled up to the reserve: it may be taken again."""
        self._failing_until_s = 0.0
        self._dropping = False
        """Whether the last records found room only where older ones had been."""
        self._full_until_s = 0.0

        self.seq = 0
        """Of the last record that was put."""
        self.synced_seq = 0
        """Up to here a power cut costs nothing."""
        self.written = 0
        self.dropped: dict[str, dict[str, int]] = {}
        """By reason and kind, since the spool was opened."""
        self._untold: dict[str, dict[str, int]] = {}
        self.sync_failures = 0
        self.state: Literal["ok", "full", "failing"] = "ok"
        """`full`: records give way to others; `failing`: the disk does not take any."""
        self.failure = ""
        """Why the last write failed."""
        self.boot = begin_boot(files)
        recovered = recover(files)
        self.torn = recovered.torn
        """Whether the last writer was cut off within a record."""
        self.corrupt = recovered.corrupt
        """Damaged records found in what had been on the disk."""
        self._count_closed()

    def put(self, items: Sequence[tuple[Kind, bytes]], now_s: float) -> None:
        """Append records: each a JSON object. `now_s`: a monotonic clock."""
        chunk: list[Packed] = []
        size = 0
        for kind, payload in items:
            self.seq += (
                1  # also of what is dropped: a hole in the numbers shows that something is missing
            )
            if len(payload) > LARGEST_PAYLOAD_BYTES:
                self._count("too_large", kind)
                continue
            packed = pack(self.boot, self.seq, kind, payload)
            if chunk and size + len(packed) > min(CHUNK_BYTES, self._segment_bytes):
                self._append(chunk, size, now_s)
                chunk, size = [], 0
            chunk.append((kind, self.seq, packed))
            size += len(packed)
        if chunk:
            self._append(chunk, size, now_s)
        self.tick(now_s)

    def tick(self, now_s: float) -> None:
        """Force to the disk what has waited long enough; to be called ten times a second."""
        waited_s = now_s - self._unsynced_since_s
        if self._unsynced and (
            len(self._unsynced) >= self._batch_records or waited_s >= self._sync_after_s
        ):
            self.sync(now_s)

    def sync(self, now_s: float) -> None:
        """Force to the disk what was put."""
        if not self._unsynced:
            return
        try:
            self._files.sync(self._descriptor)
        except OSError as error:
            self._rescue(error, now_s)
        else:
            self._note_synced()

    def close(self, now_s: float) -> None:
        """Force what is left to the disk and close the segment."""
        self.sync(now_s)
        self._abandon()

    @property
    def used_bytes(self) -> int:
        """What the segments take on the disk; those that the reader has removed since may be among them."""
        return self._closed_bytes + _blocks(self._size)

    def _append(self, chunk: list[Packed], size: int, now_s: float) -> None:
        if now_s < self._failing_until_s:
            self._shed(chunk, "io")
            return
        self._dropping = False
        lack = self._make_room(size, now_s)
        if lack:
            self.state = "full"
            self._shed(chunk, lack)
            return
        rescued = False
        while (error := self._write(chunk, now_s)) is not None:
            self.failure = error.strerror or str(error)
            if error.errno in FULL:
                if self._drop_oldest("disk_full"):
                    continue
                self.state = "full"
                self._shed(chunk, "disk_full")
                return
            if rescued or now_s < self._failing_until_s:
                self._fail(now_s)
                self._shed(chunk, "io")
                return
            rescued = True
            self._rescue(error, now_s)
        if self._dropping:
            self._full_until_s = now_s + FULL_S
        self.state, self.failure = ("full" if now_s < self._full_until_s else "ok"), ""

    def _write(self, chunk: list[Packed], now_s: float) -> OSError | None:
        """Append to the segment under way, or to a new one; return what kept it from doing so."""
        if self._untold:
            chunk = [*chunk, self._notice()]
        data = b"".join(packed for _, _, packed in chunk)
        try:
            if self._segment is None or self._size + len(data) > self._segment_bytes:
                self._begin_segment(now_s)
            write_all(self._files, self._descriptor, data)
        except OSError as error:
            self._cut_back(now_s)
            return error
        if not self._unsynced:
            self._unsynced_since_s = now_s
        self._unsynced += chunk
        self._size += len(data)
        self.written += len(chunk)
        self._untold = {}
        return None

    def _begin_segment(self, now_s: float) -> None:
        """Finish the segment under way, on the disk, and begin the next. Raises OSError."""
        if self._segment is not None:
            self.sync(now_s)
            if now_s < self._failing_until_s:
                raise OSError(errno.EIO, self.failure)
            self._abandon()
        self._number += 1
        segment = Segment(self.boot.counter, self._number, self.boot.salt)
        descriptor = self._files.create(segment.name)
        try:
            self._files.sync_folder()
        except OSError:
            self._files.close(descriptor)
            raise
        self._segment, self._descriptor = segment, descriptor
        self._size = self._synced_size = 0

    def _abandon(self) -> None:
        """Close the segment under way; the next record begins another one."""
        if self._segment is None:
            return
        with contextlib.suppress(
            OSError
        ):  # what mattered was synced, or is about to be written again
            self._files.close(self._descriptor)
        self._closed_bytes += _blocks(self._size)
        self._segment = None
        self._size = self._synced_size = 0

    def _cut_back(self, now_s: float) -> None:
        """Take the half of a write that did not fit off again; if that fails, go on in another segment."""
        if self._segment is None:
            return
        try:
            self._files.truncate(self._segment.name, self._size)
        except OSError as error:
            self._rescue(error, now_s)

    def _rescue(self, error: OSError, now_s: float) -> None:
        """
        Write what a failed sync left in doubt to a new segment.

        The kernel reports such a failure once and takes the pages for clean afterwards, so neither the descriptor nor
        what the file seems to hold behind the last good sync can be believed. The numbers stay: a reader that
        meets a record twice knows it.
        """
        self.sync_failures += 1
        self.failure = error.strerror or str(error)
        doubtful, self._unsynced = self._unsynced, []
        segment, synced_size = self._segment, self._synced_size
        self._abandon()
        if segment is not None:
            self._verify(segment, synced_size)
        try:
            self._begin_segment(now_s)
            write_all(self._files, self._descriptor, b"".join(packed for _, _, packed in doubtful))
            self._files.sync(self._descriptor)
        except OSError as again:
            self.failure = again.strerror or str(again)
            self._fail(now_s)
            self._shed(doubtful, "io")
            return
        self._size = sum(len(packed) for _, _, packed in doubtful)
        self._unsynced = doubtful
        self._note_synced()

    def _verify(self, segment: Segment, synced_size: int) -> None:
        """Cut a segment back to what a good sync covered, and count what is damaged in that."""
        with contextlib.suppress(OSError):  # a reader skips what it cannot believe
            self._files.truncate(segment.name, synced_size)
        try:
            data = self._files.read(segment.name, 0, synced_size)
        except OSError:
            self.corrupt += 1
            return
        found = scan(data, segment, final=True)
        self.corrupt += found.corrupt + found.torn

    def _fail(self, now_s: float) -> None:
        self.state = "failing"
        self._failing_until_s = now_s + RETRY_S
        self._abandon()

    def _note_synced(self) -> None:
        self.synced_seq = max((seq for _, seq, _ in self._unsynced), default=self.synced_seq)
        self._synced_size = self._size
        self._unsynced = []

    def _make_room(self, size: int, now_s: float) -> str:
        """Drop the oldest segments, if they may, until `size` fits; return what is lacking still."""
        while True:
            lack = self._lack(size, now_s)
            if not lack or self._drop == "newest" or not self._drop_oldest(lack):
                return lack

    def _lack(self, size: int, now_s: float) -> str:
        if self.used_bytes + size > self._quota_bytes:
            if now_s - self._counted_s >= RECOUNT_S:
                self._counted_s = now_s
                self._count_closed()
            if self.used_bytes + size > self._quota_bytes:
                return "quota"
        try:
            room = self._files.free_bytes() - self._reserve_bytes
        except OSError:
            return ""  # the write itself will tell
        if room >= size:
            self._credit_bytes = 0
        elif self._credit_bytes < size:
            return "reserve"
        else:
            self._credit_bytes -= size
        return ""

    def _drop_oldest(self, reason: str) -> bool:
        """Remove the oldest segment that is not under way and count what nobody had acknowledged; False if there is none."""
        if self._drop == "newest":
            return False
        try:
            closed = self._closed()
            if not closed:
                return False
            oldest = closed[0]
            size = self._files.size(oldest.name)
            data = self._read_once_more(oldest)
            self._files.unlink(oldest.name)
        except FileNotFoundError:  # the reader was faster: that is room as well
            self._count_closed()
            return True
        except OSError:
            return False
        cursor = read_cursor(self._files)
        for record in scan(data, oldest, final=True).records:
            if cursor is not None and (oldest, record.end) <= (cursor.segment, cursor.offset):
                continue
            if record.kind == Kind.NOTICE:
                self._tell_again(record.payload)
            else:
                self._count(reason, Kind(record.kind))
        self._closed_bytes = max(0, self._closed_bytes - _blocks(size))
        self._credit_bytes += _blocks(size)
        self._dropping = True
        return True

    def _read_once_more(self, segment: Segment) -> bytes:
        """Return what a segment holds, nothing if the disk has lost it. Raises FileNotFoundError."""
        try:
            return self._files.read(segment.name)
        except FileNotFoundError:
            raise
        except OSError:  # its room is needed all the same
            self.corrupt += 1
            return b""

    def _shed(self, chunk: Sequence[Packed], reason: str) -> None:
        for kind, _, _ in chunk:
            if kind is not Kind.NOTICE:  # what it tells stays to be told
                self._count(reason, kind)

    def _count(self, reason: str, kind: Kind) -> None:
        for counts in (self.dropped, self._untold):
            by_kind = counts.setdefault(reason, {})
            name = kind.name.lower()
            by_kind[name] = by_kind.get(name, 0) + 1

    def _tell_again(self, notice: bytes) -> None:
        """Take over what a notice has told that gives way itself: nobody has heard of it."""
        for reason, kinds in json.loads(notice)["dropped"].items():
            untold = self._untold.setdefault(reason, {})
            for kind, count in kinds.items():
                untold[kind] = untold.get(kind, 0) + count

    def _notice(self) -> Packed:
        self.seq += 1
        document = {"type": "dropped", "dropped": self._untold}
        return Kind.NOTICE, self.seq, pack(self.boot, self.seq, Kind.NOTICE, encode(document))

    def _closed(self) -> list[Segment]:
        return [segment for segment in segments_of(self._files.names()) if segment != self._segment]

    def _count_closed(self) -> None:
        total = 0
        with contextlib.suppress(OSError):
            for segment in self._closed():
                with contextlib.suppress(FileNotFoundError):  # removed by the reader meanwhile
                    total += _blocks(self._files.size(segment.name))
            self._closed_bytes = total


def _blocks(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
