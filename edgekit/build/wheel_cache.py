"""
Device wheels that were built or fetched before: a folder an entry, under the user's cache.

An entry names the digest of its wheel; one that does not fit is removed, and the wheel is made again. Only one build
of an entry runs at a time: another waits, and finds it made.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgekit.atomic import write_file
from edgekit.errors import EdgeKitError
from edgekit.resources import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ENTRY: Final = "entry.json"
_PART: Final = ".part-"
_LEFTOVER_S = 24 * 3600.0
_KEPT = 16
"""Entries; a wheel has 2 to 6 MB."""


@dataclass(frozen=True)
class WheelCache:
    """The entries in a folder."""

    folder: Path

    @classmethod
    def of_user(cls) -> WheelCache:
        """Return the cache of this user."""
        return cls(cache_folder() / "device-wheels")

    def find(self, key: str) -> Path | None:
        """Return an entry's wheel; None if there is none or if it is damaged (then it is removed)."""
        place = self.folder / key
        try:
            entry = json.loads((place / _ENTRY).read_bytes())
            wheel = place / Path(entry["file"]).name
            if sha256_of(wheel) == entry["sha256"]:
                with contextlib.suppress(
                    OSError
                ):  # a cache on a read-only disk has no newest entries
                    os.utime(place)
                return wheel
        except FileNotFoundError:
            if not place.exists():
                return None
        except (OSError, ValueError, KeyError, TypeError):
            pass  # damaged: made again
        shutil.rmtree(place, ignore_errors=True)
        return None

    def keep(self, key: str, wheel: Path) -> Path:
        """Move a wheel into an entry, whole or not at all; return where it is now. Raises EdgeKitError."""
        place = self.folder / key
        entry = {"file": wheel.name, "sha256": sha256_of(wheel)}
        try:
            with tempfile.TemporaryDirectory(prefix=_PART, dir=self.folder) as part:
                fresh = Path(part) / key
                fresh.mkdir()
                shutil.copyfile(wheel, fresh / wheel.name)
                write_file(fresh / _ENTRY, json.dumps(entry).encode())
                shutil.rmtree(place, ignore_errors=True)
                fresh.rename(place)
        except OSError as error:
            raise EdgeKitError(
                f"cannot keep the device wheel in `{self.folder}`: {error.strerror}"
            ) from error
        self._drop_old()
        return place / wheel.name

    @contextlib.contextmanager
    def work_folder(self) -> Iterator[Path]:
        """Give a folder for a build; it is gone afterwards, however that ends. Raises EdgeKitError."""
        self._make()
        self._drop_leftovers()
        with tempfile.TemporaryDirectory(prefix=_PART, dir=self.folder) as part:
            yield Path(part)

    @contextlib.contextmanager
    def lock(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold an entry alone; `waiting` is told if another process has it. The lock ends with the process."""
        self._make()
        with (self.folder / f".{key}.lock").open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _make(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EdgeKitError(
                f"cannot make the folder `{self.folder}`: {error.strerror}",
                hint="name a folder that can be written with the variable XDG_CACHE_HOME",
            ) from error

    def _drop_leftovers(self) -> None:
        """Remove what builds have left that were killed: no build takes a day."""
        for part in self.folder.glob(f"{_PART}*"):
            with contextlib.suppress(OSError):  # it ends just now
                if part.stat().st_mtime < time.time() - _LEFTOVER_S:
                    shutil.rmtree(part, ignore_errors=True)

    def _drop_old(self) -> None:
        """Keep the entries that were used last."""
        entries = sorted(
            self.folder.glob(f"*/{_ENTRY}"),
            key=lambda entry: entry.parent.stat().st_mtime,
            reverse=True,
        )
        for entry in entries[_KEPT:]:
            shutil.rmtree(entry.parent, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """Return the digest of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
