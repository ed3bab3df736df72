"""
Starting other programs: the only module that imports `subprocess`.

A `Command` is a value, so that plans can be compared and printed; `run` waits for it, `replace` becomes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

from edgekit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_SUPERVISOR = Path(__file__).with_name("supervised.py")


@dataclass(frozen=True)
class Command:
    """A program with its arguments; `env` is added to the environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None

    def __str__(self) -> str:
        """Return a line that can be pasted into a shell."""
        words = [f"{name}={_quoted(value)}" for name, value in self.env.items()]
        line = " ".join([*words, *map(_quoted, self.argv)])
        return line if self.cwd is None else f"cd {shlex.quote(str(self.cwd))} && {line}"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What came of a command."""

    returncode: int
    """Exit code; negative: the number of the signal that ended it."""
    stdout: str
    stderr: str
    timed_out: bool


class Running:
    """A command under way; leaving the `with` block kills what is left of its process group."""

    def __init__(
        self,
        command: Command,
        *,
        hint: str | None = None,
        one_stream: bool = False,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """
        Start it; with `one_stream` what it says to stderr comes in order with the rest, as in a terminal.

        Raises ToolError (with `hint`: how to get it) if the program is missing or does not start.
        """
        self.command = command
        self._process = _start(command, hint, one_stream=one_stream, pass_fds=pass_fds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was never read is of no use now
                    pipe.close()
        self._process.wait()

    def wait(self, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Finished:
        """Wait for its end, at most `timeout_s`: then it is killed, with all that it started."""
        timed_out = False
        try:
            stdout, stderr = self._process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
            self.kill()
            stdout, stderr = self._process.communicate()
        return Finished(
            returncode=self._process.returncode,
            stdout=stdout.decode(errors="replace"),
            stderr=(stderr or b"").decode(errors="replace"),
            timed_out=timed_out,
        )

    def lines(self) -> Iterator[str]:
        """Yield the lines of its standard output as they come, without their ends, until it closes that."""
        assert self._process.stdout is not None  # noqa: S101 (for the type checker: it is always a pipe)
        for line in self._process.stdout:
            yield line.decode(errors="replace").rstrip("\r\n")

    def ask(self, request: str) -> str:
        """Write a line to its standard input and return the next line that it prints; empty if it has ended."""
        assert self._process.stdin is not None  # noqa: S101 (for the type checker: a pipe, unless `one_stream`)
        assert self._process.stdout is not None  # noqa: S101 (as above)
        self._process.stdin.write(f"{request}\n".encode())
        self._process.stdin.flush()
        return self._process.stdout.readline().decode(errors="replace").rstrip("\r\n")

    def kill(self) -> None:
        """End the command and everything in its process group now; nothing happens if it has ended."""
        if self._process.poll() is not None:
            return
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):  # it ended by itself in between
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()


def run(
    command: Command,
    *,
    stdin: bytes | None = None,
    timeout_s: float | None = None,
    hint: str | None = None,
) -> Finished:
    """
    Run a command to its end and return what it printed.

    Nothing of it is left behind on a timeout, on Ctrl-C and on any other error. Raises ToolError (with `hint`: how
    to get it) if the program is missing or does not start.
    """
    with Running(command, hint=hint) as running:
        return running.wait(stdin=stdin, timeout_s=timeout_s)


def follow(
    command: Command,
    on_line: Callable[[str], None],
    *,
    hint: str | None = None,
    cleanup: Sequence[Command] = (),
) -> Finished:
    """
    Run a command to its end and give every line that it prints, of either stream, to `on_line` as it comes.

    As with `run`, nothing of it is left behind, also when `on_line` raises or this process is killed: then a process between
    the two (`supervised.py`) runs `cleanup` and ends it. The outputs of the result are empty.
    """
    here, there = os.pipe()
    try:
        supervised = _supervised(command, here, cleanup, hint)
        with Running(supervised, hint=hint, one_stream=True, pass_fds=(here,)) as running:
            for line in running.lines():
                on_line(line)
            return running.wait()
    finally:
        os.close(here)
        os.close(there)


def _supervised(
    command: Command, lifeline: int, cleanup: Sequence[Command], hint: str | None
) -> Command:
    """Return the command that runs another and ends it when the other end of the pipe `lifeline` closes."""
    last = json.dumps([it.argv for it in cleanup])
    before = (sys.executable, "-I", str(_SUPERVISOR), str(lifeline), last)
    argv = (*before, _find(command, hint), *command.argv[1:])
    return Command(argv, env=command.env, cwd=command.cwd)


def replace(command: Command, *, hint: str | None = None) -> NoReturn:
    """Become the command: same process, same terminal, same signals. Raises ToolError if it is missing."""
    program = _find(command, hint)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it may be closed (`>&-`)
            stream.flush()
    if command.cwd is not None:
        os.chdir(command.cwd)
    try:
        os.execve(program, command.argv, {**os.environ, **command.env})  # noqa: S606 (no shell on purpose)
    except OSError as error:
        raise ToolError(f"cannot start `{command.argv[0]}`: {error.strerror}", hint=hint) from error


def _start(
    command: Command, hint: str | None, *, one_stream: bool, pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    program = _find(command, hint)
    try:
        return subprocess.Popen(  # noqa: S603 (a list of arguments, no shell)
            (program, *command.argv[1:]),
            cwd=command.cwd,
            env={**os.environ, **command.env},
            stdin=subprocess.DEVNULL if one_stream else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if one_stream else subprocess.PIPE,
            pass_fds=pass_fds,
            start_new_session=True,  # a group of its own: it can be killed as a whole
        )
    except OSError as error:
        raise ToolError(f"cannot start `{command.argv[0]}`: {error.strerror}", hint=hint) from error


def _find(command: Command, hint: str | None) -> str:
    path = {**os.environ, **command.env}.get("PATH")
    program = shutil.which(command.argv[0], path=path)
    if program is None:
        raise ToolError(f"`{command.argv[0]}` is not on PATH", hint=hint)
    return program


def _quoted(word: str) -> str:
    """Quote a word for the shell; bash's `$'…'` for what has control characters, which no terminal should get."""
    if word.isprintable():
        return shlex.quote(word)
    shown = (
        mark if mark.isprintable() else f"\\u{ord(mark):04x}"
        for mark in word.replace("\\", "\\\\").replace("'", "\\'")
    )
    return f"$'{''.join(shown)}'"
