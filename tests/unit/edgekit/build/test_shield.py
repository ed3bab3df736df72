"""The programs that come first on PATH: one Rust, and a rustup that changes nothing."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from edgekit.build.rust import find_rust
from edgekit.build.shield import put_programs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.edgekit.build.conftest import Workshop


def _run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_the_stand_in_for_rustup(workshop: Workshop) -> None:
    """It says which toolchain there is, as cross asks, and refuses to add or update one."""
    workshop.rust(suffix="-1.91", release="1.91.0")
    folder = workshop.folder / "programs"
    put_programs(folder, find_rust("aarch64-unknown-linux-gnu"))

    listed = _run(folder / "rustup", "toolchain", "list")
    components = _run(folder / "rustup", "component", "list", "--toolchain", "usr")
    added = _run(folder / "rustup", "toolchain", "add", "stable", "--profile", "minimal")

    assert (listed.returncode, listed.stdout) == (0, "library 1.91.0\n")
    assert components.returncode == 0
    assert added.returncode == 1
    assert "refused: rustup toolchain add" in added.stderr


def test_plain_names_are_of_the_chosen_rust(workshop: Workshop) -> None:
    """Where the compiler is `rustc-1.91`, another `rustc` on PATH must not be met."""
    workshop.rust(release="1.60.0")
    workshop.rust(suffix="-1.91", release="1.91.0")
    workshop.program("cargo-1.91", 'echo "the right cargo: $2"')
    folder = workshop.folder / "programs"

    put_programs(folder, find_rust("aarch64-unknown-linux-gnu"))

    assert _run(folder / "cargo", "build", "a b").stdout == "the right cargo: a b\n"
    assert "release: 1.91.0" in _run(folder / "rustc", "--version").stdout
