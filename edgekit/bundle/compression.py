"""
xz as bundles use it, and a cache of what it made of the engine.

The engine is most of a bundle and rarely changes: it is an xz stream of its own, which is compressed once. Streams behind each
other are one xz file (the .xz file format, section 2).
"""

from __future__ import annotations

import contextlib
import hashlib
import lzma

from edge_agent.bundle_archive import DICTIONARY_BYTES
from edgekit.atomic import write_file
from edgekit.errors import EdgeKitError
from edgekit.resources import cache_folder

_FILTERS = (
    {
        "id": lzma.FILTER_LZMA2,
        "preset": 6,  # higher ones make the engine no smaller
        "dict_size": DICTIONARY_BYTES,
        # instructions of aarch64 are aligned to four bytes: 1.7 % less than by default, on the engine
        "lc": 2,
        "lp": 2,
    },
)
"""xz's own filter for aarch64 would take off 15 % more, but JetPack 6's xz cannot read it (5.4 or later can)."""


def compress(data: bytes) -> bytes:
    """Return one xz stream."""
    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=list(_FILTERS))


def compress_once(data: bytes) -> bytes:
    """Return one xz stream, from the cache if it is there; a damaged entry is made again, a cache that cannot be written is no error."""
    key = hashlib.sha256(repr(_FILTERS).encode() + data).hexdigest()
    kept = cache_folder() / "compressed" / f"{key}.xz"
    with contextlib.suppress(OSError, lzma.LZMAError, EOFError):
        stream = kept.read_bytes()
        decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        same = decompressor.decompress(stream, len(data) + 1) == data
        if same and decompressor.eof and not decompressor.unused_data:
            return stream
    stream = compress(data)
    with contextlib.suppress(EdgeKitError):
        write_file(kept, stream)
    return stream
