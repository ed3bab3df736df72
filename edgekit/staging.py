"""From a project and its compiled model to what the agent runs: agent.json and the archive beside it."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from edge_agent import config, schema
from edge_agent.config.sinks import CREDENTIAL
from edgekit.errors import ConfigError
from edgekit.project import StreamInput
from edgekit.state import STATUS_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.model.compile import CompiledModel
    from edgekit.project import Project
    from edgekit.state import State

ARCHIVE_NAME = "model.nnef.tar"
_KEPT_S = 24 * 3600.0


def agent_config(
    project: Project, folder: Path, compiled: CompiledModel, source: config.Source
) -> config.AgentConfig:
    """
    Resolve a stream project for an agent on this machine; its paths become absolute.

    A project without a sink shows what happens in the terminal.
    """
    stream = project.input
    if not isinstance(stream, StreamInput):
        raise TypeError("only streams have an agent")
    if isinstance(source, config.ReplaySource):
        source = replace(source, path=str((folder / source.path).absolute()))
    if isinstance(source, config.PluginSource):
        source = replace(source, package=str((folder / source.package).absolute()))
    try:
        return _resolved(project, folder, compiled, stream, source)
    except ValueError as error:  # parts that do not go together, each of them right by itself
        raise ConfigError(str(error), hint="change it in edgekit.toml") from None


def _resolved(
    project: Project,
    folder: Path,
    compiled: CompiledModel,
    stream: StreamInput,
    source: config.Source,
) -> config.AgentConfig:
    return config.AgentConfig(
        name=project.project.name,
        version=project.project.version,
        model=config.Archive(
            path=ARCHIVE_NAME,
            sha256=compiled.sha256,
            engine=compiled.engine,
            registries=compiled.registries,
            mode=compiled.mode,
            unproven=compiled.unproven,
        ),
        labels=compiled.labels,
        input=config.Stream(
            **{item.name: getattr(stream, item.name) for item in fields(config.Stream)}
        ),
        output=config.Output(kind=project.output.kind),
        source=source,
        decision=project.decision,
        sinks=tuple(_absolute(sink, folder) for sink in project.sink) or (config.TerminalSink(),),
        budget=project.budget,
    )


def stage(agent: config.AgentConfig, archive: bytes, state: State) -> Path:
    """
    Write the archive, then the agent.json that names it; return the path of agent.json.

    Each configuration has a folder of its own, named by its content: two runs at once never read each other's.
    """
    text = schema.to_text(agent).encode()
    folder = state.run_folder / hashlib.sha256(text).hexdigest()[:16]
    state.write(folder / ARCHIVE_NAME, archive)
    state.write(folder / "agent.json", text)
    _drop_old(state.run_folder)
    return folder / "agent.json"


def _drop_old(runs: Path) -> None:
    """Remove what was staged long ago; not what an agent may still be writing its status to."""
    long_ago_s = time.time() - _KEPT_S
    for folder in runs.iterdir():
        status = folder / STATUS_NAME
        newest = status if status.exists() else folder
        if newest.stat().st_mtime < long_ago_s:
            shutil.rmtree(folder, ignore_errors=True)


def _absolute(sink: config.Sink, folder: Path) -> config.Sink:
    """Make the paths of a sink independent of the working folder; what is no path stays."""
    if isinstance(sink, config.JsonlSink):
        return replace(sink, path=str((folder / sink.path).absolute()))
    if isinstance(sink, config.CommandSink) and "/" in sink.command[0]:
        program = str((folder / sink.command[0]).absolute())
        return replace(sink, command=(program, *sink.command[1:]))
    if isinstance(sink, config.MqttSink):
        return replace(
            sink,
            password_file=_absolute_file(sink.password_file, folder),
            ca_file=_absolute_file(sink.ca_file, folder),
            cert_file=_absolute_file(sink.cert_file, folder),
            key_file=_absolute_file(sink.key_file, folder),
        )
    return sink


def _absolute_file(file: str | None, folder: Path) -> str | None:
    if file is None or file.startswith(CREDENTIAL):
        return file
    return str((folder / file).absolute())
