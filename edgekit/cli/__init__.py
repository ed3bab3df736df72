"""
The command `edgekit`: a table of commands, each in a module of its own that is imported when it is used.

`edgekit --help` imports none of them, so it answers at once.
"""

from __future__ import annotations

import importlib
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from edgekit.cli.failure import report
from edgekit.cli.invocation import Invocation, add_common_options
from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

COMMANDS = {
    "listen": "Show what a sensor on a serial port says, before there is a model.",
    "record": "Write a sensor's samples to a file to train with, labelled.",
    "init": "Make a project from a model and a recording.",
    "check": "Prove that the model runs here as it was trained.",
    "eval": "Judge the whole pipeline on a labelled recording.",
    "run": "Run the agent here, on a recording or on what comes in.",
    "build": "Make the bundle that a board runs.",
    "test": "Run the bundle on its board's CPU, emulated.",
    "boards": "Show the boards that EdgeKit knows, or all that it knows of one.",
    "bundle": "Look into a bundle that `edgekit build` made.",
    "doctor": "Say what is missing on this machine, and how to get it.",
}
"""Name and one-line help; the module is `edgekit.cli.<name>`."""

_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""How a system and a closed terminal ask a program to end; without a handler it would, at once, and leave children."""


class _Commands(click.Group):
    """The table above as a click group."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"edgekit.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise _unknown(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _unknown(name: str) -> ConfigError:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    hint = f"did you mean `edgekit {near[0]}`?" if near else "see `edgekit --help`"
    return ConfigError(f"unknown command `{name}`", hint=hint)


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from edgekit.resources import version

        click.echo(f"edgekit {version()}")
        ctx.exit()


@click.group(
    cls=_Commands,
    name="edgekit",
    invoke_without_command=True,
    help="Make a model file a running, proven service. Without a command: where this project stands.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Print where the project stands if no command is given."""
    if ctx.invoked_subcommand is None:
        from edgekit.cli.overview import overview

        overview(ctx.obj, ctx.get_help)


add_common_options(cli)


def invoke(args: Sequence[str]) -> int:
    """Run one command line; return its exit code. Whatever goes wrong is a sentence on stderr."""
    invocation = Invocation()
    try:
        code = cli.main(list(args), prog_name="edgekit", standalone_mode=False, obj=invocation)
        sys.stdout.flush()  # a closed pipe shows here, not when Python ends
    except BaseException as error:  # noqa: BLE001 (the one renderer of all errors)
        return report(error, invocation.console)
    return code if isinstance(code, int) else 0


def _unwind(number: int, _frame: FrameType | None) -> NoReturn:
    """End in good order, with children and temporary files, instead of at once; a second signal is not needed."""
    for other in _ENDING:
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> NoReturn:
    """Run the process's command line."""
    for number in _ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:  # under `nohup` one is ignored, and stays so
            signal.signal(number, _unwind)
    sys.exit(invoke(sys.argv[1:]))
