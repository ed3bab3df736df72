"""`edgekit test`."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli import rehearsal_report
from edgekit.cli.invocation import Command, Invocation, OpenProject, shortest, unproven_option
from edgekit.errors import ConfigError, DataError, EdgeKitError, VerificationFailed

if TYPE_CHECKING:
    from edge_agent import config
    from edgekit.board import Board
    from edgekit.bundle import Bundle
    from edgekit.emulator.machine import Machine
    from edgekit.emulator.rehearsal import Recording, Rehearsal

_TRIED = "the bundle can be tried"


@click.command(cls=Command)
@click.option("-t", "--target", metavar="TARGET", help="Board, architecture or triple.")
@click.option(
    "--emulator",
    type=click.Choice(["user", "native"]),
    help="QEMU's user mode, or this machine where it runs the target's code itself.",
)
@click.option("--release", metavar="ID", help="Another of the board's systems than the usual one.")
@click.option(
    "--bundle",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Test this bundle instead of building one.",
)
@click.option(
    "--add",
    "recording",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="RECORDING",
    help="Keep a recording with its present outputs as a case of the project.",
)
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the verdicts as JUnit XML.",
)
@unproven_option
@click.pass_obj
def command(  # noqa: PLR0913 (the options)
    call: Invocation,
    *,
    target: str | None,
    emulator: str | None,
    release: str | None,
    file: Path | None,
    recording: Path | None,
    junit: Path | None,
) -> None:
    """Run the bundle on its board's CPU, emulated.

    Every test vector must be reproduced by the board's own kernels, with the Python of its system; then the
    project's recording and all cases of its folder `tests` go through the agent, and the events must be those of
    this machine. Exit code 5 if anything differs.
    """
    if recording is not None:
        _add(call, recording)
        return
    from edgekit.junit import Case, write

    try:
        opened, board, bundle, rehearsal = _rehearse(call, target, emulator, release, file)
    except EdgeKitError as error:
        if junit is not None:  # an older file would look like this run's
            write(junit, "edgekit", [Case(name=_TRIED, outcome="failed", message=error.message)])
        raise
    if junit is not None:
        write(junit, f"{opened.project.project.name} on {board.id}", list(rehearsal.cases()))
    if call.as_json:
        call.console.json(rehearsal_report.facts(board, bundle, rehearsal))
    else:
        rehearsal_report.show(board, rehearsal, call.console)
    if rehearsal.problem:
        raise VerificationFailed(
            rehearsal.problem, hint="do not ship this bundle; `--json` has all the numbers"
        )


def _rehearse(
    call: Invocation,
    target: str | None,
    emulator: str | None,
    release: str | None,
    file: Path | None,
) -> tuple[OpenProject, Board, Bundle, Rehearsal]:
    from edgekit.bundle import Bundle
    from edgekit.emulator.rehearsal import rehearse

    opened = call.open_project()
    given = None if file is None else Bundle.open(file)
    board = _board(opened, target, given)
    machine = _machine(call, board, emulator, release)
    bundle = given or _built(call, opened, board)
    with (
        tempfile.TemporaryDirectory(prefix="edgekit-test-") as folder,
        call.console.working(f"testing on {machine.title}"),
    ):
        unpacked, work = Path(folder) / "bundle", Path(folder) / "work"
        bundle.extract(unpacked)
        recordings = _recordings(opened) if (unpacked / "agent.json").is_file() else []
        return opened, board, bundle, rehearse(machine, unpacked, recordings, work=work)


def _board(opened: OpenProject, target: str | None, given: Bundle | None) -> Board:
    """Return the board to test for: a given bundle's own unless `-t` names another."""
    from edgekit.cli.build import chosen_board

    if target is None and given is not None:
        target = given.manifest.board
    board = chosen_board(opened, target)
    if given is not None and given.manifest.target != board.target:
        raise ConfigError(
            f"`{given.path}` is for `{given.manifest.target}`, `{board.id}` is `{board.target}`",
            hint=f"leave out `-t`: the bundle was made for `{given.manifest.board}`",
        )
    return board


def _machine(call: Invocation, board: Board, emulator: str | None, release: str | None) -> Machine:
    """Return where to test: this machine if it runs the code itself, unless an emulator is asked for."""
    from edgekit.emulator.machine import is_here, this_machine
    from edgekit.emulator.user import emulated
    from edgekit.resources import cache_folder

    here = is_here(board.architecture)
    if emulator == "native" and not here:
        raise ConfigError(
            f"`--emulator native`: this machine does not run code for `{board.target}`",
            hint="use `--emulator user`: QEMU's user mode",
        )
    if emulator == "native" or (emulator is None and here):
        if release is not None:
            raise ConfigError(
                "`--release` is for an emulator: this machine has the system that it has",
                hint="add `--emulator user`",
            )
        return this_machine()
    if board.is_host:
        raise ConfigError(
            "`--emulator user` runs code for ARM: the board `host` is this machine",
            hint="leave out `--emulator`, or name another board with `-t`",
        )
    try:
        machine = emulated(board, cache_folder(), release=release, tell=call.console.draw)
    finally:
        call.console.draw("")
    if machine.doubt:
        call.console.note(f"note: {machine.doubt}")
    return machine


def _built(call: Invocation, opened: OpenProject, board: Board) -> Bundle:
    from edgekit.bundle import Bundle
    from edgekit.cli.build import bundle_for

    return Bundle.open(bundle_for(call, opened, board))


def _recordings(opened: OpenProject) -> list[Recording]:
    """Return the project's own recording and its regression cases."""
    from edge_agent.config import Columns
    from edgekit.emulator.rehearsal import Recording
    from edgekit.emulator.trial import read_records
    from edgekit.regression import cases

    found = []
    project = opened.project
    if project.recording is not None:
        path, columns = opened.resolve(project.recording), project.columns
        if not path.is_file():
            raise DataError(f"there is no recording `{path}`")
        found.append(Recording(name=path.name, source=_replay(path, columns), expected=None))
    for case in cases(opened.folder):
        try:
            expected = read_records(case.expected.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError):
            raise DataError(
                f"`{case.expected}` is not what `edgekit test --add` writes",
                hint=f"restore it, or remove `{case.expected.parent}` and add the recording again",
            ) from None
        own = project.source if isinstance(project.source, Columns) else Columns()
        source = _replay(case.recording, own)
        found.append(Recording(name=f"tests/{case.name}", source=source, expected=expected))
    return found


def _replay(path: Path, columns: config.Columns) -> config.ReplaySource:
    from edge_agent.config import ReplaySource

    return ReplaySource(
        path=str(path.absolute()), time=columns.time, label=columns.label, group=columns.group
    )


def _add(call: Invocation, recording: Path) -> None:
    """Run the pipeline here over a recording and keep both."""
    from edge_agent.config import Budget, Columns
    from edgekit.emulator.machine import own_site, this_machine
    from edgekit.emulator.trial import RESULTS, play
    from edgekit.model.compile import compile_project
    from edgekit.project import StreamInput
    from edgekit.regression import add_case, check_new
    from edgekit.staging import ARCHIVE_NAME, agent_config

    opened = call.open_project()
    project = opened.project
    if not isinstance(project.input, StreamInput):
        raise ConfigError(
            '`--add` needs a stream of samples; this project has `[input] kind = "tensor"`',
            hint="its test vectors are tested by `edgekit test` as they are",
        )
    check_new(opened.folder, recording)
    with call.console.working(f"proving {project.model.path}"):
        compiled = compile_project(*opened, allow_unproven=call.allow_unproven)
    own = project.source if isinstance(project.source, Columns) else Columns()
    source = _replay(recording, own)
    agent = agent_config(project, opened.folder, compiled, source)
    with (
        tempfile.TemporaryDirectory(prefix="edgekit-test-") as folder,
        call.console.working(f"running {recording.name}"),
    ):
        work = Path(folder)
        archive = work / ARCHIVE_NAME
        archive.write_bytes(compiled.archive)
        agent = replace(agent, model=replace(agent.model, path=str(archive)), budget=Budget())
        records = play(this_machine(), agent, source, site=own_site(), work=work / "run")
        expected = (
            (work / "run" / RESULTS).read_text(encoding="utf-8") if records.predictions else ""
        )
    if not expected:
        raise DataError(f"`{recording}` is too short for a single prediction")
    case = add_case(opened.folder, recording, expected)
    if call.as_json:
        call.console.json(
            {
                "case": case.name,
                "recording": str(case.recording),
                "expected": str(case.expected),
                "predictions": len(records.predictions),
                "events": len(records.events),
            }
        )
    else:
        call.console.say(
            f"added {shortest(case.recording.parent)}: "
            f"{len(records.predictions)} predictions and {len(records.events)} events are expected from now on"
        )
