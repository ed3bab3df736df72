"""
Writing a bundle: the same files give the same bytes, on any machine with the same xz library.

Nothing but names and contents goes in: owner 0, rights 0644, and one time for all files, SOURCE_DATE_EPOCH
(reproducible-builds.org) or 1980.
"""

from __future__ import annotations

import os
import tarfile
from typing import TYPE_CHECKING

from edge_agent.bundle_archive import BLOCK_BYTES, END, in_archive_order, is_native
from edge_agent.manifest import MANIFEST_NAME
from edgekit.atomic import check_writable, write_file
from edgekit.bundle.compression import compress, compress_once
from edgekit.bundle.opened import Bundle
from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.bundle.contents import Contents

_FIRST_TIME_S = 315532800  # 1980-01-01: some tools take 0 for a damaged archive
_LAST_TIME_S = 0o77777777777  # what the header's field holds


def check_can_write(path: Path) -> None:
    """Raise what `write_bundle` would for a place or a SOURCE_DATE_EPOCH that is none, before minutes of compiling."""
    _time_s()
    check_writable(path)


def write_bundle(contents: Contents, path: Path) -> Bundle:
    """
    Write a bundle, whole or not at all, and read it back.

    Raises EdgeKitError if it cannot be written, ConfigError if SOURCE_DATE_EPOCH is no time.
    """
    time_s, manifest = _time_s(), contents.manifest
    head = [_entry(MANIFEST_NAME, manifest.to_bytes(), time_s)]
    native: list[bytes] = []
    for file in in_archive_order(manifest.files):
        entry = _entry(file.path, contents.files[file.path], time_s)
        (native if is_native(file) else head).append(entry)
    streams = [compress(b"".join(head)), compress_once(b"".join([*native, END]))]
    write_file(path, b"".join(streams))
    bundle = Bundle.open(path)
    bundle.verify()
    return bundle


def _entry(path: str, data: bytes, time_s: int) -> bytes:
    """Return a file with its header and padding."""
    header = tarfile.TarInfo(path)
    header.size, header.mtime, header.mode = len(data), time_s, 0o644
    try:
        first = header.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
    except ValueError:
        raise ConfigError(
            f"`{path}` is too long a name for a bundle", hint="give the file a shorter one"
        ) from None
    return b"".join([first, data, bytes(-len(data) % BLOCK_BYTES)])


def _time_s() -> int:
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return _FIRST_TIME_S
    if not (text.isascii() and text.isdecimal()) or int(text) > _LAST_TIME_S:
        raise ConfigError(
            f"SOURCE_DATE_EPOCH is `{text}`: must be seconds since 1970",
            hint="`unset SOURCE_DATE_EPOCH`, or set it to what `date +%s` prints",
        )
    return int(text)
