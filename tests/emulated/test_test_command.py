"""`edgekit test` from a project to the verdict, on emulated boards."""

from __future__ import annotations

import hashlib
import json
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import edgekit
from edge_agent import vectors
from edge_agent.manifest import File, read_manifest
from edgekit.cli import invoke
from edgekit.emulator.rehearsal import rehearse
from edgekit.emulator.trial import self_test
from tests.emulated.conftest import WHEELS

if TYPE_CHECKING:
    from tests.emulated.conftest import MakeMachine, Unpack

EXAMPLE = Path(__file__).parents[2] / "examples" / "shoulder"

pytestmark = [pytest.mark.native, pytest.mark.emulated]


@pytest.fixture
def project(tmp_path: Path, wheel: Path) -> Path:
    """Return a copy of the example with a shorter recording, in a folder with a difficult name."""
    folder = tmp_path / "Mein Projekt für Wärme"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".edgekit", "dist", "*.py"))
    recording = folder / "held-out.csv"
    recording.write_text("".join(recording.read_text().splitlines(keepends=True)[:1500]))
    if WHEELS is not None:
        with (folder / "edgekit.toml").open("a") as file:
            file.write(f'\n[build]\nwheels = "{WHEELS}"\n')
    assert wheel.is_file()
    return folder


def _test(project: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = invoke(["-C", str(project), "test", "--json", *more])
    printed = capsys.readouterr().out
    return code, json.loads(printed) if printed else None


def test_a_project_is_proven_on_its_target(
    project: Path, machine: MakeMachine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Built, unpacked, every vector reproduced, the recording's events those of this machine, a case as it was."""
    machine("generic")
    case = tmp_path / "walk.csv"
    case.write_text("".join((project / "held-out.csv").read_text().splitlines(keepends=True)[:700]))
    assert invoke(["-C", str(project), "test", "--add", str(case)]) == 0

    code, facts = _test(project, capsys, "-t", "aarch64", "--junit", str(tmp_path / "j.xml"))

    assert code == 0
    assert facts["verdict"] == "proven on target"
    assert facts["emulated"]
    assert facts["kernels"]["chosen"] == facts["kernels"]["intended"]
    assert facts["self_test"]["vectors"]["count"] > 14  # recorded ones as well
    names = [item["name"] for item in facts["recordings"]]
    assert names == ["held-out.csv", "tests/walk"]
    assert all(item["predictions"] > 20 and not item["problem"] for item in facts["recordings"])
    suite = ET.parse(tmp_path / "j.xml").getroot()[0]
    assert [case.get("name") for case in suite] == [
        "self-test",
        "kernels",
        "recording held-out.csv",
        "recording tests/walk",
    ]


def test_a_case_that_comes_out_otherwise_fails(
    project: Path, machine: MakeMachine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The sentence names the case; exit code 5."""
    machine("generic")
    case = tmp_path / "walk.csv"
    shutil.copyfile(project / "held-out.csv", case)
    assert invoke(["-C", str(project), "test", "--add", str(case)]) == 0
    expected = project / "tests" / "walk" / "expected.jsonl"
    lines = [line for line in expected.read_text().splitlines() if '"event"' not in line]
    expected.write_text("\n".join(lines) + "\n")

    code, facts = _test(project, capsys, "-t", "aarch64")

    assert code == 5
    assert facts["verdict"] == "failed"
    assert facts["problem"].startswith("recording `tests/walk`: there are ")
    assert facts["recordings"][0]["problem"] == ""


@pytest.mark.parametrize("kernels", ["a53", "a72", "generic"])
def test_every_set_of_kernels_reproduces_the_vectors(
    machine: MakeMachine, unpack: Unpack, classifier: Path, kernels: str
) -> None:
    """Also where the reference models are not at hand: each set is really run, and gives the numbers of this machine."""
    report = self_test(machine(kernels), unpack(edgekit.compile(classifier, window=16, channels=3)))

    assert report["problem"] == ""
    assert report["kernels"]["chosen"] == kernels
    assert report["vectors"]["count"] == 14
    assert report["vectors"]["bad"] == 0


def test_a_wrong_vector_is_found_on_the_target(
    machine: MakeMachine, unpack: Unpack, classifier: Path
) -> None:
    """One number of one vector is another; everything else, digests and all, is in order."""
    folder = unpack(edgekit.compile(classifier, window=16, channels=3))
    path = folder / "vectors.bin"
    known = vectors.read_vectors(path)
    first = known.vectors[0]
    wrong = replace(
        first, expected={name: bytes(len(data)) for name, data in first.expected.items()}
    )
    path.write_bytes(vectors.write_vectors(replace(known, vectors=(wrong, *known.vectors[1:]))))
    _sign_again(folder, "vectors.bin")

    report = self_test(machine("a72"), folder)

    assert report["verdict"] == "failed"
    assert report["problem"].startswith(
        "1 of 14 test vectors are not reproduced by the kernels `a72`: output `prediction`"
    )


def test_other_kernels_than_intended_are_found(
    machine: MakeMachine, unpack: Unpack, classifier: Path, tmp_path: Path
) -> None:
    """What was meant to be tested was not: that is no proof."""
    folder = unpack(edgekit.compile(classifier, window=16, channels=3))
    board = replace(machine("generic"), kernels="a53")

    found = rehearse(board, folder, [], work=tmp_path / "work")

    assert found.problem == "the engine chose the kernels `generic`, `a53` are meant to be tested"


def _sign_again(folder: Path, name: str) -> None:
    """Let the manifest name a file as it is now."""
    path = folder / "manifest.json"
    manifest = read_manifest(path.read_bytes(), "here")
    data = (folder / name).read_bytes()
    fresh = File(path=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    files = tuple(fresh if file.path == name else file for file in manifest.files)
    path.write_bytes(replace(manifest, files=files).to_bytes())
