"""
External data: weights in files beside the model, as PyTorch writes them by default.

A model file comes from elsewhere and names these files itself, so it could name anything: `/etc/shadow`, a named
pipe that never ends, a hard link. Only regular files with one name, inside the model's own folder, are read, and
what was looked at is what is read: one descriptor, reached folder by folder without following links.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.model.gate import caps, constants, contents
from edgekit.model.gate.element_types import ITEM_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from edgekit.model.gate.contents import NamedTensor

_KEYS: Final = ("location", "offset", "length", "checksum")

_LONGEST_NUMBER: Final = 19
"""Digits of a signed 64-bit number."""

_MOST_FILES: Final = 256
"""Each is open while the model is read; exporters write one, or one for each tensor of a small model."""

_EXPORT: Final = "export the model again; in PyTorch `torch.onnx.export(…, external_data=False)` puts all into one file"


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where the data of a tensor are."""

    location: str
    offset: int
    length: int


def embed(model: onnx.ModelProto, path: Path) -> bool:
    """
    Put the weights that lie in other files into the model; return whether there were any.

    Types and shapes must have been judged before. Raises ModelError for a file that is missing, too short or where
    it must not be, and for entries that mean nothing.
    """
    found = [
        item
        for item in contents.tensors(model)
        if item.tensor.data_location == TensorProto.EXTERNAL
    ]
    places = [_place(item, path) for item in found]
    _check_total(places, path)
    with ExitStack() as stack:
        files: dict[str, int] = {}
        for item, place in zip(found, places, strict=True):
            if place.location not in files:
                if len(files) == _MOST_FILES:
                    raise ModelError(
                        f"`{path}` keeps its weights in more than {_MOST_FILES} files", hint=_EXPORT
                    )
                files[place.location] = _open(path, place.location)
                stack.callback(os.close, files[place.location])
            item.tensor.raw_data = _read(files[place.location], item, place, path)
            item.tensor.ClearField("external_data")
            item.tensor.ClearField("data_location")
    return bool(found)


def _place(item: NamedTensor, path: Path) -> _Place:
    name, tensor = item
    where = f"`{path}`: the external data of {name}"
    keys = [entry.key for entry in tensor.external_data]
    entries = {entry.key: entry.value for entry in tensor.external_data}
    unknown = sorted(set(keys) - set(_KEYS))
    if unknown:
        raise ModelError(f"{where} has the unknown key {unknown[0]!r}", hint=_EXPORT)
    if len(entries) != len(keys):
        raise ModelError(f"{where} says one thing twice", hint=_EXPORT)
    if not entries.get("location"):
        raise ModelError(f"{where} has no location", hint=_EXPORT)
    if tensor.data_type not in ITEM_BYTES:
        raise ModelError(f"{where} is text, which has no place there", hint=_EXPORT)
    if tensor.HasField("raw_data"):
        raise ModelError(f"{where} is there, and data in the model itself too", hint=_EXPORT)
    numbers = {}
    for key in ("offset", "length"):
        value = entries.get(key, "")
        if value and not (value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER):
            raise ModelError(f"{where} has the {key} {value!r}, which is no number", hint=_EXPORT)
        numbers[key] = int(value) if value else None
    expected = constants.data_bytes(tensor)
    length = expected if numbers["length"] is None else numbers["length"]
    if length != expected:
        raise ModelError(
            f"{where} has {length:,} bytes: its shape {list(tensor.dims)} says {expected:,}",
            hint=_EXPORT,
        )
    return _Place(location=str(entries["location"]), offset=numbers["offset"] or 0, length=length)


def _check_total(places: list[_Place], path: Path) -> None:
    """Count what every tensor takes: many may name the same part of a file."""
    total = sum(place.length for place in places)
    if total > caps.LARGEST_BYTES:
        raise ModelError(
            f"the external data of `{path}` has {total:,} bytes: the limit is {caps.LARGEST_BYTES:,}",
            hint="EdgeKit is for models that fit on a small board; quantise or prune this one",
        )


def _open(path: Path, location: str) -> int:
    """Return a descriptor of a file that may be read."""
    parts = [part for part in location.split("/") if part not in ("", ".")]
    outside = location.startswith("/") or ".." in parts or "\\" in location or not parts
    if outside or "\0" in location:
        raise _not_plain(path, location)
    try:
        file = _descend(path, parts)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
            raise ModelError(
                f"`{path}` keeps its weights in `{location}`, which is missing",
                hint=f"copy `{location}` into `{path.parent}`: export writes the two files together",
            ) from error
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):  # a link, or a socket
            raise _not_plain(path, location) from error
        raise ModelError(
            f"`{path}` keeps its weights in `{location}`, which cannot be read: {error.strerror}",
            hint="make that file readable, or copy both files to a folder of your own",
        ) from error
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(file)
        raise _not_plain(path, location)
    return file


def _descend(path: Path, parts: list[str]) -> int:
    """Open a file below the model's folder, one folder after the other, and no link among them."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(
                part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder
            )
            os.close(folder)
            folder = inner
        # without O_NONBLOCK, opening a named pipe would wait for someone who writes
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(parts[-1], flags, dir_fd=folder)
    finally:
        os.close(folder)


def _read(file: int, item: NamedTensor, place: _Place, path: Path) -> bytes:
    size = os.fstat(file).st_size
    data = b""
    if place.offset + place.length <= size:
        data = _read_whole(file, place.offset, place.length)
    if len(data) != place.length:
        raise ModelError(
            f"`{path}`: {item.name} has bytes {place.offset:,} to {place.offset + place.length:,} of `{place.location}`, "
            f"which has {size:,}",
            hint="the file was cut short, or is of another export: copy the .onnx file and its data file together",
        )
    return data


def _read_whole(file: int, offset: int, length: int) -> bytes:
    """Read so many bytes, or what there is: one call of the system gives at most 2 GiB, and may give less."""
    blocks = []
    while length > 0:
        block = os.pread(file, length, offset)
        if not block:
            break
        blocks.append(block)
        offset, length = offset + len(block), length - len(block)
    return b"".join(blocks)


def _not_plain(path: Path, location: str) -> ModelError:
    return ModelError(
        f"`{path}` keeps its weights in `{location}`: this must be a plain file (no link) inside the model's folder",
        hint=f"copy the file itself (`cp -L`) to `{path.parent}`, or export the model with a relative path",
    )
