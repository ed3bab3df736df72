"""Running a bundle's programs: their own sentence is told, and a crash is one too."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import AgentConfig, Archive, Output, ReplaySource, Stream
from edgekit.emulator import trial
from edgekit.emulator.machine import Machine
from edgekit.emulator.trial import Records, play, read_records, self_test
from edgekit.errors import VerificationFailed

if TYPE_CHECKING:
    from pathlib import Path

AGENT = AgentConfig(
    name="gait",
    version="1.0.0",
    model=Archive(path="/model", sha256="0" * 64, engine="tract", registries=()),
    labels=(),
    input=Stream(channels=("ax",), rate_hz=50.0, window=4, hop=2),
    output=Output(kind="classes"),
    source=ReplaySource(path="old.csv"),
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a folder with the place for a bundle's packages."""
    (tmp_path / "site").mkdir()
    return tmp_path


def _machine(script: str) -> Machine:
    """Return a machine that runs a script instead of the agent, with the agent's arguments."""
    return Machine(title="a board", argv=(sys.executable, "-c", script))


def test_the_report_comes_back(bundle: Path) -> None:
    """Also that of a self-test that failed with exit code 5."""
    report = {"verdict": "failed", "problem": "it differs"}

    assert self_test(_machine(f"print('''{json.dumps(report)}'''); exit(5)"), bundle) == report


@pytest.mark.parametrize(
    ("script", "message", "hint"),
    [
        (
            "import sys; sys.exit('error: the engine cannot be loaded\\nhint: build it')",
            "the self-test on a board failed: the engine cannot be loaded",
            "build it",
        ),
        ("raise SystemExit('odd')", "the self-test on a board failed: odd", None),
        ("print('[]'); raise SystemExit(3)", "failed: exit code 3, not a word", None),
        ("import os; os.kill(os.getpid(), 4)", r"crashed \(SIGILL\)", "a newer CPU"),
        ("raise SystemExit(132)", r"crashed \(SIGILL\)", "a newer CPU"),
        ("import os; os.kill(os.getpid(), 11)", r"crashed \(SIGSEGV\)", "-v"),
    ],
)
def test_no_report_is_a_sentence(bundle: Path, script: str, message: str, hint: str | None) -> None:
    """Its own where there is one; QEMU tells a signal as an exit code over 128."""
    with pytest.raises(VerificationFailed, match=message) as caught:
        self_test(_machine(script), bundle)

    assert hint is None or hint in str(caught.value.hint)


def test_one_that_hangs_is_ended(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no more than its time."""
    monkeypatch.setattr(trial, "_TIMEOUT_S", 0.2)

    with pytest.raises(VerificationFailed, match="took over"):
        self_test(_machine("import time; time.sleep(60)"), bundle)


def test_an_agent_plays_the_recording(bundle: Path) -> None:
    """With the recording instead of its source, one file instead of its sinks, as fast as it goes."""
    script = """
import json, sys
config = json.load(open(sys.argv[4]))
assert config["source"]["path"] == "/walk.csv" and config["model"]["path"] == "/model"
assert sys.argv[1:4] == ["-m", "edge_agent", "run"] and sys.argv[5:] == ["--speed", "max", "--json"]
(sink,) = config["sinks"]
with open(sink["path"], "w") as file:
    for kind in ("prediction", "event", "level"):
        file.write(json.dumps({"type": kind, "index": 0}) + "\\n")
"""
    source = ReplaySource(path="/walk.csv")

    found = play(_machine(script), AGENT, source, site=bundle / "site", work=bundle / "work")

    assert found == Records(
        predictions=({"type": "prediction", "index": 0},), events=({"type": "event", "index": 0},)
    )


def test_an_agent_that_fails_is_a_sentence(bundle: Path) -> None:
    """Its own."""
    script = "import sys; sys.exit('error: the recording has no column `ax`')"

    with pytest.raises(VerificationFailed, match="the agent on a board failed: the recording has"):
        play(_machine(script), AGENT, ReplaySource(path="/x"), site=None, work=bundle / "work")


@pytest.mark.parametrize("text", ["{", '{"kind": 1}', "[]"])
def test_lines_that_no_agent_wrote_are_refused(text: str) -> None:
    """A file that was edited by hand."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_records(text)


def test_the_environment_is_the_machines(bundle: Path) -> None:
    """What the board needs is set, and the rest of the user's stays."""
    script = 'import json, os; print(json.dumps({"kind": os.environ["KIND"], "home": os.environ.get("HOME")}))'
    machine = Machine(title="x", argv=(sys.executable, "-c", script), env={"KIND": "a53"})

    assert self_test(machine, bundle) == {"kind": "a53", "home": os.environ.get("HOME")}
