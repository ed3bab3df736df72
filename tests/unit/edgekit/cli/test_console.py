"""The console: what is drawn where it can be drawn, and plain text elsewhere."""

from __future__ import annotations

import io
import json
import math
import sys

import pytest

from edgekit.cli.console import Console, bar, printable, size


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        """Say yes."""
        return True

    def shown(self) -> str:
        """Return what was written."""
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined, no-any-return]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def test_colours_in_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe, a dumb terminal and NO_COLOR get plain text."""
    console = Console()
    console.say(console.style("piped", "red"))
    piped = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdout", Terminal("utf-8"))
    coloured = console.style("x", "red")
    monkeypatch.setenv("TERM", "dumb")
    dumb = console.style("x", "red")
    monkeypatch.delenv("TERM")
    monkeypatch.setenv("NO_COLOR", "1")

    assert piped == "piped\n"
    assert coloured == "\x1b[31mx\x1b[0m"
    assert dumb == "x"
    assert console.style("x", "red") == "x"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("utf-8", "█░ ≥ 4 … µ"), ("ascii", "#. >= 4 ... ?"), ("latin-1", "#. >= 4 ... µ")],
)
def test_an_encoding_that_cannot_draw_gets_plain_characters(
    monkeypatch: pytest.MonkeyPatch, encoding: str, shown: str
) -> None:
    """An error in an old terminal is still readable, and no traceback."""
    stream = Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", stream)

    Console().say("█░ ≥ 4 … µ")

    assert stream.shown() == f"{shown}\n"


def test_quiet_keeps_results_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """Notes and progress go, nothing else."""
    console = Console(quiet=True)
    console.note("note")
    console.say("result")
    console.error("error")

    assert capsys.readouterr() == ("result\n", "error\n")


def test_work_is_shown_in_a_terminal_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes its time says so, also if it fails, and leaves no trace."""
    stream = Terminal("utf-8")
    monkeypatch.setattr(sys, "stderr", stream)

    with pytest.raises(ValueError, match="x"), Console().working("proving"):
        raise ValueError("x")

    assert stream.shown() == "\r\x1b[Kproving …\r\x1b[K"


def test_progress_stays_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that were broken could not be taken away; what a tool calls its parts does not steer the terminal."""
    stream = Terminal("utf-8")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "20")

    Console().draw("compiling \x1b[2J" + "x" * 50)
    Console(quiet=True).draw("nothing")

    assert stream.shown() == "\r\x1b[Kcompiling \\x1b[2Jxx"


def test_work_is_silent_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file needs no progress."""
    with Console().working("proving"):
        pass

    assert capsys.readouterr() == ("", "")


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Tables and facts read down as well as across."""
    console = Console()
    console.table(["label", "n"], [["walk", "10"], ["run", "5"]])
    console.facts([("a", "one\ntwo"), ("long", "")])

    assert capsys.readouterr().out.splitlines() == [
        "  label   n",
        "  walk   10",
        "  run     5",
        "  a     one",
        "        two",
        "  long",
    ]


def test_long_facts_are_broken_under_their_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As wide as the terminal; what is in backticks is copied, so it stays whole."""
    monkeypatch.setenv("COLUMNS", "34")
    console = Console()
    console.facts([("engine", "tract 0.23.9, with several registries"), ("n", "1")])
    console.remark("hint", "yellow", "set `[output] activation = none` in edgekit.toml")

    assert capsys.readouterr().out.splitlines() == [
        "  engine  tract 0.23.9, with",
        "          several registries",
        "  n       1",
        "hint: set",
        "      `[output] activation = none`",
        "      in edgekit.toml",
    ]


def test_without_a_terminal_there_are_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log is as wide wherever it was written."""
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr(sys, "__stdout__", io.StringIO())
    Console().facts([("a", "word " * 40)])

    widths = [len(line) for line in capsys.readouterr().out.splitlines()]
    assert 75 < max(widths) <= 80


def test_json_is_always_json(capsys: pytest.CaptureFixture[str]) -> None:
    """NaN and infinity are no numbers there: null stands for them."""
    Console().json({"a": [math.nan, (math.inf, 1.5)], "b": {"c": "µ"}})

    assert json.loads(capsys.readouterr().out) == {"a": [None, [None, 1.5]], "b": {"c": "µ"}}


@pytest.mark.parametrize(
    ("share", "drawn"), [(0.0, "░░░░"), (0.5, "██░░"), (1.0, "████"), (7.0, "████"), (-1.0, "░░░░")]
)
def test_a_bar_stays_in_its_width(share: float, drawn: str) -> None:
    """Whatever the number is."""
    assert bar(share, 4) == drawn


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (51674, "50.5 KiB"), (5 << 20, "5 MiB"), (3 << 30, "3 GiB")],
)
def test_sizes_are_short(count: int, text: str) -> None:
    """Three digits are enough for people."""
    assert size(count) == text


def test_control_characters_are_shown_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """A tensor's name from a hostile file cannot clear the screen or set the terminal's title."""
    console = Console()
    console.facts([("output", "a\x1b[2Jb\nc")])
    console.table(["name"], [["x\x07\x7f"]])

    assert printable("tab\t, newline\n, é█") == "tab\t, newline\n, é█"
    assert capsys.readouterr().out == "  output  a\\x1b[2Jb\n          c\n  name\n  x\\x07\\x7f\n"
