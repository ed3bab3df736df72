"""`edgekit build`, from a project to the bundle, with ready wheels in the place of a compiler."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edgekit.board import find_board
from edgekit.build.device_wheel import source_digest
from edgekit.bundle import Bundle
from edgekit.cli import invoke
from edgekit.resources import data_folder

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.native

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "shoulder"
TARGET = "aarch64-unknown-linux-gnu"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Return a folder with a ready wheel for any aarch64: the engine's form, around a tiny ELF file."""
    folder = tmp_path / "fertige Räder"
    folder.mkdir()
    wheel = folder / "edgekit_runtime-0.1.0-cp310-abi3-manylinux_2_17_aarch64.whl"
    info = "edgekit_runtime-0.1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("edgekit_runtime/__init__.py", "")
        archive.writestr("edgekit_runtime/_native.abi3.so", _library())
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: cp310-abi3-linux_aarch64\n")
        archive.writestr(f"{info}/METADATA", "Name: edgekit-runtime\nVersion: 0.1.0\n")
    entry = {
        "file": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "target": TARGET,
        "cpu": "generic",
        "toolchain": "zig",
        "source": source_digest(data_folder("runtime")),
    }
    (folder / "index.json").write_text(json.dumps({"format": 1, "wheels": [entry]}))
    return folder


def _library() -> bytes:
    ident = b"\x7fELF\x02\x01\x01"
    header = struct.pack("<16s2HI3QI6H", ident, 3, 183, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return header + struct.pack("<2I6Q", 1, 5, 0, 0, 0, 120, 120, 65536)


@pytest.fixture
def make_project(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Return a function that copies the example to a folder, with more text for its edgekit.toml."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)

    def make(name: str = "mein Projekt ü", more: str = "") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file in ("edgekit.toml", "shoulder.onnx", "held-out.csv", "golden.npz"):
            shutil.copyfile(EXAMPLE / file, folder / file)
        section = f"\n[build]\nwheels = {json.dumps(str(wheels), ensure_ascii=False)}\n{more}\n"
        with (folder / "edgekit.toml").open("a", encoding="utf-8") as toml:
            toml.write(section)
        return folder

    return make


@pytest.fixture
def build(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Return a function that builds a project in a folder and returns its JSON."""

    def run(folder: Path, *options: str) -> dict[str, Any]:
        code = invoke(["-C", str(folder), "build", "-t", "raspberry-pi-4", "--json", *options])
        shown = capsys.readouterr()
        assert code == 0, shown.err
        facts: dict[str, Any] = json.loads(shown.out)
        return facts

    return run


def test_a_bundle_from_a_project(
    make_project: Callable[..., Path], build: Callable[..., dict[str, Any]]
) -> None:
    """The bundle is whole, for the board, and what is said of it is true; spaces and umlauts in the path are nothing."""
    folder = make_project()

    facts = build(folder)

    output = folder / "dist" / "shoulder-1.0.0-raspberry-pi-4.tar.xz"
    bundle = Bundle.open(output)
    bundle.verify()
    assert Path(facts["bundle"]).samefile(output)
    assert facts["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert (facts["release_id"], facts["size_bytes"]) == (bundle.release_id, bundle.size_bytes)
    assert (bundle.manifest.board, bundle.manifest.target) == ("raspberry-pi-4", TARGET)
    assert sum(part["files"] for part in facts["parts"]) == len(bundle.manifest.files)
    assert (facts["engine"]["origin"], facts["engine"]["machine"]) == ("ready", "aarch64")
    assert {(fit["board"], fit["release"]) for fit in facts["fits"] if fit["runs"]} >= {
        ("raspberry-pi-4", "bookworm"),
        ("raspberry-pi-5", "trixie"),
    }
    assert not facts["up_to_date"]


def test_the_same_inputs_are_the_same_bytes(
    make_project: Callable[..., Path], build: Callable[..., dict[str, Any]]
) -> None:
    """In two folders, each proven for itself."""
    digests = {build(make_project(name))["sha256"] for name in ("one", "another one")}

    assert len(digests) == 1


def test_a_build_with_nothing_to_do_loads_nothing(
    make_project: Callable[..., Path], build: Callable[..., dict[str, Any]]
) -> None:
    """No engine, no ONNX Runtime, no NumPy; the same is said as before."""
    folder = make_project()
    first = build(folder)
    script = (
        "import sys\nfrom edgekit.cli import invoke\n"
        "code = invoke(sys.argv[1:])\n"
        "heavy = {'onnxruntime', 'onnx', 'numpy', 'edgekit_runtime', 'elftools'} & set(sys.modules)\n"
        "print(code, sorted(heavy), file=sys.stderr)"
    )
    arguments = ["-C", str(folder), "build", "-t", "raspberry-pi-4", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    again = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )

    assert again.stderr == "0 []\n"
    assert json.loads(again.stdout) == {**first, "up_to_date": True}


@pytest.mark.parametrize("change", ["config", "bundle", "wheel", "board"])
def test_what_makes_a_build_necessary(
    make_project: Callable[..., Path],
    build: Callable[..., dict[str, Any]],
    wheels: Path,
    change: str,
) -> None:
    """A changed project, a damaged bundle, other wheels, a board of the project's own."""
    folder = make_project()
    first = build(folder)
    match change:
        case "config":
            text = (folder / "edgekit.toml").read_text()
            (folder / "edgekit.toml").write_text(
                text.replace('version = "1.0.0"', 'version = "1.0.1"')
            )
        case "bundle":
            Path(first["bundle"]).write_bytes(b"damaged")
        case "wheel":
            os.utime(wheels / "index.json", (1, 1))
        case _:
            (folder / "boards").mkdir()
            text = (data_folder("boards") / "raspberry-pi-4.toml").read_text()
            (folder / "boards" / "raspberry-pi-4.toml").write_text(
                text.replace("Raspberry Pi 4 Model B", "Mine")
            )

    again = build(folder)

    assert not again["up_to_date"]
    assert (again["sha256"] == first["sha256"]) is (change != "config")
    assert build(folder)["up_to_date"]


def test_the_closing_table(
    make_project: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Files and sizes, memory against the budget, systems that it runs on."""
    folder = make_project(more="[budget]\nmemory_mib = 64")

    code = invoke(["-C", str(folder), "build", "-t", "raspberry-pi-4"])

    shown = capsys.readouterr().out
    assert code == 0
    assert "built " in shown
    assert "of 64 MiB, the budget" in shown
    assert "Raspberry Pi OS 12 (Bookworm), 64 bit" in shown
    assert "not Raspberry Pi OS 11 (Bullseye)" in shown
    for part in ("engine", "agent", "model", "all, unpacked"):
        assert f"  {part}" in shown


def test_a_dry_run_writes_nothing(
    make_project: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands that compile the engine for this machine, and no file."""
    folder = make_project()
    before = sorted(path.name for path in folder.iterdir())

    code = invoke(["-C", str(folder), "build", "-t", "host", "--dry-run"])

    shown = capsys.readouterr().out
    assert code == 0
    assert "maturin build --profile device" in shown
    assert "CARGO_ENCODED_RUSTFLAGS=" in shown
    assert sorted(path.name for path in folder.iterdir()) == before


def test_where_the_bundle_goes(
    make_project: Callable[..., Path], build: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """`-o` names a file; a build for another place is not up to date."""
    folder = make_project()
    build(folder)

    elsewhere = build(folder, "-o", str(tmp_path / "out" / "my bundle.tar.xz"))

    assert not elsewhere["up_to_date"]
    assert Bundle.open(elsewhere["bundle"]).manifest.name == "shoulder"


@pytest.mark.parametrize(
    ("more", "options", "code", "said", "hint"),
    [
        ("", ["-t", "raspbery-pi-4"], 2, "raspbery-pi-4", "did you mean `raspberry-pi-4`?"),
        ("", ["-t", "armhf"], 2, "32-bit ARM", "edgekit boards"),
        ("", [], 2, "for which board?", "-t raspberry-pi-4"),
        ("", ["-t", "host", "--toolchain", "zigg"], 2, "no toolchain `zigg`", "`zig`"),
        ("[budget]\nmemory_mib = 4096", ["-t", "raspberry-pi-3"], 4, "has 512 MiB", "memory_mib"),
        ("[budget]\npower_mw = 900", ["-t", "raspberry-pi-4"], 4, "when it is idle", "allow more"),
        (
            "[budget]\nmemory_mib = 2",
            ["-t", "raspberry-pi-4"],
            4,
            "`budget.memory_mib` is 2",
            "set",
        ),
        ("", ["-t", "raspberry-pi-4", "--locked"], 2, "not pinned", "wheels_sha256"),
        ("", ["-t", "raspberry-pi-4", "-o", "model.onnx"], 2, "ends in `.tar.xz`", "leave `-o`"),
        ("", ["-t", "raspberry-pi-4", "-o", "/"], 2, "no name for a bundle", "leave `-o`"),
    ],
)
def test_what_cannot_be_built(  # noqa: PLR0913, PLR0917 (a row of the table)
    make_project: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    more: str,
    options: list[str],
    code: int,
    said: str,
    hint: str,
) -> None:
    """A sentence, what to do, the exit code of its kind, and no bundle."""
    folder = make_project(more=more)

    found = invoke(["-C", str(folder), "build", *options])

    error = capsys.readouterr().err
    assert found == code, error
    assert said in error
    assert hint in error.partition("hint: ")[2]
    assert not (folder / "dist").exists()


def test_a_failure_keeps_the_bundle_from_before(
    make_project: Callable[..., Path], build: Callable[..., dict[str, Any]], wheels: Path
) -> None:
    """A wheel that was damaged is refused; what was built before stands."""
    folder = make_project()
    first = build(folder)
    shutil.rmtree(Path(os.environ["XDG_CACHE_HOME"]))
    next(wheels.glob("*.whl")).write_bytes(b"damaged")

    code = invoke(["-C", str(folder), "build", "-t", "raspberry-pi-4"])

    assert code == 5
    assert hashlib.sha256(Path(first["bundle"]).read_bytes()).hexdigest() == first["sha256"]


@pytest.mark.parametrize(
    ("variable", "output", "code", "said"),
    [
        ("yesterday", "bundle.tar.xz", 2, "SOURCE_DATE_EPOCH is `yesterday`"),
        (None, "/proc/bundle.tar.xz", 1, "`/proc` is not for writing"),
    ],
)
def test_what_is_noticed_before_anything_is_compiled(  # noqa: PLR0913, PLR0917 (a row of the table)
    make_project: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str | None,
    output: str,
    code: int,
    said: str,
) -> None:
    """No minutes pass before it is said that there will be no bundle."""
    folder = make_project()
    if variable is not None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", variable)
    monkeypatch.setattr("edgekit.build.project_build.device_wheel", _compiles)

    found = invoke(["-C", str(folder), "build", "-t", "raspberry-pi-4", "-o", output])

    assert (found, said in capsys.readouterr().err) == (code, True)


def _compiles(*_: object, **_options: object) -> None:
    raise AssertionError("the engine was asked for")


def test_a_working_folder_that_is_gone(tmp_path: Path) -> None:
    """Removed by another terminal: a sentence, and what to do."""
    gone = tmp_path / "gone"
    gone.mkdir()
    script = "import os, sys; os.rmdir(os.getcwd()); from edgekit.cli import main; main()"
    finished = subprocess.run(
        [sys.executable, "-c", script, "build", "-t", "aarch64"],
        cwd=gone,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 1
    assert "the folder that this was started in is gone" in finished.stderr
    assert "`cd`" in finished.stderr


def test_a_clock_that_was_never_set(
    make_project: Callable[..., Path],
    build: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine in 1970, with files of that age: the same bundle as today."""
    today = build(make_project("today"))["sha256"]
    shutil.rmtree(Path(os.environ["XDG_CACHE_HOME"]))
    folder = make_project("1970")
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    monkeypatch.setattr(time, "time", lambda: 5.0)

    assert build(folder)["sha256"] == today


def test_two_builds_of_one_project_at_once(
    make_project: Callable[..., Path], build: Callable[..., dict[str, Any]]
) -> None:
    """Two terminals: both end well, and the bundle is whole."""
    folder = make_project()
    command = [sys.executable, "-m", "edgekit", "build", "-t", "raspberry-pi-4", "--json"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
    }
    both = [
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [process.communicate() for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    digests = {json.loads(out)["sha256"] for out, _ in said}
    path = folder / "dist" / "shoulder-1.0.0-raspberry-pi-4.tar.xz"
    assert digests == {hashlib.sha256(path.read_bytes()).hexdigest()}
    Bundle.open(path).verify()
    assert build(folder)["up_to_date"]
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_board_that_fits_nothing_is_known() -> None:
    """The tests above mean what they say: the small board has less than the budget."""
    assert find_board("raspberry-pi-3", None).memory_mib == 512
