"""The import rules of ARCHITECTURE.md, read from the syntax trees: nothing is imported to check them."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

LAYERS = (
    {"cli", "__main__"},
    {
        *("build", "bundle", "emulator", "model", "scaffold", "deduction", "staging", "doctor"),
        *("listen", "record"),
    },
    {
        "project",
        "budget_check",
        "memory_plan",
        "board",
        "catalog",
        "build_section",
        "features_section",
        "toolchain",
        "proposal",
        "truth_column",
        "survey",
        "sniff",
        "sniff_frames",
        "state",
        "sink_paths",
        "external_files",
        "regression",
        "strict_toml",
        "validation",
        "json_schema",
        "junit",
    },
    {"errors", "process", "supervised", "resources", "atomic"},
)
"""From the top: a module of `edgekit` imports from its own layer and those below."""

PLACES = {
    "click": ("edgekit/cli/",),
    "subprocess": ("edgekit/process.py", "edgekit/supervised.py", "edge_agent/process.py"),
    "numpy": ("edgekit/model/",),
    "onnx": ("edgekit/model/",),
    "onnxruntime": ("edgekit/model/",),
    "google": ("edgekit/model/",),
    "tflite": ("edgekit/model/tflite/flatbuffer.py",),
    "ai_edge_litert": ("edgekit/model/proof/litert.py",),
    "elftools": ("edgekit/build/elf.py",),
    "pydantic": (
        "edgekit/project.py",
        "edgekit/strict_toml.py",
        "edgekit/validation.py",
        "edgekit/json_schema.py",
    ),
    "edgekit_runtime": ("edgekit/model/", "edge_agent/session.py"),
    "paho": ("edge_agent/sinks/mqtt_client.py",),
    "serial": ("edge_agent/sources/serial_port.py",),
}
"""Everything that is not of the standard library, and subprocess: where it may be imported, at any level."""

VENDORED = {"paho", "serial"}
"""What a bundle ships beside the agent, for the sources and sinks that need it."""


class Import(NamedTuple):
    """One name that a file imports."""

    file: str
    line: int
    name: str

    @property
    def package(self) -> str:
        """The first part of the name."""
        return self.name.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.name}"


def _imports(package: str) -> list[Import]:
    """Return all imports of a package, also those in functions and for type checkers only."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), file)):
            if isinstance(node, ast.Import):
                found += [Import(file, node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}:{node.lineno}: a relative import"
                module = node.module or ""
                # `from edgekit import project` imports a module as well as a name
                found += [
                    Import(file, node.lineno, f"{module}.{alias.name}") for alias in node.names
                ]
    return found


HOST = _imports("edgekit")
AGENT = _imports("edge_agent")


def _home(module: str) -> int:
    """Return the layer of `edgekit.<module>…`."""
    first = module.split(".")[1]
    return next(layer for layer, names in enumerate(LAYERS) if first in names)


def _is_edgekit_module(name: str) -> bool:
    """Whether a dotted name is a module of edgekit (and no class or function of its `__init__`)."""
    first = name.split(".")[1] if "." in name else ""
    return (ROOT / "edgekit" / f"{first}.py").exists() or (ROOT / "edgekit" / first).is_dir()


def test_every_module_of_the_host_has_a_layer() -> None:
    """A new module is put into a layer by a decision, not by accident."""
    modules = {path.stem for path in (ROOT / "edgekit").iterdir() if path.suffix == ".py"}
    modules |= {path.parent.name for path in (ROOT / "edgekit").glob("*/__init__.py")}

    assert modules - {"__init__"} == set().union(*LAYERS)


def test_imports_point_downwards() -> None:
    """The command line knows the verbs, the verbs know the nouns, the nouns know the errors."""
    wrong = []
    for item in HOST:
        if item.package == "edgekit" and item.file != "edgekit/__init__.py":  # the public names
            own = _home(item.file.removesuffix(".py").replace("/", "."))
            if _is_edgekit_module(item.name) and _home(item.name) < own:
                wrong.append(str(item))

    assert not wrong


def test_foreign_packages_stay_in_their_places() -> None:
    """A dependency that is imported in one place can be replaced in one place."""
    wrong = []
    for item in HOST + AGENT:
        known = item.package in sys.stdlib_module_names or item.package in {"edgekit", "edge_agent"}
        if item.package in PLACES:
            if not item.file.startswith(PLACES[item.package]):
                wrong.append(str(item))
        elif not known:
            wrong.append(f"{item} (a package without a place)")

    assert not wrong


def test_the_agent_needs_the_standard_library_alone() -> None:
    """A device has Python and the native module: no pip, no numpy, and nothing of the host."""
    allowed = sys.stdlib_module_names | {"edge_agent", "edgekit_runtime", "__future__"} | VENDORED

    assert AGENT
    assert not [str(item) for item in AGENT if item.package not in allowed]


def test_one_module_of_the_agent_knows_the_engine() -> None:
    """Another engine, or a fake one, comes in at one place."""
    assert {item.file for item in AGENT if item.package == "edgekit_runtime"} == {
        "edge_agent/session.py"
    }


@pytest.mark.parametrize(("crate", "forbidden"), [("engine", "pyo3"), ("python", "tract")])
def test_each_crate_knows_one_side(crate: str, forbidden: str) -> None:
    """The engine knows no Python, the binding knows no tract."""
    manifest = tomllib.loads((ROOT / "runtime/crates" / crate / "Cargo.toml").read_text())

    assert not [name for name in manifest["dependencies"] if name.startswith(forbidden)]
