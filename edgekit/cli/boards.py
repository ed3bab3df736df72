"""`edgekit boards`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.invocation import Command, Invocation
from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgekit.board import Board, UnsupportedBoard
    from edgekit.cli.console import Console


@click.command(cls=Command)
@click.argument("board", required=False, metavar="[ID]")
@click.pass_obj
def command(call: Invocation, board: str | None) -> None:
    """Show the boards that EdgeKit knows, or all that it knows of one.

    A board is a file: your project's own are in `boards/` beside edgekit.toml, your own for all projects in
    ~/.config/edgekit/boards.
    """
    from edgekit.board import boards, find_board, unsupported_boards

    folder = _project_folder(call)
    if board is not None:
        found = find_board(board, folder)
        if call.as_json:
            call.console.json(_facts(found))
        else:
            _show(found, call.console)
        return
    known, unsupported = boards(folder), unsupported_boards()
    if call.as_json:
        call.console.json(
            {
                "boards": [_facts(item) for item in known.values()],
                "unsupported": [{"id": name, **asdict(item)} for name, item in unsupported.items()],
            }
        )
    else:
        _list(known, unsupported, call.console)


def _project_folder(call: Invocation) -> Path | None:
    """Return the folder of the project here; boards can be looked at without one."""
    from edgekit.project import find_project

    try:
        return find_project(call.directory).parent
    except ConfigError:
        return None


def _facts(board: Board) -> dict[str, Any]:
    facts = asdict(board)
    releases = [{**asdict(release), "too_old": release.too_old} for release in board.releases]
    return {"id": board.id, **facts, "releases": releases}


def _list(
    known: Mapping[str, Board], unsupported: Mapping[str, UnsupportedBoard], console: Console
) -> None:
    rows = [[board.id, board.title, _systems(board)] for board in known.values()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, title, systems in rows:
        console.say(f"  {name:<{widths[0]}}  {title:<{widths[1]}}  {systems}".rstrip())
    if console.quiet:
        return
    console.say()
    console.say("not supported:")
    console.facts([(name, f"{item.title}: {item.reason}") for name, item in unsupported.items()])


def _systems(board: Board) -> str:
    return ", ".join(release.id for release in board.releases if release.too_old is None)


def _show(board: Board, console: Console) -> None:
    features = f" ({', '.join(board.features)})" if board.features else ""
    memory = None if board.memory_mib is None else f"{board.memory_mib} MiB in the smallest variant"
    page = None if board.page_size_bytes is None else f"{board.page_size_bytes} bytes"
    power = board.power
    figures = [
        f"{value} mW {what}"
        for value, what in ((power.idle_mw, "idle"), (power.core_mw, "a busy core"))
        if value is not None
    ]
    drawn = f"{', '.join(figures)}, ± {power.uncertainty_percent} %: {power.source}"
    emulated = board.emulate and (
        f"{board.emulate.cpu}, kernels {board.emulate.kernels}, Python of {board.emulate.release}"
    )
    facts = [
        ("board", board.id),
        ("title", board.title),
        ("target", f"{board.target}, {board.cpu}{features}"),
        ("toolchain", board.toolchain),
        ("cores", None if board.cores is None else str(board.cores)),
        ("memory", memory),
        ("pages", page),
        ("systems", "\n".join(_system(board)) or None),
        ("meter", power.meter),
        ("power", drawn if figures else "no figure with a source is known"),
        ("emulated", emulated),
    ]
    console.facts([(name, value or "not known") for name, value in facts])


def _system(board: Board) -> list[str]:
    return [
        f"{release.id}: {release.title}, glibc {release.glibc}, Python {release.python}"
        + (f" — too old: {release.too_old}" if release.too_old else "")
        for release in board.releases
    ]
