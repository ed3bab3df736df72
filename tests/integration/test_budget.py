"""Budgets with the real engine: what is planned is what is used, and what cannot be is refused with the numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.memory_plan import ENGINE_CODE_BYTES

pytestmark = pytest.mark.native

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
HOST_ENGINE_CODE_BYTES = 16 * MIB
"""The host's engine reads ONNX as well: twice the code of a device's."""
PROJECT = """\
[project]
name = "tilt"

[model]
path = "tilt.onnx"
labels = ["down", "up"]

[input]
channels = ["pitch", "roll"]
rate_hz = 100
window = 64
hop = 8

[source]
kind = "replay"
path = "tilt.csv"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with a model of 2 MB and a recording of 30 s."""
    rng = np.random.default_rng(7)
    weights = {
        "first": rng.normal(0, 0.1, (128, 4096)).astype(np.float32),
        "second": rng.normal(0, 0.1, (4096, 2)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "first"], ["wide"]),
        helper.make_node("Tanh", ["wide"], ["bent"]),
        helper.make_node("MatMul", ["bent", "second"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "wide",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "tilt.onnx")
    rows = [
        f"{i / 100:.2f},{a:.3f},{b:.3f}" for i, (a, b) in enumerate(rng.normal(0, 1, (3000, 2)))
    ]
    (tmp_path / "tilt.csv").write_text("\n".join(["time,pitch,roll", *rows]) + "\n")
    (tmp_path / "edgekit.toml").write_text(PROJECT)
    return tmp_path


def _edgekit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _budget(project: Path, text: str) -> None:
    (project / "edgekit.toml").write_text(f"{PROJECT}\n{text}\n")


def test_what_is_planned_is_what_is_used(project: Path) -> None:
    """The agent's memory on this machine is the plan's without a full queue, to a fifth."""
    checked = _edgekit(project, "check", "--json")
    ran = _edgekit(project, "run", "--speed", "max", "--json")

    assert (checked.returncode, ran.returncode) == (0, 0), checked.stderr + ran.stderr
    plan = json.loads(checked.stdout)["memory_plan"]
    here_bytes = plan["total_bytes"] - ENGINE_CODE_BYTES + HOST_ENGINE_CODE_BYTES
    here_bytes -= plan["parts"]["queue"]
    used_bytes = json.loads(ran.stdout)["rss_bytes"]
    assert plan["parts"]["weights"] > 2 * MIB
    assert 0.8 * here_bytes < used_bytes < 1.2 * here_bytes


def test_too_little_memory_is_refused(project: Path) -> None:
    """Exit code 4 with the numbers, after the table that shows them; the state remembers the proof as good."""
    _budget(project, "[budget]\nmemory_mib = 16")

    done = _edgekit(project, "check")

    assert done.returncode == 4
    assert "error: the service needs " in done.stderr
    assert "`budget.memory_mib` is 16: Python and agent 16.0 MiB" in done.stderr
    assert "hint: set `memory_mib` to " in done.stderr
    assert "] 2" in done.stdout, "the bar is full, and its percent are over 200"


def test_a_budget_that_fits_is_shown(project: Path) -> None:
    """A bar, as of PlatformIO."""
    _budget(project, "[budget]\nmemory_mib = 64")

    done = _edgekit(project, "check")

    assert done.returncode == 0
    assert "of 64 MiB" in done.stdout


def test_a_board_that_draws_more_by_itself(project: Path) -> None:
    """Refused before seconds go into the proof."""
    _budget(project, '[budget]\npower_mw = 2500\n\n[deploy]\nboard = "raspberry-pi-5"')

    done = _edgekit(project, "check")

    assert done.returncode == 4
    assert "`raspberry-pi-5` draws 3300 mW when it is idle" in done.stderr
    assert done.stdout == ""
