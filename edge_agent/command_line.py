"""The command line of `python -m edge_agent`: options in, a run, exit codes out."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent import agent, config
from edge_agent.errors import ConfigError, EdgeKitError
from edge_agent.schema import read_agent_config
from edge_agent.sources.replay import parse_speed
from edge_agent.stop import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.summary import Facts

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except EdgeKitError as error:
        if options.verbose:
            traceback.print_exc()
        _report(error)
        return error.exit_code
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
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the model on a stream of samples")
    run.add_argument(
        "config", type=Path, metavar="AGENT_JSON", help="configuration; the archive lies beside it"
    )
    run.add_argument(
        "--replay", metavar="FILE", help="play this recording instead of the configured source"
    )
    run.add_argument(
        "--speed", type=_speed, metavar="X|max", help="speed of a replay, as a factor of real time"
    )
    run.add_argument(
        "--json", action="store_true", help="print the summary as JSON, and nothing else"
    )
    run.add_argument(
        "--status", type=Path, metavar="FILE", help="write the status here, once a second"
    )
    run.add_argument("-v", "--verbose", action="store_true", help="show where an error comes from")
    return parser


def _run(options: argparse.Namespace) -> int:
    configuration = _replayed(read_agent_config(options.config), options.replay)
    if options.speed is not None and not isinstance(configuration.source, config.ReplaySource):
        raise ConfigError("`--speed` is for a recording", hint="name one with `--replay FILE`")
    with stop_on_signals() as stop:
        pipeline = agent.make_pipeline(
            configuration,
            options.config.parent,
            speed=1.0 if options.speed is None else options.speed,
            status=options.status,
            terminal=None if options.json else sys.stdout,
        )
        try:
            facts = pipeline.run(stop)
        except EdgeKitError as error:
            failed = pipeline.facts(error=error.message)
            if failed.samples.read:  # what became of them may be what is wrong
                _print(failed, as_json=options.json)
            raise
        _print(facts, as_json=options.json)
        return stop.exit_code


def _print(facts: Facts, *, as_json: bool) -> None:
    output = sys.stdout
    if output is None:  # a service may run without
        return
    width = shutil.get_terminal_size().columns if output.isatty() else None
    text = (
        json.dumps(facts.to_json(), indent=2, allow_nan=False) if as_json else facts.to_text(width)
    )
    output.write(text.encode(output.encoding, "replace").decode(output.encoding) + "\n")
    output.flush()


def _replayed(configuration: config.AgentConfig, path: str | None) -> config.AgentConfig:
    if path is None:
        return configuration
    columns = configuration.source
    source = config.ReplaySource(
        path=path, time=columns.time, label=columns.label, group=columns.group
    )
    return replace(configuration, source=source)


def _speed(text: str) -> float:
    try:
        return parse_speed(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _report(error: EdgeKitError) -> None:
    lines = [f"error: {error.message}"]
    if error.hint:
        lines.append(f"hint: {error.hint}")
    if sys.stderr is not None:  # a service may run without
        sys.stderr.write("\n".join(lines) + "\n")
