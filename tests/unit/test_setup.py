"""scripts/setup: which Rust it takes from the distribution."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


@pytest.fixture
def setup() -> ModuleType:
    """Load the program, which has no .py in its name."""
    loader = importlib.machinery.SourceFileLoader("setup_program", str(ROOT / "scripts" / "setup"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _policy(version: str) -> str:
    return f"rustc:\n  Installed: (none)\n  Candidate: {version}\n  Version table:\n"


@pytest.mark.parametrize(
    ("versions", "packages"),
    [
        (
            {"rustc": "1.63.0+dfsg1-2", "rustc-web": "1.96.0+dfsg1-1~deb12u2"},
            ["rustc-web", "cargo-web"],
        ),
        (
            {
                "rustc": "1.75.0",
                "rustc-1.89": "1.89.0",
                "rustc-1.91": "1.91.1",
                "rustc-1.93": "1.93.0",
            },
            ["rustc-1.93", "cargo-1.93"],
        ),
        ({"rustc": "1:1.100.0-1", "rustc-1.91": "1.91.1"}, ["rustc", "cargo"]),
        ({"rustc": "1.85.0+dfsg3-1", "rustc-1.89": "(none)"}, []),
    ],
    ids=["debian-12", "ubuntu-24.04", "newer-than-needed", "too-old"],
)
def test_the_newest_rust_that_is_new_enough(
    setup: ModuleType, versions: dict[str, str], packages: list[str]
) -> None:
    """Versions are compared as numbers; an older one than tract needs is no candidate."""
    policies = {package: _policy(version) for package, version in versions.items()}

    assert setup.newest_rust(policies) == packages


def test_the_floor_is_the_one_of_the_crates(setup: ModuleType) -> None:
    """What is installed can compile what is there."""
    floor = ".".join(map(str, setup.RUST_FLOOR))

    assert f'rust-version = "{floor}"' in (ROOT / "runtime" / "Cargo.toml").read_text()


def test_builds_leave_no_trace_in_the_key(setup: ModuleType) -> None:
    """A wheel's key must not change because it was built."""
    runtime = ROOT / "runtime"

    assert setup.belongs_to_runtime(runtime / "Cargo.toml")
    assert not setup.belongs_to_runtime(runtime / "target" / "debug" / "x")
    assert not setup.belongs_to_runtime(runtime / ".mypy_cache" / "3.11" / "x.json")
    assert not setup.belongs_to_runtime(runtime / "python" / "edgekit_runtime" / "_native.abi3.so")
