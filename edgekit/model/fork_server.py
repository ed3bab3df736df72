"""
A process that has imported what jobs need, and forks one child for each: so a job costs milliseconds, not a second.

    python -m edgekit.model.fork_server

It never reads anything of a model itself. It takes requests as lines on its standard input and answers each with a line:
`start FOLDER` (a JSON string; the answer is the child's process id) and `end ID` (kills what is left of that child; the answer is
its exit code, negative for a signal). A child holds the folder's named pipe `alive` open for writing: its end is the
child's end. When the standard input ends, so does the server, and with it its children.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Final, NoReturn

from edgekit.model import worker

ALIVE: Final = "alive"

_PRELOADED: Final = ("convert", "reference", "suspect")
"""Jobs that need no extra; what the others need they import themselves."""


def main() -> None:
    """Serve until the standard input ends."""
    answers = os.dup(sys.stdout.fileno())
    nowhere = os.open(os.devnull, os.O_RDWR)
    for kind in _PRELOADED:
        with contextlib.suppress(ImportError):  # the job says so itself
            importlib.import_module(worker.JOBS[kind])
    os.dup2(nowhere, 1)  # what a library prints is no answer
    os.dup2(nowhere, 2)
    gc.freeze()  # memory that is never touched again stays shared with the children
    for line in sys.stdin:
        request, _, argument = line.partition(" ")
        if request == "start":
            answer = _start(Path(json.loads(argument)), (answers, nowhere))
        else:
            answer = _end(int(argument))
        os.write(answers, f"{answer}\n".encode())


def _start(folder: Path, own: tuple[int, int]) -> int:
    """Fork a child for the job in this folder; `own`: descriptors that are none of its business."""
    server = os.getpid()
    alive = os.open(folder / ALIVE, os.O_WRONLY | os.O_NONBLOCK)  # the parent reads it already
    child = os.fork()
    if child == 0:
        _become(folder, server, own)
    os.close(alive)
    os.setpgid(child, child)  # here and in the child: whoever comes first
    return child


def _become(folder: Path, server: int, own: tuple[int, int]) -> NoReturn:
    """Do the job in this process and end it; `alive` stays open until then."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.dup2(own[1], 0)
        for descriptor in own:
            os.close(descriptor)
        worker.main(folder, server)
        code = 0
    finally:
        os._exit(code)  # nothing of the server's is cleaned up here


def _end(child: int) -> int:
    """Kill the child's process group, if there is still one, and return how it ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # changes nothing about a process that is ending by itself
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
