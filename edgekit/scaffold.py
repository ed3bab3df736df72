"""
The verb behind `edgekit init`: a folder with an edgekit.toml that is filled in as far as model and data tell.

Asks nothing. Every value says where it comes from, guesses say that they are guesses, and what nothing tells
is left to fill in rather than invented. On any failure no file and no folder is left behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit.atomic import write_file
from edgekit.deduction import propose
from edgekit.errors import ConfigError, EdgeKitError
from edgekit.json_schema import schema_text
from edgekit.project import FILE_NAME, Project
from edgekit.strict_toml import read_toml
from edgekit.survey import survey

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from edgekit.model.source import SourceModel
    from edgekit.proposal import Proposal

SCHEMA_NAME = "edgekit.schema.json"
LARGEST_COPY_BYTES = 100 << 20
"""Larger recordings stay where they are and are named by their path."""


@dataclass(frozen=True, kw_only=True)
class Scaffold:
    """What `init` made."""

    folder: Path
    files: tuple[Path, ...]
    """What was written, in order."""
    proposal: Proposal
    refusal: EdgeKitError | None = None
    """What `check` will refuse the model for, if that is seen already."""


def scaffold(folder: Path, *, model: Path | None = None, data: Path | None = None) -> Scaffold:
    """
    Make a project in `folder` (made if need be; never one that has an edgekit.toml).

    Raises ConfigError if that is not possible, ModelError or DataError if a file cannot be used.
    """
    target = folder / FILE_NAME
    _refuse(folder, target)
    for path in (model, data):
        _refuse_name(path)
    if model is not None and not model.exists():
        raise ConfigError(f"there is no model at `{model}`", hint="check the path after `--model`")
    source, sight, seen = None, None, None
    if model is not None:
        from edgekit.model.outline import outline  # noqa: PLC0415 (onnx takes a second to load)
        from edgekit.model.source import SourceModel  # noqa: PLC0415 (as above)

        source = SourceModel.load(model)
        sight = outline(source)
    if data is not None:
        seen = survey(data)
    made: list[Path] = []
    with contextlib.ExitStack() as undo:  # undoes all of it on any failure, Ctrl-C included
        _make_folder(folder, undo)
        model_name = _put_model(source, folder, undo, made) if source is not None else None
        data_name = _put_data(data, folder, undo, made) if data is not None else None
        proposal = propose(
            project_name(folder), model=sight, model_name=model_name, data=seen, data_name=data_name
        )
        schema = schema_text(Project, title="EdgeKit project")
        for path, text in ((folder / SCHEMA_NAME, schema), (target, proposal.text(SCHEMA_NAME))):
            undo.callback(path.unlink, missing_ok=True)
            write_file(path, text.encode())
            made.append(path)
        # what is written can be read, whatever names the files brought
        project = None
        if proposal.missing:
            read_toml(target)
        else:
            project = Project.load(target)
        undo.pop_all()
    return Scaffold(
        folder=folder,
        files=tuple(made),
        proposal=proposal,
        refusal=_foreseen(source, project) if source is not None else None,
    )


def _foreseen(source: SourceModel, project: Project | None) -> EdgeKitError | None:
    from edgekit.model.foresight import foreseen  # noqa: PLC0415 (onnx takes a second to load)

    return foreseen(source, project)


def project_name(folder: Path) -> str:
    """Make a project's name of its folder's: lower-case letters, digits and hyphens."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.absolute().resolve().name.lower()).strip("-")
    return name[:63].rstrip("-") or "project"


def _refuse(folder: Path, target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise ConfigError(
            f"`{target}` exists already",
            hint="choose another name, or edit that file: it is never overwritten",
        )
    if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
        raise ConfigError(f"`{folder}` is a file", hint="choose another name")


def _refuse_name(path: Path | None) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"the name of `{str(path).encode(errors='replace').decode()}` is not UTF-8, as TOML needs it",
            hint="rename the file",
        ) from error


def _make_folder(folder: Path, undo: ExitStack) -> None:
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        for path in reversed(new):
            path.mkdir()
            undo.callback(_remove_folder, path)
    except OSError as error:
        raise ConfigError(f"cannot make the folder `{folder}`: {error.strerror}") from error


def _remove_folder(path: Path) -> None:
    with contextlib.suppress(OSError):  # somebody else has put something in
        path.rmdir()


def _put_model(source: SourceModel, folder: Path, undo: ExitStack, made: list[Path]) -> str:
    """Write the model with its external data inside; return its name."""
    path = folder / source.path.name
    if _already_there(source.path, path):
        return path.name
    undo.callback(path.unlink, missing_ok=True)
    write_file(path, source.data)
    made.append(path)
    return path.name


def _put_data(data: Path, folder: Path, undo: ExitStack, made: list[Path]) -> str:
    """Copy the recording if it is not large; return its name, or its path."""
    path = folder / data.name
    if _already_there(data, path):
        return path.name
    if data.stat().st_size > LARGEST_COPY_BYTES:
        return str(data.absolute())
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    undo.callback(beside.unlink, missing_ok=True)
    undo.callback(path.unlink, missing_ok=True)
    try:
        shutil.copyfile(data, beside)
        beside.replace(path)
    except OSError as error:
        raise EdgeKitError(f"cannot copy `{data}` to `{path}`: {error.strerror}") from error
    made.append(path)
    return path.name


def _already_there(original: Path, path: Path) -> bool:
    """Whether the file lies in the project's folder already; another one of that name is never overwritten."""
    if not path.exists():
        return False
    if path.samefile(original) or path.read_bytes() == original.read_bytes():
        return True
    raise ConfigError(
        f"`{path}` exists already and is another file than `{original}`",
        hint="rename one of the two",
    )
