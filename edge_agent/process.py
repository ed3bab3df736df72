"""Starting programs on the device: the only place for subprocess, which is loaded when it is needed."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from edge_agent.backoff import Backoff
from edge_agent.errors import ToolError
from edge_agent.memory_limit import lift

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

GRACE_S = 1.5
HEALTHY_S = 60.0
"""Who ran so long may be started again at once."""


def output(command: Sequence[str], *, timeout_s: float) -> str | None:
    """Return what a program prints to standard output; None if it cannot be started, fails, or takes longer than that."""
    import subprocess  # noqa: PLC0415 (half a megabyte that few need)

    try:
        done = subprocess.run(  # noqa: S603 (no shell, and the caller names the program)
            tuple(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")


def find_program(name: str) -> str:
    """Return the path of a program. Raises ToolError if there is none."""
    import shutil  # noqa: PLC0415 (as above)

    found = shutil.which(name)
    if found is None:
        raise ToolError(
            f"there is no program `{name}`",
            hint="name one that is installed, with its folder unless it is on PATH",
        )
    return found


class Child:
    """
    A program under way, in a session of its own: Ctrl-C in the terminal is not for it, and it can be ended as a whole.

    Its standard output goes to our standard error, because ours may be a summary that another program reads.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
    ) -> None:
        """
        Start it. Raises ToolError if that is not possible.

        `environment` is added to our own. `stdin` is what it may read; without it, it has a pipe that ends when this process
        does, however that ends.
        """
        import subprocess  # noqa: PLC0415 (as above)

        # A file in memory and not a pipe: a program that does not read never blocks the one that writes.
        given = None if stdin is None else _in_memory(stdin)
        try:
            self._process = subprocess.Popen(  # noqa: S603 (a list of arguments, no shell)
                tuple(command),
                stdin=subprocess.PIPE if given is None else given,
                stdout=2,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ToolError(
                f"cannot start `{command[0]}`: {reason}",
                hint="check that it is installed, and its path",
            ) from None
        finally:
            if given is not None:
                os.close(given)
        lift(self._process.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal; None while it runs. Nothing is left behind of one that has ended."""
        code = self._process.poll()
        if code is not None and self._process.stdin is not None:
            self._process.stdin.close()
        return code

    def wait(self, timeout_s: float) -> bool:
        """Wait so long for its end; return whether it has come."""
        import subprocess  # noqa: PLC0415 (as above)

        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, timeout_s))
        return self.poll() is not None

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        if self.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it now, with all that it started, and wait until it is gone."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself in between
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self.poll()


class Supervised:
    """
    A program that is to run all the time: started again when it ends, after a pause that grows while it keeps ending.

    It is the I/O thread's to call: starting a program may take as long as its disk does.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        kind: str = "uplink_process",  # `uplink` in the status is what it reports itself
        backoff: Backoff | None = None,
        start: Callable[[Sequence[str]], Child] = Child,
    ) -> None:
        self.kind = kind
        self._command = tuple(command)
        self._backoff = backoff or Backoff()
        self._start = start
        self._child: Child | None = None
        self._due_s: float | None = None
        self._began_s = 0.0
        self.starts = 0
        self.last_end = ""
        """Why it does not run, or did not before its last start; empty if it never ended."""

    @property
    def counters(self) -> dict[str, int | str | bool]:
        """Whether it runs, how often it was started, how it ended the last time."""
        return {
            "running": self._child is not None,
            "starts": self.starts,
            "last_end": self.last_end,
        }

    def tick(self, now_s: float) -> None:
        """See whether it still runs; start it when that is due."""
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return
            if now_s - self._began_s >= HEALTHY_S:
                self._backoff.reset()
            self._child = None
            self._ended(f"ended with {_exit_text(code)}", now_s)
        if self._due_s is None or now_s >= self._due_s:
            self._begin(now_s)

    def close(self) -> None:
        """End it: by SIGTERM, after a second and a half by SIGKILL."""
        child, self._child = self._child, None
        if child is not None:
            child.terminate()
            if not child.wait(GRACE_S):
                child.kill()

    def _begin(self, now_s: float) -> None:
        self.starts += 1
        self._began_s = now_s
        try:
            self._child = self._start(self._command)
        except ToolError as error:
            self._ended(error.message, now_s)

    def _ended(self, how: str, now_s: float) -> None:
        self.last_end = how
        self._due_s = now_s + self._backoff.next_s()


def _in_memory(data: bytes) -> int:
    """Return a descriptor from which `data` can be read."""
    descriptor = os.memfd_create("stdin")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _exit_text(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
