"""`edgekit build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli import build_report
from edgekit.cli.console import bar
from edgekit.cli.invocation import Command, Invocation, OpenProject, unproven_option
from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from edgekit.board import Board
    from edgekit.build.device_wheel import WheelOptions
    from edgekit.build.target import BuildTarget
    from edgekit.build_section import RustKind

_ENDING = ".tar.xz"


@click.command(cls=Command)
@click.option(
    "-t",
    "--target",
    metavar="TARGET",
    help="Board, architecture or Rust target; `[deploy] board` if not given. See `edgekit boards`.",
)
@click.option("--toolchain", metavar="KIND", help="What links the engine: zig, gcc or cross.")
@click.option(
    "--rust", type=click.Choice(["rustup", "system"]), help="Whose Rust compiles the engine."
)
@click.option("--locked", is_flag=True, help="Refuse whatever no digest pins.")
@click.option("--offline", is_flag=True, help="Never use the network.")
@click.option(
    "--dry-run", is_flag=True, help="Print the commands that compile the engine, and do nothing."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The bundle to write, a .tar.xz; dist/NAME-VERSION-BOARD.tar.xz if not given.",
)
@unproven_option
@click.pass_obj
def command(  # noqa: PLR0913 (the options)
    call: Invocation,
    *,
    target: str | None,
    toolchain: str | None,
    rust: RustKind | None,
    locked: bool,
    offline: bool,
    dry_run: bool,
    output: Path | None,
) -> None:
    """Make the bundle that a board runs.

    It holds the model, the engine, the agent, and a manifest with every digest. The model is proven first; the
    engine is compiled once for each kind of CPU and kept. The same inputs give the same bytes.
    """
    from edgekit.build.device_wheel import plan

    opened = call.open_project()
    if output is not None:
        _check_name(output)
    board = chosen_board(opened, target)
    options = _options(opened, toolchain, rust, locked=locked, offline=offline)
    if dry_run:
        _show_plan(call, str(plan(board, options)))
        return
    output = output or _default_output(opened, board)
    facts, fresh = _up_to_date_or_built(call, opened, board, options, output)
    if call.as_json:
        shown = {name: value for name, value in facts.items() if name != "fingerprint"}
        call.console.json({"bundle": str(output), "up_to_date": fresh, **shown})
    else:
        build_report.show(facts, output, call.console, fresh=fresh)


def bundle_for(call: Invocation, opened: OpenProject, board: Board) -> Path:
    """Return the bundle of a project for a board, built first if it is not up to date."""
    options = _options(opened, None, None, locked=False, offline=False)
    output = _default_output(opened, board)
    _up_to_date_or_built(call, opened, board, options, output)
    return output


def _up_to_date_or_built(
    call: Invocation, opened: OpenProject, board: Board, options: WheelOptions, output: Path
) -> tuple[dict[str, Any], bool]:
    """Return the facts of a bundle, and whether it was there already."""
    from edgekit.board import boards
    from edgekit.build.stamp import build_fingerprint
    from edgekit.build.target import BuildTarget
    from edgekit.state import State
    from edgekit.toolchain import find_toolchain

    toolchain = find_toolchain(options.toolchain or board.toolchain)
    fingerprint = build_fingerprint(opened.project, opened.folder, board, toolchain, options)
    if call.allow_unproven is not None:  # another stamp is another bundle
        fingerprint = f"{fingerprint} {call.allow_unproven}"
    state, step = State(opened.folder), f"build {board.id}"
    known = state.recall(step, fingerprint)
    if known is not None and _is_there(output, known):
        return known, True
    others = tuple(boards(opened.folder).values())
    target = BuildTarget(board=board, others=others, options=options, output=output)
    facts = _build(call, opened, target)
    state.remember(step, fingerprint, facts)
    return facts, False


def chosen_board(opened: OpenProject, target: str | None) -> Board:
    """Return the board of `-t`, else of `[deploy] board`. Raises ConfigError if neither names one."""
    from edgekit.board import find_board

    chosen = target or opened.project.deploy.board
    if chosen is None:
        raise ConfigError(
            "for which board?",
            hint="name it with `-t raspberry-pi-4`, or as `board` in [deploy]; `edgekit boards` shows all",
        )
    return find_board(chosen, opened.folder)


def _options(
    opened: OpenProject,
    toolchain: str | None,
    rust: RustKind | None,
    *,
    locked: bool,
    offline: bool,
) -> WheelOptions:
    from edgekit.build.device_wheel import WheelOptions
    from edgekit.build.ready_wheels import WheelSource

    section = opened.project.build
    wheels = None
    if section.wheels is not None:
        place = section.wheels
        if not place.startswith("https://"):
            place = str(opened.resolve(place))
        wheels = WheelSource(place=place, sha256=section.wheels_sha256, offline=offline)
    return WheelOptions(
        toolchain=toolchain or section.toolchain,
        rust=rust or section.rust,
        wheels=wheels,
        locked=locked,
        offline=offline,
    )


def _check_name(output: Path) -> None:
    """Raise ConfigError for what no bundle is called: `-o edgekit.toml` would cost the project."""
    if not output.name.endswith(_ENDING) or output.is_dir():
        raise ConfigError(
            f"`{output}` is no name for a bundle: it must be a file that ends in `{_ENDING}`",
            hint=f"name one, such as `-o bundle{_ENDING}`, or leave `-o` out",
        )


def _default_output(opened: OpenProject, board: Board) -> Path:
    project = opened.project.project
    return opened.resolve("dist") / f"{project.name}-{project.version}-{board.id}{_ENDING}"


def _is_there(output: Path, facts: dict[str, Any]) -> bool:
    from edgekit.build.wheel_cache import sha256_of

    try:
        return sha256_of(output) == str(facts["sha256"])
    except OSError:
        return False


def _build(call: Invocation, opened: OpenProject, target: BuildTarget) -> dict[str, Any]:
    from edgekit.budget_check import check_budget
    from edgekit.build.project_build import build_bundle
    from edgekit.cli import truths
    from edgekit.model.compile import compile_project
    from edgekit.model.recorded import recorded_windows
    from edgekit.project import StreamInput

    project, folder = opened
    notes = check_budget(project.budget, target.board)
    recorded = None
    if project.recording is not None and isinstance(project.input, StreamInput):
        path = opened.resolve(project.recording)
        recorded = recorded_windows(path, project.input, project.columns)
    with call.console.working(f"proving {project.model.path}"):
        windows = None if recorded is None else recorded.raw
        compiled = compile_project(
            project, folder, recorded=windows, allow_unproven=call.allow_unproven
        )
        golden = truths.compare(opened, compiled)
    if golden.verdict == "differs":
        raise truths.differs(golden)
    console = call.console

    def progress(done: int, total: int | None, what: str) -> None:
        count = f"{done}" if total is None else f"{bar(done / total)} {done}/{total}"
        console.draw(f"compiling the engine {count} {what}")

    try:
        facts = build_bundle(
            project,
            folder,
            compiled,
            target,
            recorded=recorded,
            progress=progress,
            note=console.note,
        )
    finally:
        console.draw("")
    return {**facts, "notes": [*notes, *facts["notes"]]}


def _show_plan(call: Invocation, text: str) -> None:
    if call.as_json:
        call.console.json({"commands": text.splitlines()})
    else:
        call.console.say(text)
