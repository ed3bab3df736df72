"""Bundles of real projects: the same in every folder, complete, and nothing of this machine in them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import edgekit_runtime
import numpy as np
import pytest

from edge_agent.config import ReplaySource, StdinSource
from edge_agent.model_facts import read_model_facts
from edge_agent.schema import read_agent_config
from edge_agent.vectors import read_vectors
from edgekit.board import find_board
from edgekit.bundle import Bundle, write_bundle
from edgekit.bundle.assemble import assemble
from edgekit.model.compile import compile_project
from edgekit.project import Project

if TYPE_CHECKING:
    from edgekit.bundle import Contents

pytestmark = pytest.mark.native

ROOT = Path(__file__).parents[2]


ENGINE = Path(str(edgekit_runtime.__file__)).parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack a wheel of the right form around a stand-in for the engine, which would take long to compress."""
    path = tmp_path_factory.mktemp("wheel") / "edgekit_runtime-0.1.0-cp310-abi3-linux_x86_64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(ENGINE / "__init__.py", "edgekit_runtime/__init__.py")
        archive.writestr("edgekit_runtime/_native.abi3.so", "engine")
        archive.writestr(
            "edgekit_runtime-0.1.0.dist-info/METADATA",
            "Metadata-Version: 2.4\nName: edgekit-runtime\nVersion: 0.1.0\nLicense-Expression: MIT OR Apache-2.0\n",
        )
        archive.writestr("edgekit_runtime-0.1.0.dist-info/RECORD", os.urandom(8).hex())
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compress afresh, whatever another run left."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _example(folder: Path) -> Path:
    ignore = shutil.ignore_patterns(".edgekit", "dist")
    shutil.copytree(ROOT / "examples" / "shoulder", folder, ignore=ignore)
    return folder


def _assemble(folder: Path, wheel: Path, board: str = "host") -> Contents:
    project = Project.load(folder)
    compiled = compile_project(project, folder)
    return assemble(project, folder, compiled, find_board(board, folder), wheel, glibc="2.17")


def test_two_folders_one_bundle(tmp_path: Path, wheel: Path) -> None:
    """Proven and assembled twice, in folders with other names: not a byte differs, and no path is in it."""
    first, second = (_example(tmp_path / name) for name in ("a", "Übung mit Leerzeichen"))

    contents = _assemble(first, wheel, "raspberry-pi-4")

    assert contents == _assemble(second, wheel, "raspberry-pi-4")
    for path, data in contents.files.items():
        assert str(tmp_path).encode() not in data, path
        assert str(ROOT).encode() not in data, path


def test_the_bundle_of_the_example(tmp_path: Path, wheel: Path) -> None:
    """It says what it is, holds what it says, and runs by itself: no EdgeKit, no site-packages."""
    contents = _assemble(_example(tmp_path / "p"), wheel)
    bundle = write_bundle(contents, tmp_path / "dist" / "shoulder.tar.xz")
    folder = tmp_path / "unpacked"
    Bundle.open(bundle.path).extract(folder)

    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert (manifest["name"], manifest["version"], manifest["board"]) == (
        "shoulder",
        "1.0.0",
        "host",
    )
    assert bundle.release_id == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {"manifest.json", *contents.files}
    agent = read_agent_config(folder / "agent.json")
    assert isinstance(agent.source, ReplaySource)
    assert agent.source.path == "recording.csv"
    facts = read_model_facts(folder / "model.json")
    assert facts.archive.sha256 == read_vectors(folder / "vectors.bin").model == agent.model.sha256
    for file in ENGINE.glob("_native*.so"):
        shutil.copy(file, folder / "site" / "edgekit_runtime")
    done = subprocess.run(
        [
            *(sys.executable, "-S", "-m", "edge_agent"),
            *("run", "agent.json", "--speed", "max", "--json"),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "site", "PYTHONNOUSERSITE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"]["read"] > 0


def test_a_tensor_project_has_no_agent(tmp_path: Path, wheel: Path, classifier: Path) -> None:
    """It ships the model with its vectors, for whoever calls it."""
    shutil.copy(classifier, tmp_path / "m.onnx")
    (tmp_path / "edgekit.toml").write_text(
        '[project]\nname = "camera"\n[model]\npath = "m.onnx"\n[input]\nkind = "tensor"\n'
    )

    contents = _assemble(tmp_path, wheel)

    assert "agent.json" not in contents.files
    assert {"model.json", "vectors.bin", "proof.json", "model.nnef.tar"} <= set(contents.files)
    assert contents.notes == ()


def test_a_source_of_ones_own_goes_along(tmp_path: Path, wheel: Path) -> None:
    """Its package lies beside the agent's; what it is told is in agent.json."""
    folder = _example(tmp_path / "p")
    (folder / "mypkg").mkdir()
    (folder / "mypkg" / "__init__.py").write_text("")
    (folder / "mypkg" / "adc.py").write_text("class AdcSource: ...\n")
    file = folder / "edgekit.toml"
    text = file.read_text()
    start, end = text.index("[source]"), text.index("[decision]")
    own = '[source]\nkind = "mypkg.adc:AdcSource"\npackage = "mypkg/"\noptions = { bus = 1 }\n'
    file.write_text(text[:start] + own + text[end:])

    contents = _assemble(folder, wheel)

    assert contents.files["site/mypkg/adc.py"] == b"class AdcSource: ...\n"
    source = json.loads(contents.files["agent.json"])["source"]
    assert (source["package"], source["options"]) == ("site/mypkg", {"bus": 1})
    assert b"its package `mypkg`" in contents.files["NOTICE"]


def test_recorded_windows_become_vectors(tmp_path: Path, wheel: Path) -> None:
    """The user's own data is what the target must reproduce first."""
    folder = _example(tmp_path / "p")
    project = Project.load(folder)
    compiled = compile_project(project, folder)
    windows = np.random.default_rng(0).normal(size=(3, 128, 6)).astype(np.float32)

    contents = assemble(
        project,
        folder,
        compiled,
        find_board("host", None),
        wheel,
        glibc=None,
        recorded=windows,
    )

    (tmp_path / "vectors.bin").write_bytes(contents.files["vectors.bin"])
    kinds = [vector.outline.kind for vector in read_vectors(tmp_path / "vectors.bin").vectors]
    assert kinds.count("recorded") == 3
    assert contents.manifest.glibc is None


def test_a_project_without_a_source_reads_standard_input(tmp_path: Path, wheel: Path) -> None:
    """So that its bundle can be built and tested before there is a sensor."""
    folder = _example(tmp_path / "p")
    file = folder / "edgekit.toml"
    text = file.read_text()
    file.write_text(text[: text.index("[source]")] + text[text.index("[decision]") :])

    contents = _assemble(folder, wheel)

    (tmp_path / "agent.json").write_bytes(contents.files["agent.json"])
    assert isinstance(read_agent_config(tmp_path / "agent.json").source, StdinSource)
    assert "there is no [source]" in contents.notes[0]
    assert "recording.csv" not in contents.files
