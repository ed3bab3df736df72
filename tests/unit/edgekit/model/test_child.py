"""Jobs in a child process: real crashes, real limits, and what the user reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgekit.errors import ModelError
from edgekit.model.child import Job, Limits
from edgekit.model.options import ModelOptions
from edgekit.model.proof.reference import EXACT, Reference, outputs_of
from edgekit.model.source import SourceModel

MakeOnnx = Callable[..., Path]

ROOT = Path(__file__).parents[4]
MIB = 1024 * 1024
LIMITS = Limits(memory_bytes=2048 * MIB, cpu_s=60, wall_s=60.0)
CONVERT = {"spec": None, "hop": None, "options": ModelOptions().to_json()}


@pytest.fixture
def engine_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that puts an engine in the child's way which does this when it converts."""

    def put(body: str) -> None:
        folder = tmp_path / "engine"
        folder.mkdir()
        (folder / "edgekit_runtime.py").write_text(
            "import os, sys, time\n"
            "class EngineError(Exception): ...\n"
            f"def import_onnx(model, outputs=None, **others):\n    {body}\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)

    return put


def _convert(path: Path, logs: Path, limits: Limits = LIMITS) -> dict[str, Any]:
    inputs = {"input_x": np.zeros((1, 1, 3, 16), np.float32)}
    with Job("convert", SourceModel.load(path), CONVERT, inputs, logs=logs, limits=limits) as job:
        return job.result()


def test_a_crash_is_a_sentence(
    classifier: Path, tmp_path: Path, engine_that: Callable[[str], None]
) -> None:
    """The signal, the step and the file are named; what the converter printed is kept."""
    engine_that("print('last words', file=sys.stderr, flush=True); os.abort()")

    with pytest.raises(ModelError) as caught:
        _convert(classifier, tmp_path / "logs")

    says = f"the converter crashed (SIGABRT) while converting it, on `{classifier}`"
    assert str(caught.value) == says
    assert "last words" in (tmp_path / "logs" / "convert.log").read_text()
    assert str(tmp_path / "logs" / "convert.log") in str(caught.value.hint)


def test_a_crash_in_native_memory_is_a_sentence(
    classifier: Path, tmp_path: Path, engine_that: Callable[[str], None]
) -> None:
    """A segmentation fault too, with Python's own report in the log."""
    engine_that("import ctypes; ctypes.string_at(0)")

    with pytest.raises(ModelError, match="crashed \\(SIGSEGV\\)"):
        _convert(classifier, tmp_path / "logs")

    assert "Segmentation fault" in (tmp_path / "logs" / "convert.log").read_text()


@pytest.mark.parametrize(
    "body",
    [
        "bytearray(8 << 30)",  # Python finds out
        "print('memory allocation of 8589934592 bytes failed', file=sys.stderr, flush=True); os.abort()",  # Rust does
    ],
)
def test_too_much_memory_is_a_sentence(
    classifier: Path, tmp_path: Path, engine_that: Callable[[str], None], body: str
) -> None:
    """The limit is named, whoever met it."""
    engine_that(body)

    with pytest.raises(
        ModelError, match="needed more than 2,048 MiB of memory while converting it"
    ):
        _convert(classifier, tmp_path / "logs")


def test_a_hang_ends_at_the_clock(
    classifier: Path, tmp_path: Path, engine_that: Callable[[str], None]
) -> None:
    """A child that sleeps uses no processor time: the parent's clock ends it."""
    engine_that("time.sleep(60)")
    started = time.monotonic()

    with pytest.raises(ModelError, match="took longer than 3 s while converting it"):
        _convert(classifier, tmp_path / "logs", Limits(memory_bytes=2048 * MIB, wall_s=3.0))

    assert time.monotonic() - started < 30


def test_an_endless_loop_ends_by_processor_time(
    classifier: Path, tmp_path: Path, engine_that: Callable[[str], None]
) -> None:
    """However loaded this machine is, the child gets its share and no more."""
    engine_that("while True: pass")

    with pytest.raises(
        ModelError, match="took more than 3 s of processor time while converting it"
    ):
        _convert(
            classifier, tmp_path / "logs", Limits(memory_bytes=2048 * MIB, cpu_s=3, wall_s=60.0)
        )


def test_an_unexpected_error_is_a_sentence(
    classifier: Path, tmp_path: Path, engine_that: Callable[[str], None]
) -> None:
    """Its first line is shown, its traceback is in the log."""
    engine_that("raise RuntimeError('odd\\nmore')")

    with pytest.raises(ModelError, match="the converter failed while converting it: odd, on"):
        _convert(classifier, tmp_path / "logs")

    assert "Traceback" in (tmp_path / "logs" / "convert.log").read_text()


def test_a_model_that_asks_for_terabytes_is_a_sentence(make_onnx: MakeOnnx, tmp_path: Path) -> None:
    """A 200-byte file that expands to 2^34 numbers, in the real ONNX Runtime: its shape is known when it runs."""
    path = make_onnx(
        [
            helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
            helper.make_node("ReduceMax", ["whole"], ["largest"], axes=[0], keepdims=0),
            helper.make_node("Add", ["largest", "more"], ["shape"]),
            helper.make_node("Expand", ["x", "shape"], ["e"]),
            helper.make_node("ReduceMax", ["e"], ["y"], keepdims=0),
        ],
        {"more": np.array([1, 1, 2**32, 4])},
        outputs=[("y", TensorProto.FLOAT, [])],
    )

    with pytest.raises(ModelError, match="ONNX Runtime needed more than 2,048 MiB of memory"):
        Reference(SourceModel.load(path), None, logs=tmp_path).run(
            [{"x": np.zeros((1, 4), np.float32)}]
        )


def test_the_log_of_a_crash_is_kept_somewhere(
    classifier: Path, tmp_path: Path, engine_that: Callable[[str], None]
) -> None:
    """Also where a file is in the way of the folder for logs."""
    engine_that("print('last words', file=sys.stderr, flush=True); os.abort()")
    (tmp_path / ".edgekit").write_text("in the way")

    with pytest.raises(ModelError) as caught:
        _convert(classifier, tmp_path / ".edgekit" / "logs")

    kept = Path(str(caught.value.hint).split("`")[1])
    assert "last words" in kept.read_text()
    shutil.rmtree(kept.parent)


def test_onnx_runtime_tells_nobody(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing leaves the machine: it would report its use, and keep a file for it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    (tmp_path / "tmp").mkdir()

    Reference(SourceModel.load(classifier), None).run([{"x": np.zeros((1, 3, 16), np.float32)}])

    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child that its parent is gone"
)
def test_the_child_ends_with_its_parent(
    classifier: Path, tmp_path: Path, engine_that: Callable[[str], None]
) -> None:
    """However that ends: SIGKILL leaves it no time to end anything."""
    engine_that(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    code = (
        "import json, sys; from edgekit.model.child import Job; from edgekit.model.source import SourceModel\n"
        "with Job('convert', SourceModel.load(sys.argv[1]), json.loads(sys.argv[2]), {}) as job: job.result()"
    )
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    parent = subprocess.Popen(
        [sys.executable, "-c", code, classifier, json.dumps(CONVERT)],
        env={**os.environ, "PYTHONPATH": search, "TMPDIR": str(tmp_path)},
    )
    _wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    child = int((tmp_path / "pid").read_text())

    parent.kill()
    parent.wait()

    _wait_until(lambda: not _is_running(child))


def _is_running(process: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_leaving_early_ends_the_child_and_its_files(
    classifier: Path,
    engine_that: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """An interrupt between start and result leaves nothing behind."""
    engine_that("time.sleep(60)")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    started = time.monotonic()

    with (
        pytest.raises(KeyboardInterrupt),
        Job("convert", SourceModel.load(classifier), CONVERT, {}),
    ):
        raise KeyboardInterrupt

    assert time.monotonic() - started < 30
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_child_finds_this_edgekit_from_any_folder(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative PYTHONPATH and a module of the same name in the working folder do not confuse it."""
    (tmp_path / "edgekit.py").write_text("raise SystemExit('the wrong edgekit')")
    monkeypatch.chdir(tmp_path)
    frames = {"x": np.zeros((2, 1, 3, 16), np.float32)}

    with Reference(SourceModel.load(classifier), None).job(frames, noise=False) as job:
        result = job.result()
        outputs = outputs_of(job, EXACT)

    assert result["frames"] == [0, 1]
    assert outputs["y"].shape == (2, 1, 4)


def test_nothing_reaches_the_terminal(classifier: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What native code prints belongs in a log, not between the lines of a report."""
    Reference(SourceModel.load(classifier), None).run([{"x": np.zeros((1, 3, 16), np.float32)}])

    assert capfd.readouterr() == ("", "")
