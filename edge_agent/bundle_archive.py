"""
Reading a bundle: `.tar.xz` whose first file is the manifest, which says what must follow, byte for byte.

Native code comes last, so that a writer can compress it once and for all; everything else is sorted by path. Nothing is trusted that the manifest does not name. Only regular files are known, in the manifest's order, with its sizes and
digests; links, devices, other names, other sizes and anything behind the end are refused. What is unpacked is never more than the
manifest declares, the manifest itself is capped, and so is the decompressor's memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import os
import shutil
import tarfile
from typing import TYPE_CHECKING

from edge_agent.errors import EdgeKitError, VerificationFailed
from edge_agent.manifest import (
    LARGEST_MANIFEST_BYTES,
    MANIFEST_NAME,
    File,
    Manifest,
    read_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

BLOCK_BYTES = 512
"""A tar archive is made of these."""
END = bytes(2 * BLOCK_BYTES)
"""Two empty blocks end it."""
DICTIONARY_BYTES = 16 << 20
"""Of the compressor: a reader needs as much memory."""
_MEMORY_BYTES = DICTIONARY_BYTES + (4 << 20)  # xz's own tables are some 100 KiB
_CHUNK_BYTES = 64 << 10

_HINT = "copy it again, or build it again with `edgekit build`"


def is_native(file: File) -> bool:
    """Tell whether a file is native code."""
    return file.path.endswith(".so")


def in_archive_order(files: Iterable[File]) -> list[File]:
    """Return the files of a manifest in the order of the archive."""
    return sorted(files, key=lambda file: (is_native(file), file.path))


class BundleArchive:
    """One pass over a bundle: first the manifest, then its files in order."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Read the manifest from an open file; `name` names it in errors. Raises VerificationFailed."""
        self._name = name
        self._content = _Decompressed(file, name)
        size_bytes = self._header(MANIFEST_NAME)
        if size_bytes > LARGEST_MANIFEST_BYTES:
            raise VerificationFailed(
                f"{name}: `{MANIFEST_NAME}` has {size_bytes} bytes: at most {LARGEST_MANIFEST_BYTES}"
            )
        self.manifest_bytes = b"".join(self._body(size_bytes))
        self.manifest: Manifest = read_manifest(self.manifest_bytes, name)

    def files(self) -> Iterator[tuple[File, Iterator[bytes]]]:
        """
        Yield every file with its content in chunks; what is left of a file's chunks is read before the next.

        Raises VerificationFailed at the first thing that is not as the manifest says, at the latest at the end.
        """
        for file in in_archive_order(self.manifest.files):
            size_bytes = self._header(file.path)
            if size_bytes != file.size:
                raise self._wrong(
                    f"`{file.path}` has {size_bytes} bytes: {file.size} in the manifest"
                )
            chunks = self._checked(file)
            yield file, chunks
            for _ in chunks:
                pass
        if self._content.read(len(END)) != END:
            raise self._wrong("it holds more than the manifest names")
        self._content.finish()

    def verify(self) -> None:
        """Read everything; raise VerificationFailed if anything is not as the manifest says."""
        for _file, _chunks in self.files():
            pass

    def extract(self, folder: Path) -> None:
        """
        Unpack everything, verified, into a folder that is not there yet; on any failure nothing of it is left.

        Files and folders get the rights that the process gives new ones; every file is on the disk before this returns.
        """
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            raise EdgeKitError(
                f"`{folder}` is there already", hint="name a folder that is not there yet"
            ) from None
        except OSError as error:
            raise EdgeKitError(f"cannot make `{folder}`: {error.strerror}") from error
        try:
            self._extract(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _extract(self, folder: Path) -> None:
        try:
            _write(folder / MANIFEST_NAME, iter((self.manifest_bytes,)))
            for file, chunks in self.files():
                path = folder / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, chunks)
        except OSError as error:
            raise EdgeKitError(
                f"cannot unpack {self._name} to `{folder}`: {error.strerror or error}"
            ) from error

    def _checked(self, file: File) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in self._body(file.size):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != file.sha256:
            raise self._wrong(f"`{file.path}` does not have the digest in the manifest")

    def _header(self, path: str) -> int:
        """Read one header; return the size of the file `path`, which must be next."""
        block = self._content.read(BLOCK_BYTES)
        try:
            entry = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
            plain = entry.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict") == block
        except (tarfile.HeaderError, ValueError):
            raise self._wrong(f"`{path}` does not follow where it should") from None
        # the type as it stands: `isreg` takes old and odd ones for files too
        if not plain or entry.type != tarfile.REGTYPE or entry.name != path or entry.size < 0:
            raise self._wrong(f"`{path}` should follow as a regular file, `{entry.name[:99]}` does")
        return entry.size

    def _body(self, size_bytes: int) -> Iterator[bytes]:
        left = size_bytes
        while left:
            chunk = self._content.read(min(left, _CHUNK_BYTES))
            left -= len(chunk)
            yield chunk
        padding = -size_bytes % BLOCK_BYTES
        if self._content.read(padding) != bytes(padding):
            raise self._wrong("there is something between two files")

    def _wrong(self, what: str) -> VerificationFailed:
        return VerificationFailed(
            f"{self._name} is no bundle as EdgeKit makes it: {what}", hint=_HINT
        )


class _Decompressed:
    """The content of an xz file: of all its streams, one behind the other."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._xz = _decompressor()

    def read(self, size_bytes: int) -> bytes:
        """Return exactly so many bytes. Raises VerificationFailed if there are not as many."""
        parts = []
        left = size_bytes
        while left:
            part = self._some(left)
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def finish(self) -> None:
        """Read the end of the last stream, with its check sums. Raises VerificationFailed if there is more."""
        while not self._xz.eof:
            if self._some(1):
                raise VerificationFailed(f"{self._name} holds more than a bundle", hint=_HINT)
        if self._xz.unused_data or self._read():
            raise VerificationFailed(f"{self._name} goes on behind its end", hint=_HINT)

    def _some(self, most_bytes: int) -> bytes:
        """Return some bytes, or none where nothing but a piece of xz's own was read."""
        data = b""
        if self._xz.eof:
            data = self._xz.unused_data
            self._xz = _decompressor()
        if self._xz.needs_input and not data:
            data = self._read()
            if not data:
                raise VerificationFailed(f"{self._name} ends early", hint=_HINT)
        try:
            return self._xz.decompress(data, most_bytes)
        except (lzma.LZMAError, MemoryError) as error:
            raise VerificationFailed(
                f"{self._name} is damaged, or no bundle: {_lower(error)}", hint=_HINT
            ) from None

    def _read(self) -> bytes:
        try:
            return self._file.read(_CHUNK_BYTES)
        except OSError as error:
            raise EdgeKitError(f"cannot read {self._name}: {error.strerror}") from error


def _decompressor() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_BYTES)


def _lower(error: BaseException) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    """Write a new file, to the disk; one that is there already is an error and is left alone."""
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o644
    )
    with contextlib.closing(os.fdopen(descriptor, "wb")) as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
