"""
From a project, its proven model and a device wheel to the contents of a bundle.

Layout: manifest.json, agent.json (streams only), model.nnef.tar, model.json, vectors.bin, proof.json, NOTICE, licences/, and
site/ with everything that Python imports. No time, no path of this machine and no random number goes in.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from edge_agent import config, model_facts, schema, vectors
from edge_agent.manifest import LEAST_PYTHON, Manifest
from edgekit.bundle import notice, vendored
from edgekit.bundle.agent_files import agent_files, plugin_files
from edgekit.bundle.contents import SITE, Contents, list_files
from edgekit.bundle.device_config import device_config
from edgekit.bundle.wheels import Distribution, read_wheel
from edgekit.errors import ConfigError, ToolError
from edgekit.model.proof.proof import TIMED
from edgekit.model.vectors import facts_of, vectors_of
from edgekit.project import StreamInput
from edgekit.resources import version
from edgekit.staging import ARCHIVE_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.board import Board
    from edgekit.model.compile import CompiledModel
    from edgekit.model.recorded import Floats
    from edgekit.project import Project


def assemble(  # noqa: PLR0913 (all that a bundle is made of)
    project: Project,
    folder: Path,
    compiled: CompiledModel,
    board: Board,
    wheel: Path,
    *,
    glibc: str | None,
    recorded: Floats | None = None,
    offline: bool = False,
) -> Contents:
    """
    Put a bundle together; nothing is written.

    `wheel` is the device wheel and `glibc` the oldest one it loads with; `recorded` are windows `[n, window, channels]`
    that become test vectors. Raises ConfigError, DataError, ToolError (a package that cannot be fetched) and
    VerificationFailed (one that is not what is locked).
    """
    distributions = [_read(wheel), *_vendored(project, offline=offline)]
    files = _model_files(compiled, recorded)
    notes: tuple[str, ...] = ()
    if isinstance(project.input, StreamInput):
        device = device_config(project, folder, compiled, board)
        files["agent.json"] = schema.to_text(device.agent).encode()
        files |= device.files
        notes = device.notes
    site = agent_files()
    if isinstance(project.source, config.PluginSource):
        own, more = plugin_files(project.source, folder)
        site |= own
        notes += more
    for item in distributions:
        site |= item.files
    files |= {f"{SITE}/{path}": data for path, data in site.items()}
    files |= _licences(project, distributions)
    try:
        manifest = _manifest(project, compiled, board, glibc, files)
    except ValueError as error:
        raise ConfigError(
            f"this cannot be shipped: {error}", hint="give the file another name, or leave it out"
        ) from None
    return Contents(files=files, manifest=manifest, notes=notes)


def _read(wheel: Path) -> Distribution:
    try:
        return read_wheel(wheel.read_bytes(), wheel.name)
    except OSError as error:
        raise ToolError(f"cannot read the device wheel `{wheel}`: {error.strerror}") from error


def _vendored(project: Project, *, offline: bool) -> list[Distribution]:
    kinds = [f"sink.{sink.kind}" for sink in project.sink]
    if project.source is not None:
        kinds.append(f"source.{project.source.kind}")
    found = []
    for package in vendored.needed(kinds):
        item = read_wheel(vendored.fetch(package, offline=offline), package.file)
        found.append(
            replace(item, licence=package.licence)
        )  # older metadata has no SPDX expression
    return found


def _model_files(compiled: CompiledModel, recorded: Floats | None) -> dict[str, bytes]:
    facts = {key: value for key, value in compiled.proof.to_json().items() if key not in TIMED}
    proof = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return {
        ARCHIVE_NAME: compiled.archive,
        model_facts.FILE_NAME: model_facts.to_text(facts_of(compiled)).encode(),
        vectors.FILE_NAME: vectors.write_vectors(vectors_of(compiled, recorded)),
        "proof.json": f"{proof}\n".encode(),
    }


def _licences(project: Project, distributions: list[Distribution]) -> dict[str, bytes]:
    own = notice.own_licences()
    plugin = None
    if isinstance(project.source, config.PluginSource):
        plugin = PurePath(project.source.package).name
    text = notice.notice(distributions, own, model=PurePath(project.model.path).name, plugin=plugin)
    return {**own, notice.NAME: text}


def _manifest(
    project: Project,
    compiled: CompiledModel,
    board: Board,
    glibc: str | None,
    files: dict[str, bytes],
) -> Manifest:
    return Manifest(
        name=project.project.name,
        version=project.project.version,
        edgekit=version(),
        board=board.id,
        target=board.target,
        cpu=board.cpu,
        glibc=glibc,
        python=LEAST_PYTHON,
        engine=compiled.engine,
        registries=compiled.registries,
        about=_about(compiled),
        files=list_files(files),
    )


def _about(compiled: CompiledModel) -> dict[str, str]:
    about: dict[str, str] = {"verdict": compiled.proof.verdict, "mode": compiled.mode}
    if compiled.unproven:
        about["unproven"] = compiled.unproven
    return about
