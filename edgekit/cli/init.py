"""`edgekit init`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.invocation import Command, Invocation, shortest

if TYPE_CHECKING:
    from edgekit.cli.console import Console
    from edgekit.proposal import Entry
    from edgekit.scaffold import Scaffold


@click.command(cls=Command)
@click.argument("name", type=click.Path(file_okay=True, path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), metavar="FILE", help="The model: ONNX.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="CSV",
    help="A recording: CSV or JSONL, one sample a row, labelled if you have that; or WAV.",
)
@click.pass_obj
def command(call: Invocation, *, name: Path, model: Path | None, data: Path | None) -> None:
    """Make a project from a model and a recording.

    NAME is the folder to make, or `.` for this one. Model and recording are copied into it, edgekit.toml is
    filled in as far as they tell, and every line says where its value comes from. Asks nothing, and never
    overwrites a file.
    """
    from edgekit.scaffold import scaffold

    with call.console.working("looking at the files"):
        made = scaffold(call.directory / name, model=model, data=data)
    if call.as_json:
        call.console.json(_facts(made))
    else:
        _show(made, call.console)


def _next(made: Scaffold) -> str:
    folder = shortest(made.folder.absolute())
    return (
        "edgekit check" if folder == Path() else f"cd {shlex.quote(str(folder))} && edgekit check"
    )


def _facts(made: Scaffold) -> dict[str, Any]:
    def fact(entry: Entry) -> dict[str, Any]:
        return {
            "key": entry.dotted,
            "value": entry.value,
            "origin": entry.origin,
            "guessed": entry.guessed,
        }

    refusal = made.refusal
    filled = [entry for entry in made.proposal.entries if entry.value is not None]
    return {
        "folder": str(made.folder),
        "files": [str(path) for path in made.files],
        "filled": [fact(entry) for entry in filled],
        "missing": [
            {"key": entry.dotted, "origin": entry.origin} for entry in made.proposal.missing
        ],
        "refusal": None if refusal is None else {"message": refusal.message, "hint": refusal.hint},
        "next": _next(made),
    }


def _show(made: Scaffold, console: Console) -> None:
    for path in made.files:
        console.say(f"wrote {shortest(path.absolute())}")
    for title, colour, entries in (
        ("guessed, so worth a look:", "yellow", made.proposal.guesses),
        ("to be filled in:", "red", made.proposal.missing),
    ):
        if entries:
            console.say()
            console.say(console.style(title, colour))
            console.facts([(entry.dotted, _explained(entry)) for entry in entries])
    if made.refusal is not None:
        console.say()
        console.remark(
            "warning", "yellow", f"`edgekit check` will refuse this: {made.refusal.message}"
        )
        if made.refusal.hint is not None:
            console.remark("hint", "yellow", made.refusal.hint)
    console.say()
    target = shortest(made.folder.absolute() / "edgekit.toml")
    first = f"fill in {target}, then " if made.proposal.missing else ""
    console.say(f"next: {first}{_next(made)}")


def _explained(entry: Entry) -> str:
    from edgekit.proposal import toml

    return entry.origin if entry.value is None else f"{toml(entry.value)}  ({entry.origin})"
