"""
What the agent on a device is told: the project's own settings, with paths that mean something there.

Relative paths of sinks stay relative: to the device's state folder. A recording that the project replays goes along, cut
to a size that suits a bundle, so that a project without a sensor yet can be tried on its board.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from edge_agent import config
from edge_agent.config.sinks import CREDENTIAL
from edgekit.bundle.contents import RECORDING_STEM, SITE
from edgekit.errors import ConfigError, DataError
from edgekit.external_files import is_regular
from edgekit.staging import agent_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.board import Board
    from edgekit.model.compile import CompiledModel
    from edgekit.project import Project

LARGEST_RECORDING_BYTES = 2 << 20


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """agent.json for a device, and what goes along because of it."""

    agent: config.AgentConfig
    files: dict[str, bytes]
    """The recording, if there is one, by path."""
    notes: tuple[str, ...]


def device_config(
    project: Project, folder: Path, compiled: CompiledModel, board: Board
) -> DeviceConfig:
    """
    Resolve a stream project for a device.

    Raises ConfigError for a sink outside of the device's folders, DataError for a recording that cannot be read.
    """
    source, files, notes = _source(project, folder)
    agent = agent_config(project, folder, compiled, source)
    agent = replace(
        agent,
        source=source,
        sinks=tuple(map(_checked, project.sink)) or (config.TerminalSink(),),
        board=_facts(board),
    )
    stay = tuple(note for sink in project.sink for note in _staying_behind(sink))
    return DeviceConfig(agent=agent, files=files, notes=notes + stay)


def _source(
    project: Project, folder: Path
) -> tuple[config.Source, dict[str, bytes], tuple[str, ...]]:
    source = project.source
    if isinstance(source, config.ReplaySource):
        data, notes = _recording(folder / source.path, source.path)
        name = f"{RECORDING_STEM}{Path(source.path).suffix.lower()}"
        return replace(source, path=name), {name: data}, notes
    if isinstance(source, config.PluginSource):
        package = f"{SITE}/{PurePosixPath(source.package).name}"
        return replace(source, package=package), {}, ()
    if source is None or isinstance(source, config.StdinSource):
        missing = "there is no [source]" if source is None else "the source is standard input"
        note = f"{missing}: a service gets nothing to read; name the device's sensor in [source]"
        return source or config.StdinSource(), {}, (note,)
    return source, {}, ()


def _recording(path: Path, shown: str) -> tuple[bytes, tuple[str, ...]]:
    """Return as many whole lines of a recording as go along, and notes on that."""
    try:
        if not is_regular(path):
            raise DataError(
                f"the recording `{shown}` is no file, so it cannot go along",
                hint="see `source.path`, or name the device's sensor in [source]",
            )
        with path.open("rb") as file:
            data = file.read(LARGEST_RECORDING_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot read the recording `{shown}`: {error.strerror}") from error
    note = f"the source is a recording: the device will play `{shown}`, which goes along; name its sensor in [source] when it has one"
    if len(data) <= LARGEST_RECORDING_BYTES:
        return data, (note,)
    cut = data[: data.rfind(b"\n", 0, LARGEST_RECORDING_BYTES) + 1]
    return cut, (f"{note}; only its first {len(cut) / (1 << 20):.1f} MiB do",)


def _checked(sink: config.Sink) -> config.Sink:
    """Refuse a path that leaves the device's state folder: the service may not write there."""
    if isinstance(sink, config.JsonlSink) and ".." in PurePosixPath(sink.path).parts:
        raise ConfigError(
            f"the path `{sink.path}` of a sink leads out of the device's state folder",
            hint="write it without `..`; on the device it is relative to the service's own folder",
        )
    return sink


def _staying_behind(sink: config.Sink) -> Iterator[str]:
    """Yield a note for every file that a sink names by a relative path: secrets and programs are the device's own."""
    named: dict[str, str | None] = {}
    if isinstance(sink, config.CommandSink) and "/" in sink.command[0]:
        named["command"] = sink.command[0]
    elif isinstance(sink, config.MqttSink):
        keys = ("password_file", "ca_file", "cert_file", "key_file")
        named = {key: getattr(sink, key) for key in keys}
    for key, path in named.items():
        if path is not None and not path.startswith(("/", CREDENTIAL)):
            yield (
                f"`{path}` (`sink.{key}`) does not go along: put it into the device's state folder, "
                "or name it by an absolute path"
            )


def _facts(board: Board) -> config.BoardFacts | None:
    """Return what the agent needs to know of its board; None where that is unknown, or is the host's."""
    if board.is_host or board.cores is None or board.memory_mib is None:
        return None
    power = board.power
    model = None
    if (
        power.idle_mw is not None
        and power.core_mw is not None
        and power.uncertainty_percent is not None
        and power.source is not None
    ):
        model = config.PowerModel(
            idle_mw=float(power.idle_mw),
            core_mw=float(power.core_mw),
            uncertainty_percent=float(power.uncertainty_percent),
            source=power.source,
        )
    return config.BoardFacts(
        id=board.id, cores=board.cores, memory_mib=board.memory_mib, power=model
    )
