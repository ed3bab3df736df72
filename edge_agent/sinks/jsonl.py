"""Results as JSON, one object a line; the file is rotated where it may not grow for ever."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from typing import TYPE_CHECKING

from edge_agent.errors import EdgeKitError
from edge_agent.records import event_to_json, prediction_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import FileIO
    from pathlib import Path

    from edge_agent.records import Event, Prediction

MEMORY_DEVICES = 1
"""Linux' major number of null, zero and full (Documentation/admin-guide/devices.txt)."""


class JsonlSink:
    """
    Appends to a file; what a block brought is handed to the kernel before the next block.

    A file that has reached `rotate_bytes` becomes `path.1`, the one before it `path.2`, as far as `path.<keep>`; a line is never cut in
    two. A file that somebody has moved or removed is begun anew. Raises EdgeKitError when the file cannot be opened or
    written; the next write tries again.
    """

    kind = "jsonl"

    def __init__(
        self,
        path: Path,
        *,
        predictions: bool = True,
        rotate_bytes: int | None = None,
        keep: int = 5,
    ) -> None:
        self._path = path
        self._predictions = predictions
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        try:
            self._torn = False
            """Whether the file ends within a line: then the next one begins on a fresh line."""
            self._file = self._open()
        except OSError as error:
            raise self._failure(error) from None

    def write(self, predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """Append the results; each event stands behind the prediction that made it."""
        if not events and not (predictions and self._predictions):
            return
        documents = [event_to_json(event) for event in events]
        if self._predictions:
            documents += map(prediction_to_json, predictions)
            documents.sort(key=lambda document: (document["index"], document["type"] == "event"))
        lines = "".join(
            json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
            for document in documents
        )
        try:
            self._find_again()
            self._append(lines.encode("utf-8", "backslashreplace"))
            self._rotate()
        except OSError as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """Have what was written on the disk, and close the file. Raises EdgeKitError when the disk does not take it."""
        if self._file.closed:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno not in {
                errno.EINVAL,
                errno.EROFS,
            }:  # what cannot be synced: a pipe, /dev/null
                raise self._failure(error) from None
        finally:
            self._file.close()

    def _open(self) -> FileIO:
        if self._path.exists() and not _never_blocks(self._path):
            raise EdgeKitError(
                f"cannot write to `{self._path}`: it is {'a folder' if self._path.is_dir() else 'no regular file'}",
                hint="set the `path` of the sink to a file",
            )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._torn = _ends_in_a_line(self._path)
        return self._path.open("ab", buffering=0)

    def _find_again(self) -> None:
        """Open the file anew if the one at its path is another one, or none: what is written to it is seen by nobody."""
        try:
            if os.path.samestat(self._path.stat(), os.fstat(self._file.fileno())):
                return
        except FileNotFoundError:
            pass
        fresh = self._open()
        self._file.close()
        self._file = fresh

    def _append(self, data: bytes) -> None:
        left = memoryview(b"\n" + data if self._torn else data)
        while left:
            count = self._file.write(left)
            self._torn = bytes(left[count - 1 : count]) != b"\n"
            left = left[count:]

    def _rotate(self) -> None:
        """Begin a new file if this one is large enough; a power cut in between costs a number, never a line."""
        if self._rotate_bytes is None:
            return
        found = os.fstat(self._file.fileno())
        if found.st_size < self._rotate_bytes or not stat.S_ISREG(found.st_mode):
            return
        numbers = range(1, self._keep + 1)
        free = next((n for n in numbers if not self._numbered(n).exists()), self._keep)
        for number in range(free, 1, -1):
            self._numbered(number - 1).replace(self._numbered(number))
        with contextlib.suppress(
            FileNotFoundError
        ):  # moved already, when the new one could not be opened
            self._path.replace(self._numbered(1))
        self._find_again()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _failure(self, error: OSError) -> EdgeKitError:
        return EdgeKitError(
            f"cannot write to `{self._path}`: {error.strerror}",
            hint="free some space, or set the `path` of the sink to a file that can be written to",
        )


def _never_blocks(path: Path) -> bool:
    """Return whether a path is a file or a device such as /dev/null: a pipe or a terminal could not be stopped."""
    found = path.stat()
    return stat.S_ISREG(found.st_mode) or (
        stat.S_ISCHR(found.st_mode) and os.major(found.st_rdev) == MEMORY_DEVICES
    )


def _ends_in_a_line(path: Path) -> bool:
    """Return whether a file ends within a line, as a full disk or a power cut leaves it."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"
