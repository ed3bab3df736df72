"""scripts/third-party: which licences are taken, and that the list in the engine's wheel is of today's crates."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "runtime"


@pytest.fixture
def program() -> ModuleType:
    """Load the program, which has no .py in its name."""
    path = str(ROOT / "scripts" / "third-party")
    loader = importlib.machinery.SourceFileLoader("third_party_program", path)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("expression", "taken"),
    [
        ("MIT", True),
        ("MIT/Apache-2.0", True),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(GPL-3.0-only OR AGPL-3.0-only) AND MIT", False),
        ("LGPL-2.1-or-later", False),
        ("", False),
    ],
)
def test_a_licence_is_taken_if_one_choice_is(
    program: ModuleType, expression: str, *, taken: bool
) -> None:
    """OR leaves a choice, AND does not; an unknown or missing licence is none."""
    assert program.is_taken(expression) is taken


def test_every_listed_crate_is_the_locked_one() -> None:
    """The list is made anew after a change of Cargo.lock."""
    lock = tomllib.loads((RUNTIME / "Cargo.lock").read_text())["package"]
    locked = {(package["name"], package["version"]) for package in lock}
    rows = [line.split(" | ") for line in (RUNTIME / "THIRD-PARTY.md").read_text().splitlines()[9:]]
    listed = {(row[0].removeprefix("| "), row[1]) for row in rows}

    assert {name for name, _ in listed} >= {"pyo3", "tract-core", "tract-linalg", "tract-onnx"}
    assert listed <= locked


@pytest.mark.parametrize("name", ["LICENSE-MIT", "LICENSE-APACHE"])
def test_the_engines_wheel_carries_the_projects_licence(name: str) -> None:
    """Maturin takes licence files from the engine's own folder."""
    assert (RUNTIME / name).read_bytes() == (ROOT / name).read_bytes()
