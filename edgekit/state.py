"""
What is known of a project besides its own files: the folder `.edgekit` beside edgekit.toml.

Everything in it can be deleted at any time; git leaves it alone. `state.json` remembers the last result of
each step with a fingerprint of what it was about, so that an old result is never shown as today's.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekit.atomic import write_file
from edgekit.errors import EdgeKitError

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.project import Project

FOLDER_NAME = ".edgekit"


@dataclass(frozen=True)
class State:
    """The folder `.edgekit` of the project in `folder`."""

    folder: Path

    @property
    def path(self) -> Path:
        """The folder itself; it may not be there."""
        return self.folder / FOLDER_NAME

    @property
    def run_folder(self) -> Path:
        """Where `edgekit run` stages what a device would get."""
        return self.path / "run"

    def write(self, path: Path, data: bytes) -> None:
        """Write a file below the folder, whole or not at all. Raises EdgeKitError."""
        self.hide()
        write_file(path, data)

    def hide(self) -> None:
        """Let git leave the folder alone. Raises EdgeKitError."""
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            write_file(ignore, b"*\n")

    def remember(self, step: str, fingerprint: str, facts: dict[str, Any]) -> None:
        """Keep the result of a step (`check`, `eval`); a folder that cannot be written keeps none."""
        known = {**self._read(), step: {"fingerprint": fingerprint, **facts}}
        try:
            self.write(self.path / "state.json", json.dumps(known, indent=2).encode())
        except EdgeKitError:
            return  # a read-only project can be checked all the same

    def recall(self, step: str, fingerprint: str) -> dict[str, Any] | None:
        """Return the last result of a step if it was about the same; None if there is none."""
        facts = self._read().get(step)
        if not isinstance(facts, dict) or facts.get("fingerprint") != fingerprint:
            return None
        return facts

    def last_run(self) -> tuple[dict[str, Any], float] | None:
        """Return what the agent last reported from here, and when (seconds since 1970); None if it never ran."""
        path = self.run_folder / "status.json"
        facts = _read_object(path)
        return None if facts is None else (facts, path.stat().st_mtime)

    def _read(self) -> dict[str, Any]:
        return _read_object(self.path / "state.json") or {}


def check_fingerprint(project: Project, folder: Path) -> str:
    """Return a digest of all that the proof depends on: the model's bytes and how it is used."""
    digest = hashlib.sha256(repr((project.model, project.input, project.output)).encode())
    digest.update(_content(folder / project.model.path))
    if project.test is not None and project.test.golden is not None:
        digest.update(_content(folder / project.test.golden))
    return digest.hexdigest()


def eval_fingerprint(project: Project, folder: Path) -> str:
    """Return a digest of all that an evaluation depends on; the recording counts by its size and age."""
    parts: list[object] = [
        check_fingerprint(project, folder),
        project.test,
        project.columns,
        project.decision,
    ]
    if project.recording is not None:
        try:
            found = (folder / project.recording).stat()
            parts += [found.st_size, found.st_mtime_ns]
        except OSError:
            parts.append("missing")
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b"missing"


def _read_object(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
