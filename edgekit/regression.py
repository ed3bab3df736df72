"""
Regression cases of a project: recordings with what the pipeline made of them on the day they were added.

    tests/<name>/recording.csv (or .jsonl, .wav)    tests/<name>/expected.jsonl    as the agent's JSONL sink writes it
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgekit.errors import ConfigError, EdgeKitError

FOLDER: Final = "tests"
_EXPECTED: Final = "expected.jsonl"
_STEM: Final = "recording"


@dataclass(frozen=True, kw_only=True)
class RegressionCase:
    """One recording and what is expected of it."""

    name: str
    recording: Path
    expected: Path


def cases(project: Path) -> tuple[RegressionCase, ...]:
    """Return the cases of the project in a folder, by name. Raises ConfigError for one without a recording."""
    found = []
    for expected in sorted((project / FOLDER).glob(f"*/{_EXPECTED}")):
        if expected.parent.name.startswith("."):
            continue  # one that was being added when the power went
        recordings = sorted(expected.parent.glob(f"{_STEM}.*"))
        if len(recordings) != 1:
            raise ConfigError(
                f"the case `{expected.parent}` has {len(recordings)} files named `{_STEM}.*`: one is needed",
                hint="remove the folder and add the case again: `edgekit test --add RECORDING`",
            )
        found.append(
            RegressionCase(name=expected.parent.name, recording=recordings[0], expected=expected)
        )
    return tuple(found)


def check_new(project: Path, recording: Path) -> str:
    """Return the name that a recording gets as a case. Raises ConfigError if it is one already."""
    name = re.sub("[^a-z0-9]+", "-", recording.stem.lower()).strip("-") or _STEM
    if recording.suffix.lower() not in {".csv", ".jsonl", ".wav"}:
        raise ConfigError(
            f"`{recording}` is no recording: its name must end in .csv, .jsonl or .wav",
            hint="give the file the right ending",
        )
    digest = _digest(recording)
    for case in cases(project):
        if _digest(case.recording) == digest:
            raise ConfigError(
                f"`{recording}` is the case `{case.name}` already",
                hint=f"if other outputs are meant now, remove `{case.recording.parent}` first",
            )
    if (project / FOLDER / name).exists():
        raise ConfigError(
            f"there is a `{project / FOLDER / name}` already, with another recording",
            hint="give the recording another name, or remove that folder",
        )
    return name


def add_case(project: Path, recording: Path, expected: str) -> RegressionCase:
    """Keep a copy of a recording with the lines that the agent wrote for it; whole or not at all."""
    name = check_new(project, recording)
    folder = project / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
            fresh = Path(part) / name
            fresh.mkdir()
            shutil.copyfile(recording, fresh / f"{_STEM}{recording.suffix.lower()}")
            (fresh / _EXPECTED).write_text(expected, encoding="utf-8")
            fresh.rename(folder / name)
    except OSError as error:
        raise EdgeKitError(f"cannot add `{folder / name}`: {error.strerror or error}") from error
    return next(case for case in cases(project) if case.name == name)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"cannot read `{path}`: {error.strerror}") from None
