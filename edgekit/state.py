"""
What is known of a project besides its own files: the folder `.edgekit` beside edgekit.toml.

Everything in it can be deleted at any time; git leaves it alone. `state.json` remembers the last result of
each step with a fingerprint of what it was about, so that an old result is never shown as today's.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from edgekit.atomic import write_file
from edgekit.errors import EdgeKitError
from edgekit.external_files import external_files, is_regular
from edgekit.resources import version

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.project import Project

FOLDER_NAME = ".edgekit"
STATUS_NAME = "status.json"


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
        """Where `edgekit run` stages what a device would get: a folder a configuration, its status beside it."""
        return self.path / "run"

    @property
    def agent_folder(self) -> Path:
        """What an agent that runs here keeps from run to run: what waits for the network."""
        return self.path / "agent"

    def write(self, path: Path, data: bytes) -> None:
        """Write a file below the folder, whole or not at all. Raises EdgeKitError."""
        self.hide()
        write_file(path, data)

    def hide(self) -> None:
        """Let git leave the folder alone. Raises EdgeKitError."""
        if self.path.exists() and not self.path.is_dir():
            raise EdgeKitError(
                f"`{self.path}` is a file: EdgeKit keeps its own files in a folder of that name",
                hint=f"move it away: `mv {shlex.quote(str(self.path))} {shlex.quote(str(self.path.with_name('edgekit-old')))}`",
            )
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
        found = [(path.stat().st_mtime, path) for path in self.run_folder.glob(f"*/{STATUS_NAME}")]
        if not found:
            return None
        written_s, path = max(found)
        facts = _read_object(path)
        return None if facts is None else (facts, written_s)

    def _read(self) -> dict[str, Any]:
        return _read_object(self.path / "state.json") or {}


def check_fingerprint(project: Project, folder: Path) -> str:
    """
    Return a digest of all that the proof depends on: the model's bytes, how it is used, and who judges it.

    The recording and the model's external data count by their size and age.
    """
    model = folder / project.model.path
    parts: list[object] = [project.model, project.input, project.output, _content(model)]
    parts += [_size_and_age(path) for path in external_files(model)]
    if project.test is not None and project.test.golden is not None:
        parts.append(_content(folder / project.test.golden))
    if project.recording is not None:
        parts.append(_size_and_age(folder / project.recording))
    parts += [project.columns, version(), *map(_version, ("edgekit-runtime", "onnxruntime"))]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def eval_fingerprint(project: Project, folder: Path) -> str:
    """Return a digest of all that an evaluation depends on."""
    parts = [check_fingerprint(project, folder), project.test, project.decision]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _content(path: Path) -> bytes:
    try:
        if is_regular(path):
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        pass  # it went away in between
    return b"missing"


def _size_and_age(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _read_object(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
