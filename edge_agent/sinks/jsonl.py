"""Results as JSON, one object a line."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

from edge_agent.errors import EdgeKitError
from edge_agent.records import event_to_json, prediction_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_agent.records import Event, Prediction

MEMORY_DEVICES = 1
"""Linux' major number of null, zero and full (Documentation/admin-guide/devices.txt)."""


class JsonlSink:
    """
    Appends to a file; what a block brought is handed to the kernel before the next block.

    Raises EdgeKitError when the file cannot be opened or written.
    """

    def __init__(self, path: Path, *, predictions: bool = True) -> None:
        self._path = path
        self._predictions = predictions
        try:
            if path.exists() and not _never_blocks(path):
                raise EdgeKitError(
                    f"cannot write to `{path}`: it is {'a folder' if path.is_dir() else 'no regular file'}",
                    hint="set the `path` of the sink to a file",
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            torn = _ends_in_a_line(path)
            self._file = path.open("ab", buffering=0)
            if torn:
                self._append(b"\n")
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
            self._append(lines.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

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
