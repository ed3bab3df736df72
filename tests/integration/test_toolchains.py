"""
Each toolchain, for real: the same plan code as for the engine, on the smallest crate that is built as the engine is.

Half a minute each; the tests of what is not on this machine are skipped, saying what that is.
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgekit.board import find_board
from edgekit.build.device_wheel import DeviceWheel, WheelOptions, device_wheel, prepare
from edgekit.errors import ToolError

if TYPE_CHECKING:
    from edgekit.build_section import ToolchainKind

pytestmark = pytest.mark.slow  # a container image and five compilations

DATA = Path(__file__).parents[1] / "data"
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


def _options(kind: ToolchainKind) -> WheelOptions:
    return WheelOptions(toolchain=kind, source=PROBE, rust="system")


def _built(board: str, kind: ToolchainKind) -> DeviceWheel:
    chosen = find_board(board, None)
    try:
        prepare(chosen, _options(kind))
    except ToolError as error:
        pytest.skip(f"{error.message}: {error.hint}")
    return device_wheel(chosen, _options(kind), progress=lambda *_: None, note=lambda _: None)


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
