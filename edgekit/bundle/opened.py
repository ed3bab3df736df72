"""A bundle that lies in a file."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.bundle_archive import BundleArchive
from edge_agent.manifest import Manifest, release_id
from edgekit.errors import ConfigError, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A file whose manifest could be read; what follows that is checked by `verify` and `extract`."""

    path: Path
    manifest: Manifest
    release_id: str
    """Digest of the manifest."""
    size_bytes: int
    """Of the file."""

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Read the manifest. Raises ConfigError if there is no such file, VerificationFailed if it is no sound bundle."""
        path = Path(path)
        with _archive(path) as archive:
            return cls(
                path=path,
                manifest=archive.manifest,
                release_id=release_id(archive.manifest_bytes),
                size_bytes=path.stat().st_size,
            )

    def verify(self) -> None:
        """Read everything; raise VerificationFailed if anything is not as the manifest says."""
        with self._same() as archive:
            archive.verify()

    def extract(self, folder: Path) -> None:
        """Unpack it, verified, into a folder that is not there yet; on any failure nothing is left."""
        with self._same() as archive:
            archive.extract(folder)

    def read(self, name: str) -> bytes | None:
        """Return one file, verified; None if the bundle has none of that name."""
        with self._same() as archive:
            for file, chunks in archive.files():
                if file.path == name:
                    return b"".join(chunks)
        return None

    @contextlib.contextmanager
    def _same(self) -> Iterator[BundleArchive]:
        with _archive(self.path) as archive:
            if release_id(archive.manifest_bytes) != self.release_id:
                raise VerificationFailed(f"`{self.path}` was replaced while it was being read")
            yield archive


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[BundleArchive]:
    try:
        if not path.is_file():  # a pipe would wait for ever
            reason = "is not a file" if path.exists() else "does not exist"
            raise ConfigError(
                f"`{path}` {reason}", hint="`edgekit build` writes bundles to `dist/`"
            )
        file = path.open("rb")
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot read `{path}`: {detail}") from None
    with file:
        yield BundleArchive(file, f"`{path}`")
