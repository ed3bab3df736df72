"""`edgekit run`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from edgekit.cli.invocation import Command, Invocation, OpenProject, unproven_option
from edgekit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from edge_agent import config


def _speed(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    from edge_agent.sources.replay import parse_speed

    try:
        if value is not None:
            parse_speed(value)  # the agent reads it again; here it is refused before the proof
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


@click.command(cls=Command)
@click.option(
    "--replay",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Play this recording (CSV, JSONL or WAV), or a run that --record wrote, instead of the project's source.",
)
@click.option(
    "--speed",
    metavar="X|max",
    callback=_speed,
    help="Replay at X times real time (1 if not given), or as fast as possible.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write down what the model was given and how it ran; --replay FILE repeats it to the last digit.",
)
@click.option(
    "--overlay",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings of one device (device.json) to try here.",
)
@unproven_option
@click.pass_obj
def command(
    call: Invocation,
    *,
    replay: Path | None,
    speed: str | None,
    record: Path | None,
    overlay: Path | None,
) -> NoReturn:
    """Run the agent here, on a recording or on what comes in.

    The model is proven first (again only when it has changed); then the very agent that a device runs takes
    over this terminal. Ctrl-C stops it with a summary; with `--json` that is one object, without the live view.
    """
    from edge_agent.capture import is_capture
    from edgekit.model.compile import compile_project
    from edgekit.process import Command as Program
    from edgekit.process import replace
    from edgekit.staging import agent_config, stage
    from edgekit.state import STATUS_NAME, State

    opened = call.open_project()
    again = replay if replay is not None and is_capture(replay) else None
    source = _source(opened, replay, again)
    if again is None and overlay is None:  # an overlay may name another port
        _there(source)
    _check_record(opened, record, replay)
    with call.console.working(f"proving {opened.project.model.path}"):
        compiled = compile_project(*opened, allow_unproven=call.allow_unproven)
    agent = agent_config(opened.project, opened.folder, compiled, source)
    state = State(opened.folder)
    staged = stage(agent, compiled.archive, state)
    arguments = ["run", str(staged), "--status", str(staged.with_name(STATUS_NAME))]
    arguments += ["--state", str(state.agent_folder.absolute())]
    for option, value in (
        ("--replay", again),
        ("--record", record),
        ("--overlay", overlay),
        ("--speed", speed),
    ):
        arguments += [option, str(value)] if value is not None else []
    arguments += ["--json"] if call.as_json else []
    arguments += ["--verbose"] if call.console.verbose else []
    # `-P`: what lies about in the working folder is no module of the agent's
    replace(Program((sys.executable, "-P", "-m", "edge_agent", *arguments), env=_python_path()))


def _python_path() -> dict[str, str]:
    """Let Python find the agent of this very EdgeKit where that is a checkout and not installed."""
    from edgekit.resources import PACKAGE

    root = PACKAGE.parent
    if not (root / "pyproject.toml").is_file():
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))}


def _check_record(opened: OpenProject, record: Path | None, replay: Path | None) -> None:
    """Refuse to write the run into a file that it reads, or that a sink writes."""
    from edgekit.sink_paths import is_written

    if record is None:
        return
    read = [replay, opened.resolve(opened.project.model.path)]
    if any(path is not None and record.resolve() == path.resolve() for path in read):
        raise ConfigError(
            f"`{record}` is read by this run: it would be overwritten",
            hint="record to another file",
        )
    if is_written(record, opened.project, opened.folder):
        raise ConfigError(
            f"`{record}` is the file of a sink",
            hint="record to another file, or give the sink another one",
        )


def _source(opened: OpenProject, replay: Path | None, again: Path | None) -> config.Source:
    from edge_agent import config
    from edgekit.project import StreamInput
    from edgekit.sink_paths import is_written

    project = opened.project
    if not isinstance(project.input, StreamInput):
        raise ConfigError(
            '`run` needs a stream of samples; this project calls its model with named tensors (`[input] kind = "tensor"`)',
            hint='use it from Python: `edgekit.compile("edgekit.toml").predict({...})`',
        )
    if again is not None:  # the agent reads it itself, in place of whatever the source is
        return project.source or config.StdinSource()
    if replay is None:
        if project.source is None:
            raise ConfigError(
                "the project has no [source] to read samples from",
                hint="play a recording with `edgekit run --replay FILE`, or add a [source] to edgekit.toml",
            )
        if isinstance(project.source, config.ReplaySource):
            _readable(opened.resolve(project.source.path))
        return project.source
    _readable(replay)
    if is_written(replay, project, opened.folder):
        raise ConfigError(
            f"`{replay}` is the file of a sink: it would be written while it is read",
            hint="replay a copy of it, or give the sink another file",
        )
    # Not `project.columns`: another recording may be without the label of [test].
    columns = project.source if isinstance(project.source, config.Columns) else config.Columns()
    return config.ReplaySource(
        path=str(replay.absolute()), time=columns.time, label=columns.label, group=columns.group
    )


def _there(source: config.Source) -> None:
    """Say that a port is missing or forbidden before seconds go into the proof; an agent would wait for it."""
    from edge_agent import config
    from edge_agent.sources.serial_port import problem_of

    problem = problem_of(source.port) if isinstance(source, config.SerialSource) else None
    if problem is not None:
        raise DataError(str(problem), hint=problem.hint)


def _readable(path: Path) -> None:
    """Say that a recording is missing before seconds go into the proof."""
    if not path.is_file():
        raise DataError(f"there is no recording `{path}`")
