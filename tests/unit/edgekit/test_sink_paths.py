"""Sinks that would write over something are refused, however the path is written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from edgekit.errors import ConfigError
from edgekit.project import Project
from edgekit.sink_paths import is_written

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
[project]
name = "gait"
[model]
path = "gait.onnx"
[input]
channels = ["ax"]
rate_hz = 50
window = 128
hop = 16
[test]
data = "val.csv"
golden = "golden.npz"
[source]
kind = "replay"
path = "walk.csv"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a project whose model has its weights beside it; two links lead to the model."""
    entry = b"\x0a\x08location\x12\x09gait.data"
    (tmp_path / "gait.onnx").write_bytes(b"model" + entry)
    (tmp_path / "gait.data").write_bytes(b"weights")
    (tmp_path / "soft").symlink_to("gait.onnx")
    os.link(tmp_path / "gait.onnx", tmp_path / "hard")
    return tmp_path


def _load(folder: Path, *paths: str) -> Project:
    sinks = "".join(f'[[sink]]\nkind = "jsonl"\npath = "{path}"\n' for path in paths)
    (folder / "edgekit.toml").write_text(TEXT + sinks)
    return Project.load(folder)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("gait.onnx", "the model"),
        ("./gait.onnx", "the model"),
        ("logs/../gait.onnx", "the model"),
        ("soft", "the model"),
        ("hard", "the model"),
        ("gait.data", "the model's external data"),
        ("edgekit.toml", "the project itself"),
        ("./golden.npz", "the golden record"),
        ("./val.csv", "a recording that is read"),
        ("./walk.csv", "a recording that is read"),
        (".edgekit/run/agent.json", "in EdgeKit's own folder"),
        (".edgekit", "in EdgeKit's own folder"),
    ],
)
def test_a_sink_that_writes_over_something_is_refused(folder: Path, path: str, says: str) -> None:
    """With file, line and key, before anything is written."""
    with pytest.raises(ConfigError) as caught:
        _load(folder, "out.jsonl", path)

    line = TEXT.count("\n") + 6
    assert f"edgekit.toml:{line}: `sink[1].path` is `{path}`, {says}" in caught.value.message
    assert caught.value.hint == "give the sink a file of its own"


def test_two_sinks_have_two_files(folder: Path) -> None:
    """Lines of two writers would mix."""
    with pytest.raises(
        ConfigError, match=r"`sink\[1\]\.path` is `\./out\.jsonl`, the file of another"
    ):
        _load(folder, "out.jsonl", "./out.jsonl")


def test_other_files_are_fine(folder: Path) -> None:
    """Such as those of the last run, and what keeps nothing."""
    (folder / "out.jsonl").write_text("{}\n")

    assert len(_load(folder, "out.jsonl", "more/out.jsonl", "/dev/null", "/dev/null").sink) == 4


def test_a_replayed_file_is_no_sink(folder: Path) -> None:
    """What `--replay` names is known only then; the file of a sink is found through a link too."""
    project = _load(folder, "out.jsonl")
    (folder / "out.jsonl").write_text("")
    (folder / "link.jsonl").symlink_to("out.jsonl")

    assert is_written(folder / "out.jsonl", project, folder)
    assert is_written(folder / "link.jsonl", project, folder)
    assert not is_written(folder / "other.jsonl", project, folder)


@pytest.mark.parametrize("path", ["\\u0000", "a/\\u0000"])
def test_a_path_that_is_none_is_no_crash(folder: Path, path: str) -> None:
    """Whoever opens it says what is wrong."""
    _load(folder, path)
