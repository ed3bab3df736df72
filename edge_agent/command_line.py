"""
The command line of `python -m edge_agent`: options in, a run, exit codes out.

Each command imports its work in its body: an agent that runs for a year has nothing in memory that it does not need.
"""

# ruff: noqa: PLC0415 (as above)

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.errors import ConfigError, EdgeKitError, OverBudget, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.agent import Run
    from edge_agent.config import AgentConfig
    from edge_agent.overlay import Settings
    from edge_agent.summary import Facts

INTERRUPTED = 130
OUT_OF_MEMORY = OverBudget("out of memory", hint="allow more `memory_mib` in [budget]")
STATE_FOLDER = "STATE_DIRECTORY"
"""Set by systemd for `StateDirectory=`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["uplink"]:  # a process of its own kind: it has a parser of its own
        from edge_agent.uplink.command import main as uplink

        return uplink(arguments)
    options = _parser().parse_args(arguments)
    try:
        return int(options.act(options))
    except (EdgeKitError, MemoryError) as error:
        if options.verbose:
            import traceback

            traceback.print_exc()
        # MemoryError: at the limit that `memory_limit` has set, or at the machine's
        shown = error if isinstance(error, EdgeKitError) else OUT_OF_MEMORY
        _report(shown)
        return shown.exit_code
    except OSError as error:
        # Sources, sinks and status report their own: this is standard output. Python would fail on it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            return 0  # whoever read it has seen enough (`| head`)
        _report(EdgeKitError(f"cannot write to standard output: {error.strerror}"))
        return EdgeKitError.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edge_agent", description="EdgeKit's agent.")
    # With `prog` argparse does without half a megabyte of modules that lay out its help.
    commands = parser.add_subparsers(required=True, metavar="COMMAND", prog=parser.prog)
    _add_run(commands)
    unit = commands.add_parser("unit", help="print the systemd units of a configuration")
    _add_configuration(unit)
    unit.add_argument("--user", default="edgekit", help="who owns the processes and their state")
    unit.add_argument("--json", action="store_true", help="print the units as JSON, by name")
    unit.add_argument("-v", "--verbose", action="store_true", help="show where an error comes from")
    unit.set_defaults(act=_unit)
    test = commands.add_parser("selftest", help="test an unpacked bundle on this machine")
    test.add_argument("folder", type=Path, metavar="FOLDER", help="where the bundle is unpacked")
    test.add_argument("--json", action="store_true", help="print the report as JSON")
    test.add_argument("-v", "--verbose", action="store_true", help="show where an error comes from")
    test.set_defaults(act=_selftest)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser("run", help="run the model on a stream of samples")
    _add_configuration(run)
    run.add_argument(
        "--replay", metavar="FILE", help="play this recording, or a run recorded with --record"
    )
    run.add_argument(
        "--speed", type=_speed, metavar="X|max", help="speed of a replay, as a factor of real time"
    )
    for name, metavar, text in (
        ("--record", "FILE", "write down what the model was given and how it ran, for --replay"),
        ("--status", "FILE", "write the status here, once a second"),
        ("--state", "DIR", f"what outlives the process; by default ${STATE_FOLDER}, else ."),
    ):
        run.add_argument(name, type=Path, metavar=metavar, help=text)
    for name, text in (
        ("--json", "print the summary as JSON, and nothing else"),
        ("--log", "write what happens to standard error, a line each"),
        ("--no-uplink", "the uplink is a service of its own: do not start it"),
    ):
        run.add_argument(name, action="store_true", help=text)
    run.add_argument("-v", "--verbose", action="store_true", help="show where an error comes from")
    run.set_defaults(act=_run)


def _add_configuration(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "config", type=Path, metavar="AGENT_JSON", help="configuration; the archive lies beside it"
    )
    command.add_argument(
        "--overlay",
        type=Path,
        metavar="FILE",
        help="this device's own settings; by default /etc/edgekit/<app>/device.json, if it is there",
    )


def _run(options: argparse.Namespace) -> int:
    from edge_agent.agent import make_pipeline
    from edge_agent.stop import stop_on_signals

    settings, run = _settings(options)
    with stop_on_signals() as stop:
        pipeline = make_pipeline(settings, options.config.parent, run)
        try:
            facts = pipeline.run(stop)
        except EdgeKitError as error:
            failed = pipeline.facts(error=error.message)
            if failed.samples.read:  # what became of them may be what is wrong
                _print(failed, as_json=options.json)
            raise
        _print(facts, as_json=options.json)
        return stop.exit_code


def _settings(options: argparse.Namespace) -> tuple[Settings, Run]:
    """Return what is to be run, and how. Raises ConfigError."""
    from dataclasses import replace

    from edge_agent.agent import Run
    from edge_agent.capture import is_capture
    from edge_agent.config import ReplaySource
    from edge_agent.logs import Log, is_journal
    from edge_agent.notify import Notifier
    from edge_agent.overlay import read_settings
    from edge_agent.schema import read_agent_config

    settings = read_settings(read_agent_config(options.config), options.config, options.overlay)
    again = Path(options.replay) if options.replay and is_capture(Path(options.replay)) else None
    if options.replay and not again:
        settings = replace(settings, agent=_replayed(settings.agent, options.replay))
    replays = again is not None or isinstance(settings.agent.source, ReplaySource)
    if options.speed is not None and not replays:
        raise ConfigError("`--speed` is for a recording", hint="name one with `--replay FILE`")
    run = Run(
        state=_state_folder(options.state),
        speed=1.0 if options.speed is None else options.speed,
        replay=again,
        record=options.record,
        status=options.status,
        terminal=None if options.json else sys.stdout,
        agent_json=None if options.no_uplink else options.config,
        log=Log(sys.stderr if options.log else None, journal=is_journal(os.environ, sys.stderr)),
        notifier=Notifier(),
    )
    return settings, run


def _state_folder(given: Path | None) -> Path:
    """Return where to keep what outlives the process; of several that systemd names the first."""
    return given or Path(os.environ.get(STATE_FOLDER, "").partition(":")[0] or ".")


def _unit(options: argparse.Namespace) -> int:
    from edge_agent.overlay import read_settings
    from edge_agent.schema import read_agent_config
    from edge_agent.unit import units

    settings = read_settings(read_agent_config(options.config), options.config, options.overlay)
    found = units(settings.agent, user=options.user)
    if options.json:
        text = json.dumps({unit.name: unit.text for unit in found}, indent=2)
    else:
        text = "\n".join(f"# {unit.name}\n{unit.text}" for unit in found)
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()
    return 0


def _selftest(options: argparse.Namespace) -> int:
    from edge_agent import selftest

    report = selftest.run(options.folder)
    text = json.dumps(report.to_json(), indent=2) if options.json else report.to_text()
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    if report.problem:
        raise VerificationFailed(report.problem, hint="do not run this bundle here: build it again")
    return 0


def _print(facts: Facts, *, as_json: bool) -> None:
    output = sys.stdout
    if output is None:  # a service may run without
        return
    width = _width() if output.isatty() else None
    text = (
        json.dumps(facts.to_json(), indent=2, allow_nan=False) if as_json else facts.to_text(width)
    )
    output.write(text.encode(output.encoding, "replace").decode(output.encoding) + "\n")
    output.flush()


def _width() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def _replayed(agent: AgentConfig, path: str) -> AgentConfig:
    from dataclasses import replace

    from edge_agent.config import Columns, ReplaySource

    columns = agent.source if isinstance(agent.source, Columns) else Columns()
    absolute = str(Path(path).absolute())  # in agent.json a path counts from its folder
    source = ReplaySource(
        path=absolute, time=columns.time, label=columns.label, group=columns.group
    )
    return replace(agent, source=source)


def _speed(text: str) -> float:
    from edge_agent.sources.replay import parse_speed

    try:
        return parse_speed(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _report(error: EdgeKitError) -> None:
    lines = [f"error: {error.message}"]
    if error.hint:
        lines.append(f"hint: {error.hint}")
    if sys.stderr is not None:  # a service may run without
        # A key of a settings file, or what a user's class says, must not steer the terminal nor forge a line.
        sys.stderr.write("".join(f"{_printable(line)}\n" for line in lines))


def _printable(text: str) -> str:
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in text)
