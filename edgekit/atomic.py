"""Files written whole or not at all: beside, to the disk, then renamed."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from edgekit.errors import EdgeKitError

if TYPE_CHECKING:
    from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """
    Write a file so that a reader, and a power cut, meets the old content or the new one.

    Its folder is made if need be. Raises EdgeKitError naming the file.
    """
    if not path.name or path.is_dir():
        raise EdgeKitError(f"cannot write `{path}`: it is a folder", hint="name a file in it")
    if path.exists() and not path.is_file():  # a rename would put the file in a device's place
        raise EdgeKitError(f"cannot write `{path}`: it is no regular file", hint="name another one")
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        between = next((parent for parent in path.parents if parent.is_file()), path.parent)
        raise EdgeKitError(
            f"cannot write `{path}`: `{between}` is a file, no folder",
            hint=f"move `{between}` away, or name another place",
        ) from error
    except OSError as error:
        raise EdgeKitError(f"cannot write `{path}`: {error.strerror or error}") from error


def check_writable(path: Path) -> None:
    """
    Raise EdgeKitError if a file could not be written, before what it is to hold has taken minutes to make.

    Tried with a nameless file in the folder that is there already: a read-only disk stops root as well.
    """
    folder = next((parent for parent in path.absolute().parents if parent.exists()), path.parent)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except NotADirectoryError as error:
        raise EdgeKitError(
            f"cannot write `{path}`: `{folder}` is a file, no folder",
            hint=f"move `{folder}` away, or name another place",
        ) from error
    except OSError as error:
        raise EdgeKitError(
            f"cannot write `{path}`: `{folder}` is not for writing: {error.strerror}",
            hint="name another place",
        ) from error
