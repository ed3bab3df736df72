"""The command line: wrong use is a sentence and an exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edge_agent import schema
from edge_agent.command_line import main
from edge_agent.config import StdinSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_agent.config import AgentConfig

    Make = Callable[..., AgentConfig]


def test_errors_are_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Message and hint on stderr, nothing on stdout, the error's own exit code."""
    path = tmp_path / "agent.json"
    path.write_text('{"formt": 1}')

    assert main(["run", str(path)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert (
        output.err
        == f"error: {path}: `formt` is no key that is known here\nhint: did you mean `format`?\n"
    )


def test_errors_do_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters of a file's keys are shown, and forge no line."""
    path = tmp_path / "agent.json"
    path.write_text('{"\\u001b[31mred\\nhint: none": 1}')

    assert main(["run", str(path)]) == 2
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "\nhint: none" not in shown
    assert r"`\x1b[31mred\nhint: none`" in shown


def test_verbose_shows_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only `-v` brings the traceback."""
    assert main(["run", "-v", str(tmp_path / "missing.json")]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_speed_is_for_recordings(
    agent_config: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can hurry standard input."""
    path = tmp_path / "agent.json"
    path.write_text(schema.to_text(agent_config(source=StdinSource())))

    assert main(["run", str(path), "--speed", "max"]) == 2
    assert "`--speed` is for a recording" in capsys.readouterr().err


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "fast"])
def test_a_speed_that_is_none(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Positive and finite, or `max`."""
    with pytest.raises(SystemExit) as caught:
        main(["run", "agent.json", "--speed", speed])

    assert caught.value.code == 2
    assert speed in capsys.readouterr().err


IMPORTS_SLOWLY = """
import runpy, signal, sys, os
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests run under
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "edge_agent.command_line":
            os.kill(os.getpid(), int(sys.argv[1]))
sys.meta_path.insert(0, Slow())
runpy.run_module("edge_agent", run_name="__main__", alter_sys=False)
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0)]
)
def test_a_signal_during_the_imports(number: signal.Signals, code: int) -> None:
    """The process is not yet a run, and ends as quietly."""
    finished = subprocess.run(
        [sys.executable, "-c", IMPORTS_SLOWLY, str(int(number))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert (finished.returncode, finished.stdout, finished.stderr) == (code, "", "")


def test_errors_without_standard_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Closed by `2>&-`, it is None: the exit code still tells."""
    monkeypatch.setattr(sys, "stderr", None)

    assert main(["run", str(tmp_path / "missing.json")]) == 2
