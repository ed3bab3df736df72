"""`edgekit test` on this machine: a bundle for it, its self-test, its agent, and the project's cases."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edgekit_runtime
import numpy as np
import pytest

from edgekit.board import find_board
from edgekit.bundle import Bundle, write_bundle
from edgekit.bundle.assemble import assemble
from edgekit.cli import invoke
from edgekit.model.compile import compile_project
from edgekit.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.native

TOML = """
[project]
name = "gait"

[model]
path = "classifier.onnx"
labels = ["a", "b", "c", "d"]

[input]
channels = ["ax", "ay", "az"]
rate_hz = 50
window = 16
hop = 4

[source]
kind = "replay"
path = "walk.csv"

[decision]
hold = 2

[[sink]]
kind = "jsonl"
path = "never-written.jsonl"
"""


@pytest.fixture
def project(classifier: Path) -> Path:
    """Return the folder of a project with a recording of 200 samples."""
    folder = classifier.parent
    (folder / "edgekit.toml").write_text(TOML)
    rows = np.random.default_rng(3).normal(size=(200, 3)).cumsum(axis=0)
    lines = [",".join(f"{value:.4f}" for value in row) for row in rows]
    (folder / "walk.csv").write_text("ax,ay,az\n" + "\n".join(lines) + "\n")
    return folder


@pytest.fixture
def bundle(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle for this machine with the engine that is installed."""
    return _bundle(project, tmp_path_factory.mktemp("host"))


def _bundle(project: Path, folder: Path) -> Path:
    """Build a project's bundle into a folder."""
    wheel = folder / "edgekit_runtime-0.1.0-cp310-abi3-linux.whl"
    package = Path(str(edgekit_runtime.__file__)).parent
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in (*package.glob("*.py"), *package.glob("_native.*.so")):
            archive.write(path, f"edgekit_runtime/{path.name}")
        archive.writestr(
            "edgekit_runtime-0.1.0.dist-info/METADATA", "Name: edgekit-runtime\nVersion: 0.1.0\n"
        )
    loaded = Project.load(project)
    contents = assemble(
        loaded,
        project,
        compile_project(loaded, project),
        find_board("host", None),
        wheel,
        glibc=None,
    )
    return write_bundle(contents, folder / "gait.tar.xz").path


@pytest.fixture
def run_test(
    project: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, Any]]:
    """Return a function that runs `edgekit test` on the bundle and returns exit code and facts."""

    def run(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = invoke(["-C", str(project), "test", "--bundle", str(bundle), "--json", *arguments])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out else printed.err

    return run


def test_a_bundle_for_this_machine_is_proven_on_it(
    run_test: Callable[..., tuple[int, Any]], project: Path
) -> None:
    """The board is the bundle's own; the project's sinks are not written to."""
    code, facts = run_test()

    assert code == 0
    assert facts["verdict"] == "proven on target"
    assert facts["target"] == "host"
    assert not facts["emulated"]
    assert facts["self_test"]["vectors"]["count"] == 14
    assert [item["name"] for item in facts["recordings"]] == ["walk.csv"]
    assert facts["recordings"][0]["predictions"] == 47
    assert facts["recordings"][0]["max_error"] == 0
    assert not (project / "never-written.jsonl").exists()


def test_a_case_is_tested_from_then_on(
    run_test: Callable[..., tuple[int, Any]], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Added once; another model gives other outputs, which is told with the case's name."""
    case = project.parent / "run.csv"
    case.write_text((project / "walk.csv").read_text().replace("-", ""))
    assert invoke(["-C", str(project), "test", "--add", str(case)]) == 0
    assert "added" in capsys.readouterr().out
    assert invoke(["-C", str(project), "test", "--add", str(case)]) == 2

    code, facts = run_test()

    assert code == 0
    assert [item["name"] for item in facts["recordings"]] == ["walk.csv", "tests/run"]
    expected = project / "tests" / "run" / "expected.jsonl"
    expected.write_text(expected.read_text().replace('"values": [0.', '"values": [0.9', 1))

    code, facts = run_test()

    assert code == 5
    assert facts["problem"].startswith("recording `tests/run`: prediction ")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("nonsense\n", 2, "is not what `edgekit test --add` writes"),
        (None, 2, "has 0 files named"),
    ],
)
def test_a_spoilt_case_is_a_sentence(
    run_test: Callable[..., tuple[int, Any]],
    project: Path,
    text: str | None,
    code: int,
    message: str,
) -> None:
    """Edited by hand, or without its recording."""
    case = project / "tests" / "run"
    case.mkdir(parents=True)
    (case / "expected.jsonl").write_text(text or "")
    if text is not None:
        (case / "recording.csv").write_text("ax,ay,az\n")

    found, printed = run_test()

    assert found == code
    assert message in printed


def test_a_damaged_bundle_is_refused(
    run_test: Callable[..., tuple[int, Any]], bundle: Path, project: Path
) -> None:
    """Before anything of it runs; JUnit holds the sentence, not an older run's verdict."""
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)

    code, printed = run_test("--junit", str(project / "junit.xml"))

    assert code == 5
    assert "gait.tar.xz" in printed
    assert 'failures="1"' in (project / "junit.xml").read_text()


def test_a_recording_that_is_too_short_is_no_case(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is added that would always pass."""
    short = project.parent / "short.csv"
    short.write_text("ax,ay,az\n1,2,3\n")

    assert invoke(["-C", str(project), "test", "--add", str(short)]) == 2

    assert "too short for a single prediction" in capsys.readouterr().err
    assert not (project / "tests").exists()


def test_a_missing_recording_is_named(
    run_test: Callable[..., tuple[int, Any]], project: Path
) -> None:
    """The project names one that is not there."""
    (project / "walk.csv").unlink()

    code, printed = run_test()

    assert code == 2
    assert "walk.csv`" in printed


TENSOR = """
[project]
name = "one-shot"

[model]
path = "classifier.onnx"

[input]
kind = "tensor"
"""


def test_a_project_without_a_stream(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model alone is what ships: vectors are reproduced, and there is no recording to play."""
    (project / "edgekit.toml").write_text(TENSOR)
    bundle = _bundle(project, tmp_path)
    capsys.readouterr()

    code = invoke(["-C", str(project), "test", "--bundle", str(bundle), "--json"])

    facts = json.loads(capsys.readouterr().out)
    assert code == 0
    assert facts["verdict"] == "proven on target"
    assert facts["self_test"]["vectors"]["count"] == 14
    assert facts["recordings"] == []


PLUGIN = """
from mine.numbers import NUMBERS

class Ramp:
    def __init__(self, stream, options):
        self.step = options["step"]

    def samples(self):
        for number in NUMBERS:
            yield (number, number * self.step, 1.0)
"""


def test_a_project_with_a_source_of_its_own(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The package is in the bundle, whole; its numbers are no recording, so the vectors alone are tried."""
    package = project / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "ramp.py").write_text(PLUGIN)
    (package / "numbers.py").write_text("NUMBERS = range(100)\n")
    source = '[source]\nkind = "mine.ramp:Ramp"\npackage = "mine"\noptions = { step = 2 }\n'
    text = (project / "edgekit.toml").read_text()
    replay = '[source]\nkind = "replay"\npath = "walk.csv"\n'
    (project / "edgekit.toml").write_text(text.replace(replay, source))
    bundle = _bundle(project, tmp_path)
    capsys.readouterr()

    code = invoke(["-C", str(project), "test", "--bundle", str(bundle), "--json"])

    facts = json.loads(capsys.readouterr().out)
    assert code == 0, facts
    assert facts["verdict"] == "proven on target"
    assert facts["recordings"] == []
    shipped = {file.path for file in Bundle.open(bundle).manifest.files}
    assert {f"site/mine/{name}.py" for name in ("__init__", "numbers", "ramp")} <= shipped
