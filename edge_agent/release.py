"""A release: a bundle that lies unpacked in a folder, held against its manifest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_agent.errors import ConfigError, VerificationFailed
from edge_agent.manifest import MANIFEST_NAME, Manifest, read_manifest, release_id

if TYPE_CHECKING:
    from pathlib import Path

_AGAIN = "copy the bundle again, or build it again with `edgekit build`"


@dataclass(frozen=True, kw_only=True)
class Release:
    """An unpacked bundle whose files are those of its manifest."""

    id: str
    """Digest of the manifest."""
    manifest: Manifest


def verify_release(folder: Path) -> Release:
    """
    Check every file of an unpacked bundle.

    Files that the manifest does not name are left alone: Python puts its caches there. Raises ConfigError if the folder
    is no bundle, VerificationFailed for the first file that is not the one of the manifest.
    """
    path = folder / MANIFEST_NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"`{folder}` is no unpacked bundle: cannot read `{MANIFEST_NAME}`: {error.strerror}",
            hint="name the folder that the bundle was unpacked to",
        ) from None
    manifest = read_manifest(data, str(path))
    for file in manifest.files:
        _check(folder / file.path, file.size, file.sha256)
    return Release(id=release_id(data), manifest=manifest)


def _check(path: Path, size: int, sha256: str) -> None:
    try:
        if path.stat().st_size != size:
            found = f"has {path.stat().st_size} bytes, not {size}"
        else:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest == sha256:
                return
            found = f"has the SHA-256 {digest[:12]}…, not {sha256[:12]}…"
    except OSError as error:
        found = f"cannot be read: {error.strerror}"
    raise VerificationFailed(f"`{path}` is not the file of the manifest: it {found}", hint=_AGAIN)
