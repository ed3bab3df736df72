"""The command line as a whole: every way to get it wrong ends in a sentence and the right exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import onnx
import pytest

from edgekit import doctor
from edgekit.cli import invoke
from edgekit.cli.console import Console
from edgekit.cli.failure import report
from edgekit.errors import NotProven
from edgekit.project import Project
from edgekit.state import State, check_fingerprint, eval_fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

TENSOR = '[project]\nname = "p"\n[model]\npath = "m.onnx"\n[input]\nkind = "tensor"\n'
STREAM = (
    '[project]\nname = "p"\n[model]\npath = "m.onnx"\n'
    '[input]\nchannels = ["ax"]\nrate_hz = 50\nwindow = 4\nhop = 2\n'
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "error", "hint"),
    [
        (["chek"], 2, "unknown command `chek`", "did you mean `edgekit check`?"),
        (["zzzzzz"], 2, "unknown command `zzzzzz`", "see `edgekit --help`"),
        (["check", "--jsn"], 2, "unknown option `--jsn`", "did you mean `--json`?"),
        (["check", "extra"], 2, "unexpected extra argument", "see `edgekit check --help`"),
        (["init"], 2, "missing argument `NAME`", "see `edgekit init --help`"),
        (["-C", "none", "check"], 2, "directory `none` does not exist", "see `edgekit --help`"),
        (["check"], 2, "there is no `edgekit.toml`", "edgekit init"),
        (["eval"], 2, "there is no `edgekit.toml`", "edgekit init"),
        (["run"], 2, "there is no `edgekit.toml`", "edgekit init"),
        (["run", "--speed", "fast"], 2, "`fast` is no positive number", "edgekit run --help"),
        (["run", "--speed", "-1"], 2, "`-1` is no positive number", None),
        (["run", "--speed", "nan"], 2, "`nan` is no positive number", None),
        (["init", "p", "--model", "none.onnx"], 2, "`none.onnx`", "check the path after `--model`"),
        (["init", "p", "--data", "none.csv"], 2, "there is no recording `none.csv`", None),
    ],
)
def test_wrong_use_is_a_sentence(  # noqa: PLR0913, PLR0917 (the parts of one outcome)
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    error: str,
    hint: str | None,
) -> None:
    """One line says what is wrong, the next what to do; nothing goes to stdout, nothing is left behind."""
    got = invoke(arguments)

    shown = capsys.readouterr()
    assert got == code
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert error.lower() in shown.err.lower()
    assert hint is None or hint in shown.err
    assert "Traceback" not in shown.err
    assert list(folder.iterdir()) == []


def test_options_stand_before_and_after(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`edgekit -C p check` and `edgekit check -C p` are the same."""
    (folder / "p" / "below").mkdir(parents=True)
    (folder / "p" / "edgekit.toml").write_text("[prject]")

    codes = [
        invoke(["-C", "p", "check"]),
        invoke(["check", "-C", "p"]),
        invoke(["-C", "p/below", "check"]),
    ]

    shown = capsys.readouterr().err
    assert codes == [2, 2, 2]
    assert shown.count("p/edgekit.toml:1: section [prject] is unknown") == 3


def test_run_says_what_it_needs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named tensors, no source, no recording: each before anything is proven."""
    toml = folder / "edgekit.toml"
    toml.write_text(TENSOR)
    codes = [invoke(["run"])]
    toml.write_text(STREAM)
    codes.append(invoke(["run"]))
    codes.append(invoke(["run", "--replay", "none.csv"]))
    toml.write_text(STREAM + '[source]\nkind = "replay"\npath = "gone.csv"\n')
    codes.append(invoke(["run"]))

    shown = capsys.readouterr().err
    assert codes == [2, 2, 2, 2]
    assert "`run` needs a stream of samples" in shown
    assert "edgekit run --replay FILE" in shown
    assert "there is no recording `none.csv`" in shown
    assert "there is no recording `gone.csv`" in shown


def test_the_file_of_a_sink_is_not_replayed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be written while it is read; said before anything is proven."""
    (folder / "edgekit.toml").write_text(STREAM + '[[sink]]\nkind = "jsonl"\npath = "out.jsonl"\n')
    (folder / "out.jsonl").write_text("{}\n")

    code = invoke(["run", "--replay", "./out.jsonl"])

    assert code == 2
    assert "is the file of a sink" in capsys.readouterr().err


def test_eval_says_that_it_needs_a_recording(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A project without a recording can still be judged on one that is named."""
    (folder / "edgekit.toml").write_text(STREAM)

    code = invoke(["eval"])

    assert code == 2
    assert "edgekit eval DATA" in capsys.readouterr().err


def test_init_makes_a_template(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without model and data there is a file that says what to fill in; a second time nothing is touched."""
    first = invoke(["init", "gait", "--json"])
    facts = json.loads(capsys.readouterr().out)
    before = (folder / "gait" / "edgekit.toml").read_text()
    second = invoke(["init", "gait"])

    assert (first, second) == (0, 2)
    assert facts["next"] == "cd gait && edgekit check"
    assert "input.window" in {item["key"] for item in facts["missing"]}
    assert (folder / "gait" / "edgekit.toml").read_text() == before
    assert "exists already" in capsys.readouterr().err


def test_init_takes_the_folder_it_stands_in(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`edgekit init .` needs no `cd` afterwards."""
    code = invoke(["init", "."])

    assert code == 0
    assert (folder / "edgekit.toml").exists()
    assert "next: fill in edgekit.toml, then edgekit check" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_bare_edgekit_shows_where_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    """Outside of a project: the commands, and the first one to type."""
    code = invoke([])

    shown = capsys.readouterr().out
    assert code == 0
    assert "Commands:" in shown
    assert "edgekit init NAME" in shown


def test_bare_edgekit_shows_where_the_project_stands(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inside: what is done, what is not, and the next command."""
    (folder / "edgekit.toml").write_text(STREAM)
    invoke([])
    missing = capsys.readouterr().out
    (folder / "m.onnx").write_bytes(b"x" * 2048)
    invoke([])
    fresh = capsys.readouterr().out
    fingerprint = check_fingerprint(Project.load(folder), folder)
    State(folder).remember("check", fingerprint, {"summary": "largest error 1e-07", "good": True})
    State(folder).write(
        State(folder).run_folder / "x" / "status.json",
        b'{"windows": 12, "events": 3, "error": "cut"}',
    )
    invoke([])
    proven = capsys.readouterr().out

    assert "next: put the model at `m.onnx`" in missing
    assert "next: edgekit check" in fresh
    assert "m.onnx, 2 KiB" in fresh
    assert "largest error 1e-07" in proven
    assert "12 windows, 3 events, failed: cut, just now" in proven
    assert "next: edgekit run --replay FILE" in proven


@pytest.mark.parametrize(
    ("checked", "judged", "following"),
    [
        ({"warnings": 0}, {"good": True}, "edgekit run --replay FILE"),
        ({"warnings": 2}, None, "edgekit eval"),
        (
            {"warnings": 2},
            {"good": True},
            "see to the warnings of `edgekit check`, then edgekit run --replay FILE",
        ),
        (
            {"warnings": 0},
            {"good": False},
            "see to what `edgekit eval` finds, then edgekit run --replay FILE",
        ),
        ({"good": False}, {"good": True}, "edgekit check"),
    ],
)
def test_the_next_command_minds_what_was_found(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    checked: dict[str, Any],
    judged: dict[str, Any] | None,
    following: str,
) -> None:
    """Nobody is sent on to a run with warnings or a bad score behind them; as JSON it is the same."""
    (folder / "edgekit.toml").write_text(STREAM + '[test]\ndata = "val.csv"\n')
    (folder / "m.onnx").write_bytes(b"x")
    project, state = Project.load(folder), State(folder)
    facts = {"summary": "equal", "good": True, **checked}
    state.remember("check", check_fingerprint(project, folder), facts)
    if judged is not None:
        state.remember("eval", eval_fingerprint(project, folder), {"summary": "90%", **judged})

    codes = [invoke([]), invoke(["--json"])]

    text, _, rest = capsys.readouterr().out.partition("{")
    known = json.loads("{" + rest)
    assert codes == [0, 0]
    assert f"next: {following}\n" in text
    assert ("warnings   2, see `edgekit check`" in text) == (checked.get("warnings") == 2)
    assert known["next"] == following
    assert known["project"] == {"name": "p", "version": "0.1.0"}
    assert known["check"]["good"] is facts["good"]
    assert (known["eval"] is None) == (judged is None)


@pytest.mark.usefixtures("folder")
def test_bare_json_outside_of_a_project(capsys: pytest.CaptureFixture[str]) -> None:
    """Not the help, but an object that says that there is none."""
    code = invoke(["--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["project"] is None


def test_json_stands_before_and_after(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As every common option."""
    codes = [invoke(["--json", "init", "a"]), invoke(["init", "b", "--json"])]

    first, second = capsys.readouterr().out.split("}\n{")
    assert codes == [0, 0]
    assert json.loads(first + "}")["folder"] == "a"
    assert json.loads("{" + second)["folder"] == "b"
    assert (folder / "a" / "edgekit.toml").exists()


def test_init_says_what_check_would_refuse(
    folder: Path, capsys: pytest.CaptureFixture[str], make_onnx: Callable[..., Path]
) -> None:
    """A warning with the way out, in both forms; the project is made all the same."""
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    string = onnx.TensorProto.STRING
    make_onnx([node], outputs=[("y", string, [1, 4])], name="m.onnx")

    codes = [invoke(["init", "a", "--model", "m.onnx"])]
    text = capsys.readouterr().out
    codes.append(invoke(["init", "b", "--model", "m.onnx", "--json"]))
    facts = json.loads(capsys.readouterr().out)

    assert codes == [0, 0]
    assert "warning: `edgekit check` will refuse this: output `y` string [1, 4]" in text
    assert "\nhint: " in text
    assert "is no tensor of numbers" in facts["refusal"]["message"]
    assert (folder / "b" / "edgekit.toml").exists()


@pytest.mark.usefixtures("folder")
def test_doctor_fails_if_something_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 6, with the fix as the hint; as JSON the same facts."""
    checks = [
        doctor.Check(name="python", status="ok", detail="3.12"),
        doctor.Check(
            name="onnx", status="missing", detail="1.22 is needed", fix="pip install onnx"
        ),
        doctor.Check(name="rust", status="old", detail="1.63", fix="rustup update", needed=False),
    ]
    monkeypatch.setattr(doctor, "examine", lambda _start: iter(checks))

    codes = [invoke(["doctor"]), invoke(["doctor", "--json"])]

    shown = capsys.readouterr()
    assert codes == [6, 6]
    assert "missing onnx    1.22 is needed" in shown.out
    assert json.loads(shown.out[shown.out.index("{") :])["ready"] is False
    assert "error: not ready: `onnx`\nhint: pip install onnx\n" in shown.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for bug reports."""
    code = invoke(["--version"])

    assert code == 0
    assert capsys.readouterr().out.startswith("edgekit 0.")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (click.Abort(), 130, "error: interrupted"),
        (MemoryError(), 1, "error: out of memory"),
        (NotProven("no", hint="do"), 3, "error: no\nhint: do"),
        (OSError(28, "No space left on device", "a.txt"), 1, "hint: make room"),
        (
            ZeroDivisionError("division by zero"),
            1,
            "internal error: ZeroDivisionError: division by zero",
        ),
        (
            ModuleNotFoundError("No module named 'onnx'", name="onnx"),
            6,
            "hint: see `edgekit doctor`",
        ),
        (SystemExit(3), 3, ""),
    ],
)
def test_every_error_has_its_code_and_sentence(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    """One renderer for all of them; a traceback only where it was asked for."""
    quiet = report(error, Console())
    short = capsys.readouterr().err
    loud = report(error, Console(verbose=True))
    long = capsys.readouterr().err

    assert (quiet, loud) == (code, code)
    assert said in short
    assert "Traceback" not in short
    assert isinstance(error, SystemExit) or type(error).__name__ in long


def test_a_hint_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """It is in a traceback of Python's own, and not in ours, which ends with it."""
    error = NotProven("no", hint="export again")

    report(error, Console(verbose=True))

    assert capsys.readouterr().err.count("export again") == 1
    assert "NotProven: no\nhint: export again\n" in "".join(traceback.format_exception(error))


@pytest.mark.usefixtures("folder")
def test_a_bug_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user is told that it is not their fault, and what to report."""

    def fail(_start: Path) -> NoReturn:
        raise AssertionError("surprise")

    monkeypatch.setattr(doctor, "examine", fail)

    code = invoke(["doctor"])

    shown = capsys.readouterr().err
    assert code == 1
    assert shown.startswith("error: internal error: AssertionError: surprise\nhint: ")
    assert "`-v`" in shown


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    """`edgekit | head -1` ends quietly."""
    root = str(Path(__file__).parents[4])
    shell = f"{sys.executable} -m edgekit --help | true"

    done = subprocess.run(
        ["sh", "-c", shell],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
