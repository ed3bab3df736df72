"""Every command loads, explains itself, and `--help` costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgekit.cli import COMMANDS, cli, invoke


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The table names modules that exist, and each has the options that all share."""
    code = invoke([name, "--help"])

    shown = capsys.readouterr().out
    assert code == 0
    assert f"edgekit {name}" in shown
    assert "--verbose" in shown
    assert "--project" in shown


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`edgekit --help` is the list of what there is."""
    code = invoke(["--help"])

    shown = capsys.readouterr().out
    assert code == 0
    for name, line in COMMANDS.items():
        assert name in shown
        assert line in shown


def test_the_line_in_the_table_is_the_command_s_own() -> None:
    """The table repeats the first sentence of each command, so that the list can be shown without loading it."""
    for name, line in COMMANDS.items():
        command = cli.get_command(
            cli.make_context("edgekit", ["doctor"], resilient_parsing=True), name
        )

        assert command is not None
        assert (command.help or "").splitlines()[0] == line


def test_the_command_line_starts_light() -> None:
    """`edgekit --help` answers at once: the heavy packages are imported by the commands that need them."""
    heavy = "pydantic, onnx, onnxruntime, numpy, edgekit_runtime, tomllib, subprocess"
    script = (
        "import sys, edgekit.cli\n"
        f"print(*[name for name in {heavy.split(', ')} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == ""
