"""What all commands share: where the project is, how much to say, and the options for both."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from edgekit.cli.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekit.project import Project


class OpenProject(NamedTuple):
    """A project and the folder that its paths are relative to."""

    project: Project
    folder: Path

    def resolve(self, path: str | Path) -> Path:
        """Return a path of edgekit.toml as one of this process."""
        return self.folder / path


@dataclass
class Invocation:
    """One call of `edgekit`."""

    console: Console = field(default_factory=Console)
    directory: Path = field(default_factory=Path)
    as_json: bool = False
    """Facts for a program: one JSON object on stdout."""
    allow_unproven: str | None = None
    """Why a model is to ship whose proof is not accepted; None: it is not to."""

    def open_project(self) -> OpenProject:
        """Read the project of the directory or of one above it. Raises ConfigError."""
        from edgekit.project import Project, find_project

        file = shortest(find_project(self.directory))
        return OpenProject(Project.load(file), file.parent)


def shortest(path: Path) -> Path:
    """Return the path as the user would write it: relative where that is shorter."""
    try:
        relative = Path(os.path.relpath(path))
    except (OSError, ValueError):  # the working folder is gone, or on another drive
        return path
    return relative if len(str(relative)) < len(str(path)) else path


def add_common_options(command: click.Command) -> None:
    """Give a command the options that may stand before and after its name."""
    command.params += [
        click.Option(
            ["-C", "--project", "directory"],
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            metavar="DIR",
            expose_value=False,
            callback=_set_directory,
            help="Folder of the project, or one below it.",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_set_quiet,
            help="Verdicts and errors only.",
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=_set_verbose,
            help="More numbers, and tracebacks of errors.",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_set_json,
            help="Print one JSON object.",
        ),
    ]


def unproven_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that needs a proven model the way around it, with a reason that is stamped on what comes of it."""
    return click.option(
        "--allow-unproven",
        metavar="WHY",
        expose_value=False,
        callback=_set_allow_unproven,
        help="Ship it even if its proof is not accepted; WHY is stamped into manifest, status and every event.",
    )(command)


class Command(click.Command):
    """A command with the common options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["context_settings"] = {"help_option_names": ["-h", "--help"]}
        super().__init__(*args, **kwargs)
        add_common_options(self)


def _set_directory(ctx: click.Context, _param: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.obj.directory = value


def _set_quiet(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.obj.console.quiet |= value


def _set_verbose(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.obj.console.verbose |= value


def _set_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.obj.as_json |= value


def _set_allow_unproven(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    ctx.obj.allow_unproven = value
