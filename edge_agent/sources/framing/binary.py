"""
Frames of a fixed length that begin with sync bytes.

Nothing checks what is between: a frame is believed when the next one begins where it should. So a lost or added
byte costs the frame that it is in, a damaged sync the frame before as well, and a damaged value shows only in the
value checks; a line that is not clean wants `cobs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.sources.framing import Run, unpack

if TYPE_CHECKING:
    import struct


class BinaryDecoder:
    """Decodes frames of `sync` and then `layout`, whole runs of them at a time."""

    def __init__(self, layout: struct.Struct, sync: bytes) -> None:
        self._layout = layout
        self._sync = sync
        self._size = len(sync) + layout.size
        self._buffer = bytearray()
        self._locked = False
        """Whether the buffer begins with a frame."""
        self._skipped = 0
        """Bytes skipped since the last good frame."""
        self.frames = 0
        self.bad_frames = 0
        self.resyncs = 0
        self.skipped_bytes = 0

    def feed(self, data: bytes) -> list[Run]:
        """Take the next bytes; return what they complete."""
        self._buffer += data
        runs = []
        while self._locked or self._find():
            run = self._take()
            if run is not None:
                runs.append(run)
            if self._locked:
                break  # all but the frame that is still coming
        return runs

    def restart(self) -> None:
        """Forget half a frame."""
        self._buffer.clear()
        self._locked = False
        self._skipped = 0

    def _take(self) -> Run | None:
        """Take the good frames that the buffer begins with; unlock if something follows that is none."""
        buffer, sync, size = self._buffer, self._sync, self._size
        most = (len(buffer) - len(sync)) // size
        if most <= 0:
            return None
        good = most
        for offset, byte in enumerate(sync):
            begins = bytes(buffer[offset : most * size + offset + 1 : size])
            good = min(good, len(begins) - len(begins.lstrip(bytes((byte,)))) - 1)
        run = self._run(good) if good > 0 else None
        del buffer[: max(0, good) * size]
        if good < most:
            self._locked = False
            self.resyncs += 1
            self._skip(1)
        return run

    def _run(self, count: int) -> Run:
        sync, size = self._sync, self._size
        payloads = bytearray(count * self._layout.size)
        for offset in range(self._layout.size):  # a slice a byte of the frame, however many frames
            start = len(sync) + offset
            payloads[offset :: self._layout.size] = self._buffer[start : count * size : size]
        lost = 0
        if self.frames and self._skipped:
            lost = max(1, (self._skipped + size // 2) // size)
            self.bad_frames += lost
        self._skipped = 0
        self.frames += count
        return Run(lost, unpack(self._layout, bytes(payloads)))

    def _find(self) -> bool:
        """Look for a frame that another follows; skip what is before, as far as that is known."""
        buffer, sync, size = self._buffer, self._sync, self._size
        start = 0
        while True:
            start = buffer.find(sync, start)
            if start < 0:
                self._skip(max(0, len(buffer) - len(sync) + 1))
                return False
            if start + size + len(sync) > len(buffer):
                self._skip(start)
                return False
            if buffer.startswith(sync, start + size):
                self._skip(start)
                self._locked = True
                return True
            start += 1

    def _skip(self, count: int) -> None:
        del self._buffer[:count]
        self._skipped += count
        self.skipped_bytes += count
