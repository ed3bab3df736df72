"""The command that emulates a board, as a value, and what is missing for it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgekit.board import find_board
from edgekit.emulator import user
from edgekit.emulator.machine import is_here, own_site, this_machine
from edgekit.emulator.python_root import PythonRoot
from edgekit.errors import ConfigError, ToolError

if TYPE_CHECKING:
    from edgekit.board import Board


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a QEMU on PATH that only knows its version, and a Python that is not fetched."""
    program = tmp_path / "bin" / "qemu-aarch64"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho qemu-aarch64 version 7.2.22 '(Debian 1:7.2)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(user, "_PROGRAMS", ("qemu-aarch64",))

    def root(release: str, cache: Path, **_: object) -> PythonRoot:
        return PythonRoot(
            path=cache / release,
            release=release,
            python="usr/bin/python3.11",
            packages={},
            doubt="not signed",
        )

    monkeypatch.setattr(user, "python_root", root)
    return program


@pytest.fixture
def board() -> Board:
    """Return a board that ships."""
    return find_board("raspberry-pi-3", None)


def test_the_command_is_the_board(qemu: Path, board: Board) -> None:
    """Its CPU, its system's Python, its kernels; nothing of the host's Python and libraries."""
    machine = user.emulated(board, Path("/cache"))

    assert machine.title == "cortex-a53 in QEMU 7.2, python3.11 of bookworm"
    assert machine.argv[:5] == (str(qemu), "-cpu", "cortex-a53", "-L", "/cache/bookworm")
    assert machine.argv[-1] == "/cache/bookworm/usr/bin/python3.11"
    assert {"LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONHOME"} < set(machine.argv)
    assert machine.env == {"TRACT_CPU_AARCH64_KIND": "a53"}
    assert (machine.emulated, machine.kernels, machine.doubt) == (True, "a53", "not signed")


def test_another_system_of_the_board(qemu: Path, board: Board) -> None:
    """`--release` takes its Python; one that the board has not is refused."""
    assert user.emulated(board, Path("/c"), release="trixie").title.endswith("of trixie")
    with pytest.raises(ConfigError, match="has no release `potato`"):
        user.emulated(board, Path("/c"), release="potato")
    assert qemu.exists()


@pytest.mark.usefixtures("qemu")
def test_a_board_that_does_not_say_how(board: Board) -> None:
    """Neither a CPU to emulate, nor a suite to take a Python from."""
    with pytest.raises(ConfigError, match="does not say how it is emulated"):
        user.emulated(replace(board, emulate=None), Path("/c"))
    bare = replace(board, releases=tuple(replace(item, suite=None) for item in board.releases))
    with pytest.raises(ConfigError, match="release `bookworm` of board `raspberry-pi-3` names no"):
        user.emulated(bare, Path("/c"))


def test_without_qemu_it_says_what_to_install(
    board: Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before anything is fetched."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ToolError, match="`qemu-aarch64-static` is not on PATH") as caught:
        user.emulated(board, tmp_path)

    assert "apt install qemu-user-static" in str(caught.value.hint)
    assert not list(tmp_path.iterdir())


def test_a_qemu_that_does_not_run_is_a_sentence(qemu: Path, board: Board) -> None:
    """One for another machine, or with a library missing."""
    qemu.write_text("#!/bin/sh\necho cannot open shared object file >&2\nexit 127\n")

    with pytest.raises(ToolError, match="cannot open shared object file"):
        user.emulated(board, Path("/c"))


def test_a_bundle_is_tried_with_its_own_packages(tmp_path: Path) -> None:
    """They come before all others; the user's own packages and the working folder do not count."""
    command = this_machine("a72").command(("-m", "edge_agent"), site=tmp_path / "site")

    assert command.argv == (sys.executable, "-m", "edge_agent")
    assert command.env["PYTHONPATH"] == str(tmp_path / "site")
    assert command.env["PYTHONNOUSERSITE"] == command.env["PYTHONSAFEPATH"] == "1"
    assert command.cwd == tmp_path / "site"
    assert this_machine("a72").kernels == "a72"


def test_this_machine_runs_its_own_code_alone() -> None:
    """One of the two architectures is this one's, or neither."""
    assert not (is_here("aarch64") and is_here("x86_64"))
    assert not is_here("riscv64")


def test_the_agent_of_a_checkout_is_found() -> None:
    """These tests run from one."""
    site = own_site()

    assert site is not None
    assert (site / "edge_agent" / "__main__.py").is_file()
