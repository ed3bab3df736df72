"""Signals to the command line: it ends in good order, and nothing that it started or wrote is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import TensorProto, helper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc"),
]

ROOT = Path(__file__).parents[2]

PROJECT = """
[project]
name = "slow"
[model]
path = "slow.onnx"
[input]
kind = "tensor"
"""


@pytest.fixture
def folder(tmp_path: Path, make_onnx: Callable[..., Path]) -> Path:
    """Return the folder of a project whose proof takes many seconds."""
    size = 2000
    layers = [helper.make_node("MatMul", [f"t{n}", "w"], [f"t{n + 1}"]) for n in range(300)]
    make_onnx(
        [
            helper.make_node("Identity", ["x"], ["t0"]),
            *layers,
            helper.make_node("Tanh", ["t300"], ["y"]),
        ],
        {"w": np.full((size, size), 1e-4, np.float32)},
        inputs=[("x", TensorProto.FLOAT, [20, size])],
        outputs=[("y", TensorProto.FLOAT, [20, size])],
        name="slow.onnx",
    )
    (tmp_path / "edgekit.toml").write_text(PROJECT)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def _workers(temporary: Path) -> Iterator[int]:
    """Yield the processes whose output goes to a job's log below `temporary`."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            output = (entry / "fd" / "1").readlink()
        except OSError:  # it has ended, or belongs to somebody else
            continue
        if output.is_relative_to(temporary):
            yield int(entry.name)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _check(folder: Path, *before: str) -> subprocess.Popen[str]:
    """Start `edgekit check` and return when both its children work."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "edgekit", "check"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(folder / "tmp")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_until(lambda: len(list(_workers(folder / "tmp"))) == 2)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return process


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_check_that_is_ended_leaves_nothing(folder: Path, number: int, code: int) -> None:
    """`kill`, a closed terminal and Ctrl-C: no child, no temporary file, no traceback."""
    process = _check(folder)

    process.send_signal(number)
    _, said = process.communicate(timeout=60)

    assert process.returncode == code
    assert "Traceback" not in said
    assert list((folder / "tmp").iterdir()) == []
    assert not list(_workers(folder / "tmp"))


def test_a_check_that_is_killed_leaves_no_child(folder: Path) -> None:
    """SIGKILL, as the kernel sends it when memory runs out: the children end with their parent."""
    process = _check(folder)

    process.kill()
    process.communicate(timeout=60)

    _wait_until(lambda: not list(_workers(folder / "tmp")))


def test_under_nohup_a_closed_terminal_is_no_end(folder: Path) -> None:
    """Whoever starts it with `nohup` wants just that."""
    process = _check(folder, "nohup")

    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)

    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143
