"""Files that a sink must not be: what the project reads, EdgeKit's own folder, another sink's file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.config import JsonlSink, MqttSink, ReplaySource
from edge_agent.config.sinks import CREDENTIAL
from edgekit.external_files import external_files, is_regular
from edgekit.state import FOLDER_NAME
from edgekit.validation import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.project import Project

    Identity = tuple[int, int] | str


def problems_of_sinks(project: Project, file: Path) -> Iterator[Problem]:
    """Find the sinks of an edgekit.toml (`file`) that would write over something, whatever their paths look like."""
    sinks = [(index, sink) for index, sink in enumerate(project.sink)]
    paths = {index: sink.path for index, sink in sinks if isinstance(sink, JsonlSink)}
    if not paths:
        return
    taken = {_identity(path): what for path, what in _read(project, file)}
    own = _resolved(file.parent / FOLDER_NAME)
    for index, path in paths.items():
        target = file.parent / path
        if target.exists() and not is_regular(target):
            continue  # a terminal or a pipe keeps nothing
        identity = _identity(target)
        if identity in taken:
            message = f"is `{path}`, {taken[identity]}: it would be written over"
        elif Path(_resolved(target)).is_relative_to(own):
            message = f"is `{path}`, in EdgeKit's own folder: that may be deleted at any time"
        else:
            taken[identity] = "the file of another sink"
            continue
        yield Problem(("sink", index, "path"), message, "give the sink a file of its own")


def is_written(path: Path, project: Project, folder: Path) -> bool:
    """Tell whether a sink of the project in `folder` writes to this very file."""
    sinks = [sink for sink in project.sink if isinstance(sink, JsonlSink)]
    return _identity(path) in {_identity(folder / sink.path) for sink in sinks}


def _read(project: Project, file: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files that the project reads, and what they are to it."""
    folder = file.parent
    model = folder / project.model.path
    yield from ((path, "the model's external data") for path in external_files(model))
    for path, what in (
        (project.test.golden if project.test is not None else None, "the golden record"),
        (project.test.data if project.test is not None else None, "a recording that is read"),
        (
            project.source.path if isinstance(project.source, ReplaySource) else None,
            "a recording that is read",
        ),
    ):
        if path is not None:
            yield folder / path, what
    for sink in project.sink:
        if isinstance(sink, MqttSink):
            for path in (sink.password_file, sink.ca_file, sink.cert_file, sink.key_file):
                if path is not None and not path.startswith(CREDENTIAL):
                    yield folder / path, "a file that the mqtt sink reads"
    yield model, "the model"
    yield file, "the project itself"


def _identity(path: Path) -> Identity:
    """Return what two paths to one file have in common: links of both kinds are followed."""
    # before it is looked for: a folder in between may be made only by the sink
    resolved = _resolved(path)
    try:
        status = Path(resolved).stat()
    except (OSError, ValueError):
        return resolved
    return status.st_dev, status.st_ino


def _resolved(path: Path) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # no path at all, or links in a circle: whoever opens it says so
        return str(path)
