"""What goes into a bundle, and how large its parts are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_agent.manifest import File

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_agent.manifest import Manifest

SITE = "site"
"""Folder of the bundle that is put on Python's path."""
LICENCES = "licences"
RECORDING_STEM = "recording"

_GROUPS = (
    ("engine", f"{SITE}/edgekit_runtime"),
    ("agent", f"{SITE}/edge_agent/"),
    ("model", "model."),
    ("test vectors and proof", "vectors.bin"),
    ("test vectors and proof", "proof.json"),
    ("recording", f"{RECORDING_STEM}."),
    ("licences", f"{LICENCES}/"),
    ("licences", "NOTICE"),
    ("configuration", "agent.json"),
    ("other packages", f"{SITE}/"),
)
"""Name of a group, and how the paths in it begin; the first that fits counts."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """All files of a bundle but the manifest, in memory, with the manifest that describes them."""

    files: Mapping[str, bytes]
    """By path."""
    manifest: Manifest
    notes: tuple[str, ...] = ()
    """What the user should know of how it was put together, a sentence each."""


@dataclass(frozen=True, kw_only=True)
class SizeRow:
    """One part of a bundle."""

    name: str
    files: int
    size_bytes: int
    """Unpacked."""


def list_files(files: Mapping[str, bytes]) -> tuple[File, ...]:
    """Return the manifest's list of files. Raises ValueError for a path that cannot be shipped."""
    return tuple(
        File(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for path, data in sorted(files.items())
    )


def size_table(files: Iterable[File]) -> tuple[SizeRow, ...]:
    """Return the parts of a bundle with their sizes, the largest first."""
    sizes: dict[str, list[int]] = {}
    for file in files:
        group = next((name for name, start in _GROUPS if file.path.startswith(start)), "other")
        sizes.setdefault(group, []).append(file.size)
    rows = [
        SizeRow(name=name, files=len(group), size_bytes=sum(group)) for name, group in sizes.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.size_bytes, row.name)))
