"""
The manifest of a bundle: what it is, what it needs, and every file with size and digest.

`format` is the version of this form. A reader knows the formats up to its own and refuses later ones with a sentence:
what an old reader must not overlook (a new need, another digest) makes a new format. What it may overlook goes into `about`, whose
keys are free, so a newer EdgeKit can say more without locking older devices out. All else is read strictly.

The release id is the digest of the manifest's bytes, so it names the content of every file as well.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import asdict, dataclass, field
from typing import Any

from edge_agent.config.checks import check
from edge_agent.errors import EdgeKitError, VerificationFailed
from edge_agent.schema import from_json

FORMAT = 1
MANIFEST_NAME = "manifest.json"
LEAST_PYTHON = "3.10"
"""The oldest Python that the agent runs on."""

LARGEST_MANIFEST_BYTES = 4 << 20
LARGEST_CONTENT_BYTES = 512 << 20
"""What all files of a bundle may have together: far more than a small board's model, far less than its card."""
MOST_FILES = 10_000
_LONGEST_PATH = (
    200  # characters; the archive's header holds 255, less where it must be split at a slash
)

_NAME = "[a-z0-9][a-z0-9-]{0,62}"
_SHA256 = "[0-9a-f]{64}"
_VERSION = r"\d{1,4}\.\d{1,4}"


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a bundle."""

    path: str
    """Relative to the bundle, with `/`, in normal form: nothing that leaves the folder it is unpacked to."""
    size: int
    """Bytes."""
    sha256: str

    def __post_init__(self) -> None:
        check_path(self.path)
        check(
            0 <= self.size <= LARGEST_CONTENT_BYTES,
            f"`size` of `{self.path}` is {self.size}: must be 0 to {LARGEST_CONTENT_BYTES}",
        )
        check(
            re.fullmatch(_SHA256, self.sha256) is not None,
            f"`sha256` of `{self.path}` is no digest",
        )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`manifest.json`, complete."""

    format: int = FORMAT
    name: str
    """Name of the project."""
    version: str
    """Version of the project."""
    edgekit: str
    """Version of EdgeKit that made it."""
    board: str
    """Id of the board that it was made for."""
    target: str
    """Rust triple of its native code."""
    cpu: str
    """Rust `target-cpu` of its native code."""
    glibc: str | None
    """Oldest glibc that it loads with; null where the target has none."""
    python: str = LEAST_PYTHON
    """Oldest Python that it runs on."""
    engine: str
    """Engine that the model needs, such as `tract 0.23.9`."""
    registries: tuple[str, ...]
    """Operator registries of the engine that the model needs."""
    signature: None = None
    """Nothing is signed yet; a signature will be a file beside the bundle, over this manifest."""
    about: dict[str, str] = field(default_factory=dict)
    """Facts that a reader may overlook, such as the proof's verdict."""
    files: tuple[File, ...]
    """Every other file, sorted by path."""

    def __post_init__(self) -> None:
        check(
            re.fullmatch(_NAME, self.name) is not None,
            f"`name` is `{self.name}`: no name of a project",
        )
        for key in ("glibc", "python"):
            value = getattr(self, key)
            check(
                value is None or re.fullmatch(_VERSION, value) is not None,
                f"`{key}` is `{value}`: must be like `3.10`",
            )
        _check_files(self.files)

    @property
    def content_bytes(self) -> int:
        """Sizes of all files together."""
        return sum(file.size for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as a JSON object."""
        return asdict(self)

    def to_bytes(self) -> bytes:
        """Return canonical JSON: equal manifests have equal bytes."""
        text = json.dumps(
            self.to_json(), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False
        )
        return text.encode() + b"\n"


def release_id(manifest: bytes) -> str:
    """Return the name of what the bytes of a manifest describe."""
    return hashlib.sha256(manifest).hexdigest()


def read_manifest(data: bytes, where: str) -> Manifest:
    """Read manifest.json. Raises VerificationFailed that names `where` it comes from and what is wrong."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise VerificationFailed(f"{where}: `{MANIFEST_NAME}` is no UTF-8 text") from None
    found = _format(text)
    if isinstance(found, int) and found > FORMAT:
        raise VerificationFailed(
            f"{where} has format {found}: this EdgeKit reads {FORMAT}",
            hint="it was made by a newer EdgeKit: update this one",
        )
    if found != FORMAT:
        raise VerificationFailed(f"{where}: `{MANIFEST_NAME}` is no manifest of a bundle")
    try:
        return from_json(Manifest, text, where=f"{where}: `{MANIFEST_NAME}`")
    except EdgeKitError as error:
        raise VerificationFailed(error.message, hint=error.hint) from None


def check_path(path: str) -> None:
    """Raise ValueError unless it is a plain relative path in normal form, the same on every file system."""
    parts = path.split("/")
    good = (
        0 < len(path) <= _LONGEST_PATH
        and path.isprintable()
        and "\\" not in path
        and unicodedata.normalize("NFC", path) == path
        and all(part not in {"", ".", ".."} and len(part.encode()) <= 100 for part in parts)  # noqa: PLR2004 (the header's field)
    )
    check(good, f"`path` is `{path[:_LONGEST_PATH]}`: must be a plain relative path")


def version_tuple(text: str) -> tuple[int, ...]:
    """Return `3.10` as numbers, to be compared."""
    return tuple(map(int, text.split(".")))


def _format(text: str) -> object:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = document.get("format") if isinstance(document, dict) else None
    return None if isinstance(found, bool) else found


def _check_files(files: tuple[File, ...]) -> None:
    check(0 < len(files) <= MOST_FILES, f"`files` has {len(files)}: must be 1 to {MOST_FILES}")
    paths = [file.path for file in files]
    check(paths == sorted(paths), "`files` is not sorted by path")
    names = {MANIFEST_NAME}
    for path in paths:
        # one file system tells `A` from `a`, another does not
        check(path.casefold() not in names, f"`files` has `{path}` twice")
        names.add(path.casefold())
    folders = {
        "/".join(parts[:count])
        for parts in (name.split("/") for name in names)
        for count in range(1, len(parts))
    }
    both = sorted(folders & names)
    check(not both, f"`files` has `{both[0] if both else ''}` as a file and as a folder")
    total = sum(file.size for file in files)
    check(
        total <= LARGEST_CONTENT_BYTES,
        f"`files` has {total} bytes together: at most {LARGEST_CONTENT_BYTES}",
    )
