"""
Each toolchain, for real: the same plan code as for the engine, on the smallest crate that is built as the engine is.

Half a minute each; the tests of what is not on this machine are skipped, saying what that is.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgekit.board import find_board
from edgekit.build.device_wheel import DeviceWheel, WheelOptions, device_wheel, prepare
from edgekit.errors import EdgeKitError, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekit.build_section import ToolchainKind

pytestmark = pytest.mark.toolchain

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
PROBE = DATA / "probe-crate"
TOOLS = Path(sys.prefix, "tools", "bin")
"""Where scripts/test-tools puts `cross`."""
_NEWEST_GLIBC = (2, 36)
"""Bookworm's: the distribution's cross gcc and the image link for no newer one on the machines that run these tests."""


@pytest.fixture
def rustup_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a rustup on PATH that notes what it is asked and does nothing; caches are the test's own."""
    calls = tmp_path / "rustup calls"
    folder = tmp_path / "on path"
    folder.mkdir()
    (folder / "rustup").write_text(f'#!/bin/sh\necho "$*" >> "{calls}"\nexit 1\n')
    (folder / "rustup").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"], str(TOOLS)]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache ü"))
    monkeypatch.delenv("CARGO_TARGET_DIR", raising=False)
    if "CONTAINERS_CONF" not in os.environ:
        monkeypatch.setenv("CONTAINERS_CONF", str(DATA / "containers.conf"))
    return calls


def _options(kind: ToolchainKind, source: Path = PROBE) -> WheelOptions:
    return WheelOptions(toolchain=kind, source=source, rust="system")


def _built(board: str, kind: ToolchainKind, source: Path = PROBE) -> DeviceWheel:
    chosen, options = find_board(board, None), _options(kind, source)
    try:
        prepare(chosen, options)
    except ToolError as error:
        pytest.skip(f"{error.message}: {error.hint}")
    return device_wheel(chosen, options, progress=lambda *_: None, note=lambda _: None)


@pytest.mark.parametrize(
    ("kind", "board"),
    [("zig", "raspberry-pi-4"), ("gcc", "raspberry-pi-3"), ("cross", "raspberry-pi-3")],
)
def test_a_toolchain_builds_for_its_board(
    rustup_calls: Path, kind: ToolchainKind, board: str
) -> None:
    """Verified as the engine is; rustup is asked for nothing, and no path of this machine is in the result."""
    wheel = _built(board, kind)

    facts = wheel.facts.library
    assert (wheel.origin, wheel.toolchain, facts.machine) == ("built", kind, "aarch64")
    assert facts.erratum_843419 == 0
    assert wheel.facts.python == "3.10"
    assert facts.glibc is not None
    newest = (2, 17) if kind == "zig" else _NEWEST_GLIBC
    assert tuple(map(int, facts.glibc.split("."))) <= newest
    assert not rustup_calls.exists()
    with zipfile.ZipFile(wheel.path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".so"))
        code = archive.read(name)
    for place in (Path.home(), PROBE, rustup_calls.parent):
        assert str(place).encode() not in code


def test_the_same_sources_make_the_same_wheel(
    rustup_calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled twice, in folders that have nothing in common."""
    first = _built("raspberry-pi-4", "zig")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    second = _built("raspberry-pi-4", "zig")

    assert (first.origin, second.origin) == ("built", "built")
    assert first.path != second.path
    assert first.sha256 == second.sha256
    assert not rustup_calls.exists()


@pytest.mark.usefixtures("rustup_calls")
@pytest.mark.parametrize(("kind", "board"), [("zig", "raspberry-pi-4"), ("gcc", "raspberry-pi-3")])
def test_what_a_linker_says(tmp_path: Path, kind: ToolchainKind, board: str) -> None:
    """A symbol that is nowhere: the linker's own words are the error, not rustc's that linking failed."""
    crate = shutil.copytree(PROBE, tmp_path / "crate", ignore=shutil.ignore_patterns("target"))
    (crate / "src" / "lib.rs").write_text(
        'unsafe extern "C" { fn edgekit_is_nowhere() -> u32; }\n'
        "#[pyo3::pymodule]\nmod edgekit_probe {\n"
        "    #[pyo3::pyfunction]\n    fn architecture() -> u32 { unsafe { super::edgekit_is_nowhere() } }\n}\n"
    )
    # An extension module may leave symbols to Python; this one may not.
    (crate / "build.rs").write_text('fn main() { println!("cargo:rustc-link-arg=-Wl,-z,defs"); }\n')

    with pytest.raises(EdgeKitError) as caught:
        _built(board, kind, crate)

    assert "undefined" in caught.value.message
    assert "linking with" not in caught.value.message
    log = Path(str(caught.value.hint).split("`")[1])
    assert "edgekit_is_nowhere" in log.read_text()


def _compilers(below: Path) -> list[int]:
    """Return the processes that work in a folder, in its caches or with its files."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(below) in words and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.native
@pytest.mark.usefixtures("rustup_calls")
@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_compile_that_is_ended_leaves_nothing(tmp_path: Path, number: int, code: int) -> None:
    """Neither maturin nor cargo nor rustc goes on, and there is neither a wheel nor a bundle; also where nobody can clear up."""
    try:
        prepare(find_board("raspberry-pi-4", None), WheelOptions(rust="system"))
    except ToolError as error:
        pytest.skip(f"{error.message}: {error.hint}")
    project = tmp_path / "project"
    project.mkdir()
    for name in ("edgekit.toml", "shoulder.onnx", "held-out.csv", "golden.npz"):
        shutil.copyfile(ROOT / "examples" / "shoulder" / name, project / name)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-m", "edgekit", "build", "-t", "raspberry-pi-4", "--rust", "system"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": path, "CARGO_TARGET_DIR": str(tmp_path / "compiled")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    compiled = tmp_path / "compiled"
    _wait_until(lambda: bool(_compilers(compiled)) or process.poll() is not None)
    assert process.poll() is None

    process.send_signal(number)
    process.communicate(timeout=60)

    assert process.returncode == code
    _wait_until(lambda: not _compilers(tmp_path))
    assert not (project / "dist").exists()
    kept = tmp_path / "cache ü" / "edgekit" / "device-wheels"
    assert not list(kept.rglob("*.whl"))
    assert number == signal.SIGKILL or not list(kept.glob(".part-*"))
