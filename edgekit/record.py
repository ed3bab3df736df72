"""
Samples of a live source, written down to train with: time, channels, label and session, as CSV.

A session is one call of `edgekit record`; its time begins at 0, and no window spans two of them, because every reader of
recordings takes the column for the group. What a crash leaves is whole lines but for the last, which the next session
cuts off.
"""

from __future__ import annotations

import math
import os
import struct
from array import array
from typing import TYPE_CHECKING

from edgekit.errors import ConfigError, DataError, EdgeKitError

if TYPE_CHECKING:
    from pathlib import Path

    from edge_agent.records import Block

TIME, LABEL, SESSION = "time_s", "label", "session"
_TAIL_BYTES = 1 << 16
"""Longer than any line that is written here."""


class Recorder:
    """
    Appends to one CSV file, whole lines at a time; makes the file if there is none.

    Raises DataError for a file with other columns, EdgeKitError when it cannot be written.
    """

    def __init__(self, path: Path, channels: tuple[str, ...], label: str | None) -> None:
        taken = {TIME, LABEL, SESSION} & set(channels)
        if taken:
            raise ConfigError(
                f"a channel is named `{min(taken)}`, as a column of every recording is",
                hint="name the channel otherwise in `[input] channels`",
            )
        self._path = path
        self._label = _quoted(label or "")
        self._unpack = struct.Struct(f"<{len(channels)}f")
        self._began_s: float | None = None
        self.samples = 0
        self.segments = 0
        self.session = 1
        header = ",".join(map(_quoted, (TIME, *channels, LABEL, SESSION)))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            self._continue(header)
        except OSError as error:
            raise self._failure(error) from None

    def write(self, block: Block) -> None:
        """Write the samples of a block."""
        if self._began_s is None:
            self._began_s = block.time_of(0)
        elif block.begin:
            self.segments += 1
        self.segments = self.segments or 1
        lines = [
            f"{block.time_of(position) - self._began_s:.6f},{','.join(map(shortest, values))},{self._label},{self.session}\n"
            for position, values in enumerate(self._unpack.iter_unpack(block.samples))
        ]
        data = "".join(lines).encode()
        try:
            while data:  # a full disk takes a part
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise self._failure(error) from None
        self.samples += block.count

    def close(self) -> None:
        """Bring everything to the disk."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._failure(error) from None
        finally:
            os.close(self._descriptor)

    def _continue(self, header: str) -> None:
        """Go to the end of the last whole line; begin a file that is empty."""
        descriptor = self._descriptor
        size = os.fstat(descriptor).st_size
        if size:
            first = os.pread(descriptor, len(header.encode()) + 2, 0).decode("utf-8", "replace")
            found = first.partition("\n")[0].rstrip("\r")
            if found != header:
                raise DataError(
                    f"`{self._path}` has other columns: `{found[:80]}` and not `{header[:80]}`",
                    hint="record to another file",
                )
            tail = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
            size -= len(tail) - (tail.rfind(b"\n") + 1)
            os.ftruncate(descriptor, size)
            last = tail[: tail.rfind(b"\n")].rpartition(b"\n")[2].rpartition(b",")[2]
            self.session = int(last) + 1 if last.isdigit() else 1
        os.lseek(descriptor, size, os.SEEK_SET)
        if not size:
            os.write(descriptor, f"{header}\n".encode())

    def _failure(self, error: OSError) -> EdgeKitError:
        return EdgeKitError(
            f"cannot write `{self._path}`: {error.strerror or error}",
            hint="what was recorded before is kept; name a file in another folder",
        )


def shortest(value: float) -> str:
    """Return the shortest text that is read as the same float32."""
    if value == math.trunc(value) and abs(value) < 1e9:  # noqa: PLR2004 (as many digits as a float32 may need)
        return str(int(value))
    for digits in (6, 7, 8):
        text = f"{value:.{digits}g}"
        if array("f", (float(text),))[0] == value:
            return text
    return f"{value:.9g}"


def _quoted(text: str) -> str:
    """Return a field of CSV; what would break a line is refused. Raises ConfigError."""
    if any(mark in text for mark in "\n\r\0"):
        raise ConfigError(f"`{text!r}` cannot stand in one field of a recording")
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',";') else text
