"""Staging: what `edgekit run` hands to the agent is what the agent reads."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from edge_agent import config
from edge_agent.schema import read_agent_config
from edgekit.project import Project
from edgekit.staging import agent_config, stage
from edgekit.state import State

if TYPE_CHECKING:
    import pytest

    from edgekit.model.compile import CompiledModel

TEXT = """\
[project]
name = "gait"
[model]
path = "gait.onnx"
labels = ["still", "walk"]
[input]
channels = ["ax", "ay"]
rate_hz = 50
window = 128
hop = 16
scale = 0.001
on_bad = "hold"
[source]
kind = "replay"
path = "walk.csv"
[decision]
threshold = { walk = 0.8 }
"""
COMPILED = cast(
    "CompiledModel",
    SimpleNamespace(
        sha256=hashlib.sha256(b"archive").hexdigest(),
        engine="tract 0.23.9",
        mode="incremental",
        unproven="",
        registries=("tract_nnef",),
        labels=("still", "walk"),
    ),
)


def _project(folder: Path, text: str = TEXT) -> Project:
    (folder / "edgekit.toml").write_text(text)
    return Project.load(folder)


def _agent(folder: Path, text: str = TEXT) -> config.AgentConfig:
    project = _project(folder, text)
    assert project.source is not None
    return agent_config(project, folder, COMPILED, project.source)


def test_the_agent_reads_what_was_staged(tmp_path: Path) -> None:
    """agent.json comes back equal, with the archive that it names beside it."""
    agent = _agent(tmp_path)

    path = stage(agent, b"archive", State(tmp_path))

    assert read_agent_config(path) == agent
    assert (path.parent / agent.model.path).read_bytes() == b"archive"
    assert agent.input == config.Stream(
        channels=("ax", "ay"), rate_hz=50.0, window=128, hop=16, on_bad="hold"
    )
    assert agent.decision.threshold == {"walk": 0.8}


def test_two_runs_at_once_do_not_meet(tmp_path: Path) -> None:
    """Another recording is another folder; the same configuration is the same one; what is a day old goes."""
    state = State(tmp_path)
    agent = _agent(tmp_path)
    other = replace(agent, source=config.ReplaySource(path="/other.csv"))

    first, second, again = (stage(item, b"archive", state) for item in (agent, other, agent))
    os.utime(second.parent, (1.0, 1.0))
    stage(agent, b"archive", state)

    assert first == again != second
    assert read_agent_config(first) == agent
    assert not second.exists()


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent runs in the user's folder, the paths are relative to the project's."""
    monkeypatch.chdir(tmp_path)
    text = TEXT + '[[sink]]\nkind = "jsonl"\npath = "out.jsonl"\n'
    (tmp_path / "p").mkdir()
    project = _project(tmp_path / "p", text)
    source = cast("config.Source", project.source)

    agent = agent_config(project, Path("p"), COMPILED, source)

    assert agent.source == config.ReplaySource(path=str(tmp_path / "p" / "walk.csv"))
    assert agent.sinks == (config.JsonlSink(path=str(tmp_path / "p" / "out.jsonl")),)


def test_without_a_sink_the_terminal_shows_what_happens(tmp_path: Path) -> None:
    """A run that shows nothing helps nobody."""
    assert _agent(tmp_path).sinks == (config.TerminalSink(),)
