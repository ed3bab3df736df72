"""The file system as the spool sees it: the few calls that it makes, in one folder."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

FOLDER_MODE = 0o750
FILE_MODE = 0o640


class Files(Protocol):
    """One folder; every method may raise OSError."""

    def names(self) -> list[str]:
        """Return the names of the files."""
        ...

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        ...

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """Return `size` bytes from `offset`, fewer at the end of the file; -1 for all that is left."""
        ...

    def create(self, name: str) -> int:
        """Make a new file to append to; return its descriptor. Raises FileExistsError."""
        ...

    def write(self, descriptor: int, data: bytes) -> int:
        """Append; return how many bytes were taken."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return when all that was written to the file is on the disk."""
        ...

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
        ...

    def truncate(self, name: str, size: int) -> None:
        """Cut a file off at `size`, and wait until that is on the disk."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file another name; a file of that name is replaced."""
        ...

    def unlink(self, name: str) -> None:
        """Remove a file. Raises FileNotFoundError."""
        ...

    def sync_folder(self) -> None:
        """Return when all names are on the disk."""
        ...

    def free_bytes(self) -> int:
        """Return the free space of the disk."""
        ...


class DiskFiles:
    """The real folder; it is made if need be."""

    def __init__(self, folder: Path) -> None:
        """Raise OSError if the folder cannot be made or opened."""
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of the files; what else is there is not ours."""
        with os.scandir(self._folder) as entries:
            return [entry.name for entry in entries if entry.is_file()]

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return (self._folder / name).stat().st_size

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """Return `size` bytes from `offset`, fewer at the end of the file; -1 for all that is left."""
        with (self._folder / name).open("rb", buffering=0) as file:
            if size < 0:
                size = max(0, os.fstat(file.fileno()).st_size - offset)
            file.seek(offset)
            return file.read(size)

    def create(self, name: str) -> int:
        """Make a new file to append to; return its descriptor. Raises FileExistsError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            return os.open(self._folder / name, flags, FILE_MODE)
        except FileNotFoundError:  # somebody has removed the folder
            self._folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
            return os.open(self._folder / name, flags, FILE_MODE)

    def write(self, descriptor: int, data: bytes) -> int:
        """Append; return how many bytes were taken."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Return when all that was written to the file is on the disk. Raises FileNotFoundError if no name leads to it."""
        os.fdatasync(
            descriptor
        )  # with the size, as POSIX has it; without the times, which saves a write
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "the file was removed")

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
        os.close(descriptor)

    def truncate(self, name: str, size: int) -> None:
        """Cut a file off at `size`, and wait until that is on the disk."""
        with (self._folder / name).open("rb+", buffering=0) as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def rename(self, old: str, new: str) -> None:
        """Give a file another name; a file of that name is replaced."""
        (self._folder / old).replace(self._folder / new)

    def unlink(self, name: str) -> None:
        """Remove a file. Raises FileNotFoundError."""
        (self._folder / name).unlink()

    def sync_folder(self) -> None:
        """Return when all names are on the disk."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free_bytes(self) -> int:
        """Return the free space of the disk, as far as it is for ordinary users."""
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize


def write_whole(files: Files, name: str, data: bytes) -> None:
    """Replace a small file so that a power cut leaves the old content or the new one. Raises OSError."""
    beside = f"{name}.new"
    with contextlib.suppress(FileNotFoundError):  # left by a power cut
        files.unlink(beside)
    descriptor = files.create(beside)
    try:
        write_all(files, descriptor, data)
        files.sync(descriptor)
    finally:
        files.close(descriptor)
    files.rename(beside, name)
    files.sync_folder()


def write_all(files: Files, descriptor: int, data: bytes) -> None:
    """Append all of it. Raises OSError; then a part of it may stand in the file."""
    left = memoryview(data)
    while left:
        left = left[files.write(descriptor, bytes(left)) :]
