"""The Python that ships: all of the agent but its fakes, and a package of one's own."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import PluginSource
from edgekit.bundle.agent_files import agent_files, plugin_files
from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = PluginSource(kind="mypkg.adc:AdcSource", package="mypkg/")


def _package(folder: Path) -> Path:
    package = folder / "mypkg"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "adc.py").write_text("class AdcSource: ...\n")
    (package / "deep" / "__init__.py").write_text("")
    return package


def test_the_agent_ships_whole_but_for_its_fakes() -> None:
    """Every module that another one imports is there; tests' fakes are not."""
    files = agent_files()

    assert "edge_agent/__main__.py" in files
    assert "edge_agent/config/__init__.py" in files
    assert not [path for path in files if path.endswith(("testing.py", ".pyc", "py.typed"))]
    modules = {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files
    }
    for path, data in files.items():
        for node in ast.walk(ast.parse(data)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edge_agent"):
                assert node.module in modules, f"{path} imports {node.module}"


def test_a_package_ships_as_python_alone(tmp_path: Path) -> None:
    """Caches and hidden files are no loss; other files are named."""
    package = _package(tmp_path)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "adc.cpython-311.pyc").write_bytes(b"x")
    (package / ".git").mkdir()
    (package / "table.json").write_text("{}")

    files, notes = plugin_files(SOURCE, tmp_path)

    assert sorted(files) == ["mypkg/__init__.py", "mypkg/adc.py", "mypkg/deep/__init__.py"]
    assert files["mypkg/adc.py"] == b"class AdcSource: ...\n"
    assert notes == ("`mypkg/`: 1 files that are no Python stay behind",)


def test_a_single_module_ships(tmp_path: Path) -> None:
    """A file is a package of its own."""
    (tmp_path / "adc.py").write_text("class AdcSource: ...\n")
    source = PluginSource(kind="adc:AdcSource", package="adc.py")

    assert plugin_files(source, tmp_path) == ({"adc.py": b"class AdcSource: ...\n"}, ())


@pytest.mark.parametrize(
    "what", ["native", "link", "folder-link", "pipe", "syntax", "null", "many"]
)
def test_what_cannot_ship_is_a_sentence(tmp_path: Path, what: str) -> None:
    """Native code of this machine, links, pipes, and what is no Python."""
    package = _package(tmp_path)
    if what == "native":
        (package / "fast.so").write_bytes(b"\x7fELF")
    elif what == "link":
        (package / "secret.py").symlink_to("/etc/passwd")
    elif what == "folder-link":
        (package / "up").symlink_to(tmp_path)
    elif what == "pipe":
        os.mkfifo(package / "pipe.py")
    elif what == "syntax":
        (package / "adc.py").write_text("class AdcSource\n")
    elif what == "null":
        (package / "adc.py").write_bytes(b"x = 1\0")
    else:
        for number in range(1001):
            (package / f"m{number}.py").write_text("")
    said = {
        "native": "native code",
        "syntax": r"adc\.py:1: no Python",
        "null": r"adc\.py.*: no Python",
        "many": "more than 1000 files",
    }.get(what, "is a link or a device")

    with pytest.raises(ConfigError, match=said):
        plugin_files(SOURCE, tmp_path)


@pytest.mark.parametrize(
    ("kind", "package", "said"),
    [
        ("mypkg.adc:AdcSource", "other/", "`source.kind` is of `mypkg`"),
        ("mypkg.none:AdcSource", "mypkg", r"has no `mypkg/none\.py`"),
        ("serial:Source", "serial.py", "has a module `serial` itself"),
        ("json:Source", "json/", "has a module `json` itself"),
        ("edge_agent.x:Source", "edge_agent", "has a module `edge_agent` itself"),
        ("gone:Source", "gone", "cannot read"),
        ("gone:Source", "a\0/gone", "cannot read"),
    ],
)
def test_a_package_that_is_not_what_it_should_be(
    tmp_path: Path, kind: str, package: str, said: str
) -> None:
    """The name decides what Python imports on the device."""
    _package(tmp_path)
    for name in ("serial.py",):
        (tmp_path / name).write_text("")

    with pytest.raises(ConfigError, match=said):
        plugin_files(PluginSource(kind=kind, package=package), tmp_path)
