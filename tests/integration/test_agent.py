"""The agent as a process, with the real engine: a recording in, results and accounts out."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent import schema
from edge_agent.config import (
    AgentConfig,
    Archive,
    JsonlSink,
    Output,
    ReplaySource,
    StdinSource,
    Stream,
    TerminalSink,
)

pytestmark = pytest.mark.native
edgekit_runtime = pytest.importorskip("edgekit_runtime")
onnx = pytest.importorskip("onnx")

ROOT = Path(__file__).parents[2]
WINDOW, HOP = 10, 5


class Project:
    """A folder with an agent.json, its archive and a recording: the model gives the mean of each channel."""

    def __init__(self, folder: Path, archive: bytes) -> None:
        engine = edgekit_runtime.engine()
        self.folder = folder
        self.path = folder / "agent.json"
        self.recording = folder / "walk.csv"
        (folder / "model.nnef.tar").write_bytes(archive)
        self.config = AgentConfig(
            name="gait",
            version="1.0.0",
            model=Archive(
                path="model.nnef.tar",
                sha256=hashlib.sha256(archive).hexdigest(),
                engine=f"{engine.name} {engine.version}",
                registries=engine.registries,
            ),
            labels=("left", "right"),
            input=Stream(channels=("ax", "ay"), rate_hz=50.0, window=WINDOW, hop=HOP),
            output=Output(),
            source=ReplaySource(path=str(self.recording)),
            sinks=(TerminalSink(),),
        )
        # a second of left, a second of right, a lost second, a second of left
        seconds = [(0, "1,0"), (1, "0,1"), (3, "1,0")]
        rows = [
            f"{second + i * 0.02:.2f},{values}" for second, values in seconds for i in range(50)
        ]
        self.recording.write_text("\n".join(["time_s,ax,ay", *rows]) + "\n")

    def write(self, **changes: Any) -> None:
        """Write agent.json, with sections changed."""
        self.config = replace(self.config, **changes)
        self.path.write_text(schema.to_text(self.config))

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of the agent."""
        if not self.path.exists():
            self.write()
        return [sys.executable, "-m", "edge_agent", "run", str(self.path), *arguments]

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the agent to its end; it may fail, but never with a traceback."""
        finished = subprocess.run(
            self.command(*arguments),
            **{"cwd": self.folder, "env": environment(), "timeout": 60, **options},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in finished.stderr
        return finished

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start the agent with pipes."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(
            self.command(*arguments),
            **{"cwd": self.folder, "env": environment(), "text": True, **pipes, **options},
        )


def environment() -> dict[str, str]:
    """Return the environment that runs this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


@pytest.fixture(scope="module")
def archive() -> bytes:
    """Make the archive of a model that gives the mean of each channel."""
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["samples"], ["prediction"], axes=[0], keepdims=0)],
        "means",
        [helper.make_tensor_value_info("samples", float32, [WINDOW, 2])],
        [helper.make_tensor_value_info("prediction", float32, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    archive: bytes = edgekit_runtime.import_onnx(model.SerializeToString())
    return archive


@pytest.fixture
def project(tmp_path: Path, archive: bytes) -> Project:
    """Make the project in an empty folder."""
    return Project(tmp_path, archive)


def until(condition: Any, seconds: float = 30.0) -> None:
    """Wait for a condition; fail when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


def test_a_recording_as_fast_as_possible(project: Project) -> None:
    """Predictions, events and accounts of three known seconds."""
    project.write(sinks=(JsonlSink(path="out.jsonl"),))
    finished = project.run("--speed", "max", "--json")

    assert finished.returncode == 0, finished.stderr
    facts = json.loads(finished.stdout)
    assert facts["samples"] == {
        "read": 150,
        "windowed": 150,
        "dropped": {},
        "skipped": 0,
        "shed": 0,
        "pending": 0,
        "held": 0,
        "clipped": 0,
        "marked": 0,
        "accounted": True,
    }
    assert facts["windows"] == 28
    assert facts["rate_hz_measured"] == pytest.approx(50)
    assert facts["engine_live_bytes"] > 0
    assert any("1 gap of" in note for note in facts["notes"])
    lines = [json.loads(line) for line in (project.folder / "out.jsonl").read_text().splitlines()]
    assert [(line["previous"], line["label"]) for line in lines if line["type"] == "event"] == [
        (None, "left"),
        ("left", "right"),
        ("right", "left"),
    ]
    first = lines[0]
    assert (first["time_s"], first["row"], first["values"]) == (pytest.approx(0.18), 11, [1.0, 0.0])


def test_the_summary_for_people(project: Project) -> None:
    """Events as lines, then accounts that visibly add up."""
    finished = project.run("--speed", "max")

    assert finished.returncode == 0
    assert "(none) → left" in finished.stdout
    assert "samples  150 read = 150 in windows + 0 pending" in finished.stdout
    assert "28 predictions: left" in finished.stdout


def test_a_recording_of_which_nothing_can_be_used(project: Project) -> None:
    """The accounts say where the samples went, then comes the error."""
    project.recording.write_text("ax,ay\n" + '"0,1","0,2"\n' * 50)
    finished = project.run("--speed", "max")

    assert finished.returncode == 2
    assert "50 read = 0 in windows + 50 bad value + 0 pending" in finished.stdout
    assert finished.stderr.startswith("error: no sample of `")
    assert "hint: `0,1` may be a number with a decimal comma" in finished.stderr
    facts = json.loads(project.run("--speed", "max", "--json").stdout)
    assert (facts["state"], facts["samples"]["accounted"]) == ("failed", True)


def test_an_arduino_starts_up(project: Project) -> None:
    """Its words are dropped and counted, and the accounts add up."""
    project.write(source=StdinSource())
    rows = "".join(f"{i * 20}\t1\t0\n" for i in range(2 * WINDOW))
    finished = project.run(input=f"1\t0\nHello!\nmillis\tax\tay\n{rows}")

    assert finished.returncode == 0, finished.stderr
    assert "22 read = 20 in windows + 2 before start + 0 pending" in finished.stdout
    assert "first in row 1: `1 0` is no header" in finished.stdout


def test_recordings_in_one_file_are_told_apart(project: Project) -> None:
    """By a line above the first event of each, and by a key in the results."""
    rows = "".join(f"{group},1,0\n" * WINDOW for group in ("anna", "ben"))
    project.recording.write_text(f"subject,ax,ay\n{rows}")
    project.write(sinks=(TerminalSink(), JsonlSink(path="out.jsonl")))
    finished = project.run("--speed", "max")

    shown = finished.stdout.splitlines()[:4]
    assert (shown[0], shown[2]) == ("── anna", "── ben")
    assert shown[1] == shown[3].replace("0.38", "0.18")
    lines = [json.loads(line) for line in (project.folder / "out.jsonl").read_text().splitlines()]
    assert [line["group"] for line in lines] == ["anna", "anna", "ben", "ben"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_a_slow_replay_in_good_order(
    project: Project, number: int, code: int
) -> None:
    """SIGTERM and Ctrl-C: block finished, sinks written, final status, summary, exit code."""
    project.write(sinks=(JsonlSink(path="out.jsonl"),))
    status = project.folder / "status.json"
    agent = project.start("--speed", "0.5", "--json", "--status", str(status))
    until(
        lambda: (
            (project.folder / "out.jsonl").exists()
            and (project.folder / "out.jsonl").stat().st_size
        )
    )
    agent.send_signal(number)
    out, err = agent.communicate(timeout=30)

    assert (agent.returncode, err) == (code, "")
    facts = json.loads(out)
    assert facts["state"] == "stopped"
    assert facts["samples"]["accounted"]
    assert 0 < facts["samples"]["windowed"] < 150
    final = json.loads(status.read_text())
    assert (final["state"], final["samples"]) == ("stopped", facts["samples"])
    predictions = (project.folder / "out.jsonl").read_text().count('"prediction"')
    assert predictions == facts["windows"]


def test_a_signal_ends_the_wait_for_standard_input(project: Project) -> None:
    """A sensor that says nothing does not keep the agent from stopping."""
    project.write(source=StdinSource())
    status = project.folder / "status.json"
    agent = project.start("--json", "--status", str(status))
    until(status.exists)
    agent.send_signal(signal.SIGTERM)

    assert agent.wait(timeout=30) == 0  # while standard input is still open
    out, _ = agent.communicate()
    assert json.loads(out)["samples"]["read"] == 0


def test_standard_input_is_taken_as_it_comes(project: Project) -> None:
    """An event is out while the next line is still to come; at the end nothing is lost."""
    project.write(source=StdinSource())
    agent = project.start()
    assert agent.stdin
    assert agent.stdout
    agent.stdin.write("ax,ay\n" + "1,0\n" * WINDOW)
    agent.stdin.flush()
    assert "left" in agent.stdout.readline()
    agent.stdin.write("0,1\n" * WINDOW + "1,")
    agent.stdin.flush()
    assert "right" in agent.stdout.readline()
    out, err = agent.communicate("nan\n", timeout=30)

    assert (agent.returncode, err) == (0, "")
    assert "21 read = 20 in windows + 1 bad value + 0 pending" in out


def test_a_reader_that_has_seen_enough(project: Project) -> None:
    """`| head -1` ends the run quietly."""
    agent = project.start("--speed", "20")
    assert agent.stdout
    assert agent.stderr
    agent.stdout.readline()
    agent.stdout.close()

    assert agent.wait(timeout=30) == 0
    assert agent.stderr.read() == ""
    agent.stderr.close()
    assert agent.stdin
    agent.stdin.close()


def test_standard_output_on_a_full_disk(project: Project) -> None:
    """The summary cannot be written: a sentence, and no second complaint at exit."""
    project.write(sinks=())
    with Path("/dev/full").open("w") as full:
        agent = project.start("--speed", "max", stdout=full)
        _, err = agent.communicate(timeout=30)

    assert (agent.returncode, err) == (
        1,
        "error: cannot write to standard output: No space left on device\n",
    )


@pytest.mark.parametrize("closed", [">&-", "<&-"])
def test_without_standard_streams(project: Project, closed: str) -> None:
    """A service may run without them; a source that needs one says so."""
    source = project.config.source if closed == ">&-" else StdinSource()
    project.write(source=source, sinks=(TerminalSink(), JsonlSink(path="out.jsonl")))
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *project.command()]
    finished = subprocess.run(
        shell,
        cwd=project.folder,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )

    if closed == ">&-":
        assert (finished.returncode, finished.stderr) == (0, "")
        assert (project.folder / "out.jsonl").read_text().count('"prediction"') == 28
    else:
        assert finished.returncode == 2
        assert finished.stderr.startswith("error: standard input is closed")


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("/dev/full", "No space left on device"),
        ("walk.csv/out.jsonl", "cannot write to"),
        (".", "it is a folder"),
    ],
)
def test_a_sink_that_cannot_be_written(project: Project, place: str, says: str) -> None:
    """A full disk or an impossible path is a sentence with a hint, and the exit code of a failure."""
    project.write(sinks=(JsonlSink(path=place),))
    finished = project.run("--speed", "max")

    assert finished.returncode == 1
    assert finished.stderr.startswith("error: ")
    assert says in finished.stderr
    assert "hint: " in finished.stderr


@pytest.mark.parametrize(
    ("section", "changes", "code", "says"),
    [
        ("model", {"sha256": "0" * 64}, 5, "SHA-256"),
        ("model", {"path": "missing.tar"}, 2, "missing.tar"),
        ("model", {"engine": "tract 0.1"}, 3, "needs the engine `tract 0.1`"),
        ("model", {"registries": ("made_up",)}, 3, "`made_up`"),
        ("input", {"window": WINDOW + 1}, 2, "the model takes 10"),
        ("input", {"channels": ("ax",)}, 2, "the model takes 2"),
        ("decision", {"threshold": {"lfet": 0.5}}, 2, "did you mean `left`?"),
        ("source", {"path": "missing.csv"}, 2, "missing.csv`"),
        ("source", {"label": "activity"}, 2, "no column `activity`"),
    ],
)
def test_what_does_not_fit_is_refused(
    project: Project, section: str, changes: dict[str, Any], code: int, says: str
) -> None:
    """Each with a sentence and the exit code of its kind."""
    project.write(**{section: replace(getattr(project.config, section), **changes)})
    finished = project.run("--speed", "max")

    assert finished.returncode == code
    assert says in finished.stderr


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ax,ay\n",
        b"\0" * 1000,
        b"\x89PNG\r\n\x1a\n",
        b"ax,ay\n" + b"x" * (3 << 20),
        os.urandom(100_000),
    ],
)
def test_garbage_is_a_sentence_or_counted(project: Project, data: bytes) -> None:
    """No traceback, whatever the file holds."""
    project.recording.write_bytes(data)
    finished = project.run("--speed", "max")

    assert finished.returncode == 2 or "0 in windows" in finished.stdout


def test_long_runs_do_not_grow(project: Project) -> None:
    """The engine's memory after many windows is what it was after a few."""
    row = "".join("1,0\n" for _ in range(1000))

    def live_bytes(thousands: int) -> int:
        project.recording.write_text("ax,ay\n" + row * thousands)
        finished = project.run("--speed", "max", "--json")
        facts = json.loads(finished.stdout)
        assert facts["windows"] == (thousands * 1000 - WINDOW) // HOP + 1
        live: int = facts["engine_live_bytes"]
        return live

    assert live_bytes(50) == live_bytes(1)


def test_output_that_is_not_utf8(project: Project) -> None:
    """A service without a locale prints what it can."""
    finished = project.run("--speed", "max", env={**environment(), "PYTHONIOENCODING": "ascii"})

    assert finished.returncode == 0
    assert "(none) -> left" in finished.stdout
