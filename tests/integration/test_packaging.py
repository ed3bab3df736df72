"""What is installed is what was tried in the checkout: the wheel's content, and the commands out of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.native

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "shoulder"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build EdgeKit's wheel from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the wheel as an installation would, away from the checkout."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def test_the_wheel_holds_the_packages_and_nothing_beside_them(wheel: Path) -> None:
    """Two packages at the top; the engine's sources as data, without what builds leave behind."""
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0] for name in names} == {
        "edgekit",
        "edge_agent",
        f"edgekit-{_version()}.dist-info",
    }
    assert "edgekit/data/runtime/crates/engine/src/lib.rs" in names
    assert "edgekit/data/runtime/Cargo.lock" in names
    assert "edgekit/data/toolchains/zig.toml" in names
    assert "edgekit/data/boards/raspberry-pi-4.toml" in names
    assert not [
        name for name in names if re.search(r"/target/|__pycache__|\.so$|\.pyc$|/tests/data/", name)
    ]


def test_the_version_is_written_once() -> None:
    """EdgeKit asks for the engine of its own version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert f"edgekit-runtime=={_version()}" in project["dependencies"]


def test_the_installed_commands_do_the_main_job(installed: Path, tmp_path: Path) -> None:
    """`init`, `check`, `eval` and `run`, from a wheel and from a folder that has nothing to do with it."""
    options = ("--model", EXAMPLE / "shoulder.onnx", "--data", EXAMPLE / "held-out.csv")

    made = _edgekit(installed, tmp_path, "init", "mine", *options)
    where = _python(installed, tmp_path, "-c", "import edgekit; print(edgekit.__file__)")
    checked = _edgekit(installed, tmp_path, "-C", "mine", "check", "--json")
    judged = _edgekit(installed, tmp_path, "-C", "mine", "eval", "--json")
    ran = _edgekit(installed, tmp_path, "-C", "mine", "run", "--speed", "max", "--json")
    plan = _edgekit(installed, tmp_path, "-C", "mine", "build", "-t", "host", "--dry-run")

    assert made.returncode == 0, made.stderr
    assert where.stdout.startswith(str(installed))
    assert json.loads(checked.stdout)["verdict"] == "proven"
    assert json.loads(judged.stdout)["agreement"]["share"] == 1.0
    assert json.loads(ran.stdout)["samples"]["accounted"] is True
    assert f"cd {installed}/edgekit/data/runtime && " in plan.stdout, plan.stderr


def _version() -> str:
    manifest = tomllib.loads((ROOT / "runtime" / "Cargo.toml").read_text())
    return str(manifest["workspace"]["package"]["version"])


def _edgekit(site: Path, folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return _python(site, folder, "-m", "edgekit", *arguments)


def _python(site: Path, folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
