"""The example through the commands: proven, equal to what its training script wrote down."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.native

EXAMPLE = Path(__file__).parents[2] / "examples" / "shoulder"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the example, so that nothing is written into the checkout."""
    copy = tmp_path_factory.mktemp("example") / "shoulder"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns(".edgekit", "__pycache__"))
    return copy


def facts(folder: Path, command: str) -> Any:
    """Run a command that succeeds and return the JSON that it prints."""
    call = [sys.executable, "-m", "edgekit", "-C", str(folder), command, "--json"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_check_proves_engine_and_pipeline(folder: Path) -> None:
    """The engine equals ONNX Runtime, and the pipeline what jax gave on the same raw samples."""
    found = facts(folder, "check")

    assert found["verdict"] == "proven"
    assert found["pipeline"]["verdict"] == "equal"


def test_eval_gives_the_accuracy_that_the_training_script_measured(folder: Path) -> None:
    """Not one window is judged otherwise, and every decision is the reference's."""
    found = facts(folder, "eval")
    report = json.loads((folder / "report.json").read_text())["slice"]

    assert found["accuracy"] == report["accuracy"]
    assert (found["right"], found["windows"]["judged"]) == (report["right"], report["windows"])
    assert found["windows"]["total"] == report["windows"]
    assert (found["samples_read"], found["samples_dropped"]) == (report["samples"], {})
    assert found["agreement"]["whole"]
