"""
Models with their proof, kept by content: the same model, project and versions need no conversion the second time.

An entry is one folder; a file that does not have the digest that the entry names makes the entry worthless, not wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import edgekit_runtime

from edgekit.model.proof.proof import Proof
from edgekit.resources import version

if TYPE_CHECKING:
    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.options import ModelOptions

_ENTRY: Final = "entry.json"
_ARCHIVE: Final = "model.nnef.tar"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model with its proof, whatever its verdict."""

    archive: bytes
    rewrites: tuple[str, ...]
    proof: Proof
    recorded: str
    """Digest of the recorded windows in the proof; empty without any."""


def key(sha256: str, spec: GraphSpec | None, options: ModelOptions, hop: int | None) -> str:
    """Return the name of an entry: a digest over everything that the result depends on but the recording."""
    parts = {
        "model": sha256,
        "spec": None if spec is None else spec.to_json(),
        "options": options.to_json(),
        "hop": hop,
        "edgekit": version(),
        "code": _code(),
        "runtime": [
            edgekit_runtime.__version__,
            *_build(),
            edgekit_runtime.engine().version,
            *edgekit_runtime.engine().registries,
        ],
        "onnxruntime": metadata.version("onnxruntime"),
        "onnx": metadata.version("onnx"),
        "litert": _version("ai-edge-litert"),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _version(distribution: str) -> str | None:
    """Return the version of an extra; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def load(folder: Path, name: str) -> Entry | None:
    """Return an entry; None if there is none or if it is damaged (then it is removed)."""
    place = folder / name
    try:
        entry = json.loads((place / _ENTRY).read_bytes())
        archive = (place / _ARCHIVE).read_bytes()
        if (
            hashlib.sha256(archive).hexdigest() == entry["sha256"]
            and _digest(entry["content"]) == entry["digest"]
        ):
            content = entry["content"]
            return Entry(
                archive=archive,
                rewrites=tuple(content["rewrites"]),
                proof=Proof.from_json(content["proof"]),
                recorded=content["recorded"],
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        pass  # damaged: made again
    shutil.rmtree(place, ignore_errors=True)
    return None


def store(folder: Path, name: str, entry: Entry) -> None:
    """Write an entry, whole or not at all; a cache that cannot be written is no error."""
    content = {
        "rewrites": list(entry.rewrites),
        "proof": entry.proof.to_json(),
        "recorded": entry.recorded,
    }
    table = {
        "sha256": hashlib.sha256(entry.archive).hexdigest(),
        "digest": _digest(content),
        "content": content,
    }
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
            fresh = Path(part) / name
            fresh.mkdir()
            _write(fresh / _ARCHIVE, entry.archive)
            _write(fresh / _ENTRY, json.dumps(table).encode())
            shutil.rmtree(folder / name, ignore_errors=True)
            fresh.rename(
                folder / name
            )  # fails where another command was quicker: its entry is as good


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _build() -> list[str]:
    """Return what tells one build of the engine from another of the same version."""
    folder = Path(str(edgekit_runtime.__file__)).parent
    found = [(file.name, file.stat()) for file in sorted(folder.glob("_native.*"))]
    return [f"{name} {facts.st_size} {facts.st_mtime_ns}" for name, facts in found]


@cache
def _code() -> str:
    """Return a digest of the modules that prepare and prove: an edit of them makes old entries unreachable."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
