"""Children of the fork server, seen from the process that wants them: started, waited for, ended."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import sys
import threading
from typing import TYPE_CHECKING, Final, Self

from edgekit.errors import ToolError
from edgekit.model.fork_server import ALIVE
from edgekit.process import Command, Finished, Running
from edgekit.resources import PACKAGE

if TYPE_CHECKING:
    from pathlib import Path

_HINT: Final = "start `python -c 'import edgekit.model.convert'`: what it says is what keeps the children from starting"


class Forked:
    """A job's child; leaving the `with` block ends it."""

    def __init__(self, folder: Path) -> None:
        """Start the job in this folder. Raises ToolError if no child can be started."""
        os.mkfifo(folder / ALIVE)
        self._alive = os.open(folder / ALIVE, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._child: int | None = None
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, self._alive)
            self._server = _take_server()
            stack.callback(self._server.give_back)
            self._child = self._server.ask(f"start {json.dumps(str(folder))}")
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        os.close(self._alive)

    def wait(self, *, timeout_s: float) -> Finished:
        """Wait for its end, at most so long: then it is killed. What it printed is in the job's log."""
        poll = select.poll()
        poll.register(self._alive, select.POLLIN)
        timed_out = not poll.poll(timeout_s * 1000)
        return Finished(returncode=self._end(), stdout="", stderr="", timed_out=timed_out)

    def _end(self) -> int:
        if self._child is None:
            return 0
        child, self._child = self._child, None
        try:
            return self._server.ask(f"end {child}")
        finally:
            self._server.give_back()


class _Server:
    """The fork server, and how many of its children are in use."""

    def __init__(self) -> None:
        self.environment = dict(os.environ)
        self.process = os.getpid()
        self.broken = False
        self._users = 0
        self._retired = False
        self._lock = threading.Lock()
        # the same EdgeKit as here, whether it is installed or a checkout on a relative path
        search = os.pathsep.join(
            [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        environment = {
            "PYTHONPATH": search,
            "ORT_DISABLE_TELEMETRY": "1",  # else ONNX Runtime tells its maker about its use
            "OPENBLAS_NUM_THREADS": "1",  # a process with threads cannot be forked safely
            "OMP_NUM_THREADS": "1",
        }
        # `-P`: what lies about in the working folder is no module of ours
        argv = (sys.executable, "-P", "-m", "edgekit.model.fork_server")
        self._running = Running(Command(argv, env=environment))

    def ask(self, request: str) -> int:
        """Send a request and return its answer. Raises ToolError if the server is gone."""
        with self._lock:
            try:
                answer = self._running.ask(request)
                return int(answer)
            except BaseException as error:
                # an answer that nobody took would be taken for the next one's
                self.broken = True
                self._running.kill()
                if isinstance(error, (OSError, ValueError)):
                    raise ToolError("the process that starts children ended", hint=_HINT) from error
                raise

    def take(self) -> None:
        """Count one more user."""
        self._users += 1

    def give_back(self) -> None:
        """Count one less; the last one of a retired server closes it."""
        self._users -= 1
        self._close_if_unused()

    def retire(self) -> None:
        """Close the server as soon as nobody uses it."""
        self._retired = True
        self._close_if_unused()

    def close(self) -> None:
        """End the server and all of its children."""
        self._running.__exit__()

    def _close_if_unused(self) -> None:
        if self._retired and self._users == 0:
            self.close()


_servers: list[_Server] = []
"""The one in use, if there is one."""

_servers_lock: Final = threading.Lock()


def _take_server() -> _Server:
    """Return a server for one more child: a new one if there is none or if the environment is another now."""
    with _servers_lock:
        if _servers:
            server = _servers[0]
            mine = (
                server.process == os.getpid()
            )  # one that was forked with this process is its parent's
            if mine and not server.broken and server.environment == dict(os.environ):
                server.take()
                return server
            _servers.clear()
            if mine:
                server.retire()
        server = _Server()
        server.take()
        _servers.append(server)
        return server


def _close() -> None:
    for server in _servers:
        if server.process == os.getpid():
            with contextlib.suppress(OSError):
                server.close()
    _servers.clear()


atexit.register(_close)
