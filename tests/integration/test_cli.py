"""The command line as processes, with the real engine: init, check, eval, run, and everything that can be wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgekit

pytestmark = pytest.mark.native

ROOT = Path(__file__).parents[2]
WINDOW = 8
REFERENCE_MODELS = Path(
    os.environ.get(
        "EDGEKIT_REFERENCE_MODELS", Path(__file__).parents[3] / "shared" / "reference-models"
    )
)


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error"}


def edgekit_process(
    folder: Path, *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `edgekit` to its end; whatever happens, no traceback and nothing hangs."""
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", *arguments],
        cwd=folder,
        env=_environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _save(path: Path, weight: np.ndarray[Any, Any], *, softmax: bool = True) -> None:
    """Save a linear classifier of windows `[1, 8, 2]`."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores" if softmax else "y"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["scores"], ["y"], axis=1))
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, WINDOW, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, weight.shape[1]])],
        [numpy_helper.from_array(weight.astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def _weight() -> np.ndarray[Any, Any]:
    """Return weights that tell the sign of the first channel: output 0 is down, output 1 is up."""
    first = np.tile([1.0, 0.0], WINDOW)
    return np.stack([-first, first], axis=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that `edgekit init` has made of a model and a labelled recording."""
    folder = tmp_path_factory.mktemp("cli")
    _save(folder / "tilt.onnx", _weight())
    rng = np.random.default_rng(7)
    rows = []
    for second in range(10):
        level, label = (1, "up") if second % 2 else (-1, "down")
        for index in range(20):
            moment = second + index / 20
            rows.append(f"{moment:.2f},{level + rng.normal(0, 0.2):.4f},{rng.normal():.4f},{label}")
    (folder / "tilt.csv").write_text("\n".join(["time,pitch,roll,label", *rows]) + "\n")

    done = edgekit_process(folder, "init", "tilt", "--model", "tilt.onnx", "--data", "tilt.csv")

    assert done.returncode == 0, done.stderr
    assert "next: cd tilt && edgekit check" in done.stdout
    return folder / "tilt"


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """Return a copy of that project, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "tilt"))


def _edit(project: Path, before: str, after: str) -> None:
    path = project / "edgekit.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_the_main_job_from_end_to_end(project: Path) -> None:
    """init, check, eval, run, and what bare `edgekit` says before and after."""
    before = edgekit_process(project)
    checked = edgekit_process(project, "check", "--json")
    judged = edgekit_process(project, "eval", "--json", "--junit", "verdicts.xml")
    ran = edgekit_process(project, "run", "--speed", "max", "--json")
    after = edgekit_process(project)

    assert [done.returncode for done in (before, checked, judged, ran, after)] == [0] * 5
    proof = json.loads(checked.stdout)
    assert (proof["verdict"], proof["reason"], proof["mode"]) == ("proven", "", "window")
    assert proof["max_abs_error"] <= proof["tolerance"]
    assert proof["inputs"]["recorded"] > 0
    assert proof["pipeline"]["verdict"] == "not checked"
    assert proof["memory"]["live_bytes"] > 0
    result = json.loads(judged.stdout)
    assert (result["accuracy"], result["agreement"]["share"]) == (1.0, 1.0)
    assert result["confusion"]["labels"] == ["down", "up"]
    outcomes = [
        len(case) and case[0].tag for case in ET.parse(project / "verdicts.xml").iter("testcase")
    ]
    assert outcomes == ["system-out", "skipped", "system-out", "system-out"]
    summary = json.loads(ran.stdout)
    assert summary["samples"]["read"] == 200
    assert summary["samples"]["accounted"]
    assert summary["windows"] == (200 - WINDOW) // (WINDOW // 2) + 1
    assert "next: edgekit check" in before.stdout
    assert "next: edgekit run" in after.stdout
    assert "100.0%" in after.stdout


def test_check_says_the_two_truths_first(project: Path) -> None:
    """The engine's line and the pipeline's line, then the evidence; notes go to stderr."""
    done = edgekit_process(project, "check")

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0].startswith("engine: equal to the reference (")
    assert lines[1] == "pipeline: not checked"
    assert lines[2].startswith("hint: write one with")
    for name in ("verdict", "reference", "engine", "inputs", "largest error", "memory", "rewrites"):
        assert any(line.startswith(f"  {name} ") for line in lines), name
    assert f"takes          {WINDOW} × 2 raw samples (window × channels), every 4" in done.stdout  # noqa: RUF001 (products)
    assert max(map(len, lines)) <= 80


def test_quiet_leaves_the_verdicts(project: Path) -> None:
    """Two truths, and for `eval` the headline."""
    checked = edgekit_process(project, "check", "-q")
    judged = edgekit_process(project, "-q", "eval")

    truths = checked.stdout.splitlines()
    assert [line.partition(":")[0] for line in truths] == ["engine", "pipeline"]
    assert judged.stdout.splitlines()[:2] == truths
    assert judged.stdout.splitlines()[2:] == ["", "100.0%: 40 of 40 windows are right (tilt.csv)"]
    assert checked.stderr == judged.stderr == ""


def test_a_golden_record_is_held_against(project: Path) -> None:
    """Equal: the second line says so. Different: exit code 3, and bare `edgekit` knows it."""
    rng = np.random.default_rng(1)
    raw = rng.normal(size=(20, WINDOW, 2)).astype(np.float32)
    scores = raw.reshape(20, -1) @ _weight()
    outputs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    _edit(project, '# golden = "golden.npz"', 'golden = "golden.npz"')

    edgekit.golden(raw, outputs, project / "golden.npz")
    equal = edgekit_process(project, "check")
    edgekit.golden(raw, outputs[:, ::-1], project / "golden.npz")
    differs = edgekit_process(project, "check", "--json")
    after = edgekit_process(project)
    judged = edgekit_process(project, "eval", "--json")

    assert equal.returncode == 0
    assert "pipeline: equal to your golden (20 windows" in equal.stdout
    assert differs.returncode == 3
    assert json.loads(differs.stdout)["pipeline"]["verdict"] == "differs"
    assert "error: the pipeline differs from your golden" in differs.stderr
    assert "next: edgekit check" in after.stdout
    assert judged.returncode == 3
    assert json.loads(judged.stdout)["pipeline"]["verdict"] == "differs"


def test_a_golden_record_in_another_unit_is_warned_of(project: Path) -> None:
    """Equal from its own samples on, but they are nothing like the recording's."""
    raw = np.random.default_rng(1).normal(size=(20, WINDOW, 2)).astype(np.float32) * 1e4
    scores = (raw.reshape(20, -1) @ _weight()).astype(np.float64)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    _edit(project, '# golden = "golden.npz"', 'golden = "golden.npz"')
    edgekit.golden(raw, powers / powers.sum(axis=1, keepdims=True), project / "golden.npz")

    checked = json.loads(edgekit_process(project, "check", "--json").stdout)

    assert checked["pipeline"]["not_compared"] == ["channel names", "label names"]
    assert any(
        "larger than the recording's: another unit?" in finding["message"]
        for finding in checked["findings"]
    )


def test_an_accuracy_below_the_bound_fails(project: Path) -> None:
    """Labels in the wrong order: exit code 5, the right order in the hint, the failure in JUnit."""
    _edit(project, "# min_accuracy", "min_accuracy")
    _edit(project, 'labels = ["down", "up"]', 'labels = ["up", "down"]')

    done = edgekit_process(project, "eval", "--junit", "verdicts.xml")

    assert done.returncode == 5
    assert "error: accuracy is 0.0000" in done.stderr
    assert 'set `[model] labels = ["down", "up"]`' in done.stdout
    failed = [
        case.get("name")
        for case in ET.parse(project / "verdicts.xml").iter("testcase")
        if case.find("failure") is not None
    ]
    assert failed == ["accuracy"]


def test_an_evaluation_that_fails_leaves_no_older_verdict(project: Path) -> None:
    """The JUnit file is of this run: its one case failed with the error. A folder is refused at once."""
    assert edgekit_process(project, "eval", "--junit", "verdicts.xml").returncode == 0

    done = edgekit_process(project, "eval", "missing.csv", "--junit", "verdicts.xml")

    assert done.returncode == 2
    (case,) = ET.parse(project / "verdicts.xml").iter("testcase")
    failure = case.find("failure")
    assert failure is not None
    assert "missing.csv" in str(failure.get("message"))

    folder = edgekit_process(project, "eval", "--junit", ".")
    assert folder.returncode == 2
    assert "is a directory" in folder.stderr


def test_a_model_that_is_no_function_of_its_input_is_refused(project: Path) -> None:
    """A constant model proves nothing: exit code 3, and the JSON is there all the same."""
    _save(project / "tilt.onnx", np.zeros((2 * WINDOW, 2)))

    as_json = edgekit_process(project, "check", "--json")
    as_text = edgekit_process(project, "check")

    assert (as_json.returncode, as_text.returncode) == (3, 3)
    facts = json.loads(as_json.stdout)
    assert facts["verdict"] == "refused"
    assert facts["reason"]
    assert {
        *("rewrites", "reference", "tolerance", "max_abs_error", "argmax_agreement"),
        *("mode", "speedup", "memory"),
    } <= set(facts)
    assert as_text.stdout.startswith("engine: not equal")
    assert as_text.stderr.startswith("error: ")


def test_an_unproven_model_ships_with_its_reason_on_everything(project: Path) -> None:
    """Report, status and events say why; the verdict stays what it is. Without a reason there is none."""
    _save(project / "tilt.onnx", np.zeros((2 * WINDOW, 2)))

    checked = edgekit_process(project, "check", "--json", "--allow-unproven", "a bench test")
    ran = edgekit_process(
        project, "run", "--speed", "max", "--json", "--allow-unproven", "a bench test"
    )
    unsaid = edgekit_process(project, "check", "--allow-unproven", " ")

    facts, status = json.loads(checked.stdout), json.loads(ran.stdout)
    assert (checked.returncode, ran.returncode) == (0, 0), checked.stderr + ran.stderr
    assert (facts["verdict"], facts["unproven"]) == ("refused", "a bench test")
    assert (status["unproven"], status["mode"]) == ("a bench test", facts["mode"])
    assert unsaid.returncode == 2
    assert "--allow-unproven" in unsaid.stderr


@pytest.mark.parametrize(
    ("before", "after", "code", "said"),
    [
        ("window = 8", "windw = 8", 2, "did you mean `window`?"),
        ("window = 8", "window = 9", 2, "9 samples"),
        ('"tilt.onnx"', '"gone.onnx"', 3, "gone.onnx"),
        ('["down", "up"]', '["down", "up", "flat"]', 2, "3 names for 2 outputs"),
        ('["pitch", "roll"]', '["pitch", "yaw"]', 2, "no column `yaw`"),
        ('data = "tilt.csv"', 'data = "gone.csv"', 2, "gone.csv"),
    ],
)
def test_a_wrong_project_is_a_sentence(
    project: Path, before: str, after: str, code: int, said: str
) -> None:
    """Each mistake in edgekit.toml ends with what is wrong and what to do."""
    _edit(project, before, after)

    done = edgekit_process(project, "check")

    assert done.returncode == code
    assert done.stderr.startswith("error: ")
    assert said in done.stderr


def test_a_truncated_model_is_a_sentence(project: Path) -> None:
    """A download that broke off."""
    whole = (project / "tilt.onnx").read_bytes()
    (project / "tilt.onnx").write_bytes(whole[: len(whole) // 2])

    done = edgekit_process(project, "check")

    assert done.returncode == 3
    assert "tilt.onnx" in done.stderr


def test_bad_samples_are_dropped_and_counted(project: Path) -> None:
    """NaN, infinity, ragged and broken rows: nothing is lost without being named, and the rest is judged."""
    lines = (project / "tilt.csv").read_text().splitlines()
    for row, text in ((30, "nan,1"), (60, "inf,1"), (90, "x,1"), (120, "1")):
        time_s, *_, label = lines[row].split(",")
        lines[row] = f"{time_s},{text},{label}"
    (project / "tilt.csv").write_text("\n".join(lines) + "\n")

    judged = edgekit_process(project, "eval", "--json")
    ran = edgekit_process(project, "run", "--speed", "max", "--json")

    result, summary = json.loads(judged.stdout), json.loads(ran.stdout)
    assert (judged.returncode, ran.returncode) == (0, 0)
    assert result["samples_dropped"] == {"bad_value": 3, "ragged": 1}
    assert result["accuracy"] == 1.0
    assert summary["samples"]["dropped"]["ragged"] == 1
    assert summary["samples"]["accounted"]


@pytest.mark.parametrize("content", ["", "time,pitch,roll,label\n", "\x00\x01\x02"])
def test_a_recording_without_samples_is_a_sentence(project: Path, content: str) -> None:
    """Empty, a header alone, no text."""
    (project / "tilt.csv").write_text(content)

    done = edgekit_process(project, "check")

    assert done.returncode == 2
    assert "tilt.csv" in done.stderr


def test_samples_from_standard_input(project: Path) -> None:
    """`sensor | edgekit run`: the same rows, as they come."""
    _edit(project, 'kind = "replay"\npath = "tilt.csv"', 'kind = "stdin"')
    text = (project / "tilt.csv").read_text()

    done = edgekit_process(project, "run", "--json", stdin=text)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"]["read"] == 200


def test_another_recording_can_be_played(project: Path, tmp_path: Path) -> None:
    """A path on the command line is relative to where one stands; results go where the project says."""
    _edit(project, 'kind = "terminal"', 'kind = "jsonl"\npath = "out.jsonl"')
    rows = [f"{index / 20},1,0" for index in range(40)]
    (tmp_path / "other.csv").write_text("\n".join(["time,pitch,roll", *rows]) + "\n")

    done = edgekit_process(tmp_path, "-C", "tilt", "run", "--replay", "other.csv", "--speed", "max")

    records = [json.loads(line) for line in (project / "out.jsonl").read_text().splitlines()]
    assert done.returncode == 0, done.stderr
    assert {item["label"] for item in records if item["type"] == "prediction"} == {"up"}


def test_ctrl_c_ends_a_run_with_its_summary(project: Path) -> None:
    """The agent has taken over the process: the signal reaches it, the accounts are shown, the code is 130."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edgekit", "run", "--speed", "0.1", "--json"],
        cwd=project,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    status = project / ".edgekit" / "run" / "status.json"
    give_up = time.monotonic() + 60
    while not status.exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130, stderr
    assert json.loads(stdout)["samples"]["accounted"]


def test_named_tensors_are_proven_and_not_run(tmp_path: Path) -> None:
    """A model that is no stream: proven by its own inputs, used from Python."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["sum"])],
        "add",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "ab"],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [2, 3])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        tmp_path / "add.onnx",
    )

    made = edgekit_process(tmp_path, "init", "add", "--model", "add.onnx", "--json")
    checked = edgekit_process(tmp_path / "add", "check", "--json")
    ran = edgekit_process(tmp_path / "add", "run")

    assert json.loads(made.stdout)["missing"] == []
    assert (checked.returncode, json.loads(checked.stdout)["mode"]) == (0, "tensor")
    assert ran.returncode == 2
    assert "edgekit.compile" in ran.stderr


def test_the_doctor_finds_this_machine_ready(project: Path) -> None:
    """Where these tests run, everything that is needed is there."""
    done = edgekit_process(project, "doctor", "--json")

    facts = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert facts["ready"]
    assert {"edgekit-runtime", "onnxruntime", "project"} <= {
        item["name"] for item in facts["checks"]
    }


@pytest.mark.skipif(
    not (REFERENCE_MODELS / "har").is_dir(),
    reason=f"the reference models are not at {REFERENCE_MODELS}; EDGEKIT_REFERENCE_MODELS says where they are",
)
def test_a_third_party_model_through_every_command(tmp_path: Path) -> None:
    """7,000 real samples: 504 of 525 windows right, and what the agent writes equals ONNX Runtime to 1e-5."""
    har = REFERENCE_MODELS / "har"
    edgekit_process(
        tmp_path,
        "init",
        "har",
        "--model",
        str(har / "har_st.onnx"),
        "--data",
        str(har / "stream_26hz_mg.csv"),
    )
    project = tmp_path / "har"
    _edit(project, '["running", "stationary", "walking"]', '["stationary", "walking", "running"]')
    _edit(project, "# scale = 0.001", "scale = 0.00025")
    _edit(project, 'kind = "terminal"', 'kind = "jsonl"\npath = "out.jsonl"')

    checked = edgekit_process(project, "check", "--json")
    judged = edgekit_process(project, "eval", "--json")
    ran = edgekit_process(project, "run", "--speed", "max", "--json")

    assert [done.returncode for done in (checked, judged, ran)] == [0, 0, 0]
    result = json.loads(judged.stdout)
    assert (result["right"], result["windows"]["judged"]) == (504, 525)
    assert result["agreement"]["whole"]
    golden = json.loads((har / "golden.json").read_text())["expected"]
    records = [json.loads(line) for line in (project / "out.jsonl").read_text().splitlines()]
    ours = np.array([item["values"] for item in records if item["type"] == "prediction"])
    theirs = np.array([item["probs"] for item in golden])
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-5
