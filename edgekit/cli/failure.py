"""Errors on the terminal: one renderer for all of them, and no traceback for a mistake of the user's."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from typing import TYPE_CHECKING

import click

from edgekit.cli.console import printable
from edgekit.errors import EdgeKitError, ToolError

if TYPE_CHECKING:
    from edgekit.cli.console import Console

INTERRUPTED = 130
_WRONG_USE = 2
_PACKAGES = {"edgekit_runtime", "numpy", "onnx", "onnxruntime", "pydantic"}


def report(error: BaseException, console: Console) -> int:
    """Print what went wrong; return the exit code."""
    if isinstance(error, BrokenPipeError):
        return _closed_pipe()
    if console.verbose and not isinstance(error, SystemExit | click.exceptions.Exit):
        shown = traceback.TracebackException.from_exception(error)
        shown.__notes__ = None  # the hint, which comes below
        console.error("".join(shown.format()).rstrip())
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    message, hint, code = _explain(error)
    message, hint = printable(message), printable(hint or "")
    console.error(f"{console.style('error:', 'red', stream=sys.stderr)} {message}")
    if hint:
        console.error(f"{console.style('hint:', 'yellow', stream=sys.stderr)} {hint}")
    return code


def _explain(error: BaseException) -> tuple[str, str | None, int]:  # noqa: PLR0911 (a kind of error a line)
    if isinstance(error, EdgeKitError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return "interrupted", None, INTERRUPTED
    if isinstance(error, click.ClickException):
        return _explain_usage(error)
    if isinstance(error, MemoryError):
        return "out of memory", "use a shorter recording, or a machine with more memory", 1
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] in _PACKAGES:
        message = f"`{error.name}` cannot be loaded: {error}"
        return message, "see `edgekit doctor`", ToolError.exit_code
    if isinstance(error, FileNotFoundError) and error.filename is None and not _is_somewhere():
        return "the folder that this was started in is gone", "`cd` into one that is there", 1
    if isinstance(error, OSError) and error.strerror:
        name = f"`{error.filename}`: " if error.filename else ""
        hint = "make room on the disk" if error.errno == errno.ENOSPC else None
        return f"{name}{error.strerror[:1].lower()}{error.strerror[1:]}", hint, 1
    return (
        f"internal error: {type(error).__name__}: {error}",
        "this is a bug of EdgeKit: run the same again with `-v`, and report what it prints",
        1,
    )


def _is_somewhere() -> bool:
    """Whether the working folder still exists."""
    try:
        os.getcwd()  # noqa: PTH109 (Path.cwd() is this, and nothing is done with a path)
    except FileNotFoundError:
        return False
    return True


def _explain_usage(error: click.ClickException) -> tuple[str, str | None, int]:
    """Put click's sentences into EdgeKit's form."""
    message = error.format_message().rstrip(".").replace("'", "`")
    context = getattr(error, "ctx", None)
    hint = f"see `{context.command_path} --help`" if context is not None else None
    if isinstance(error, click.NoSuchOption):
        message = f"unknown option `{error.option_name}`"
        near = error.possibilities or []
        hint = f"did you mean `{near[0]}`?" if near else hint
    return f"{message[:1].lower()}{message[1:]}", hint, _WRONG_USE


def _closed_pipe() -> int:
    """Go quietly, as every filter does; Python must not try to flush into the closed pipe once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
