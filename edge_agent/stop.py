"""The wish to stop, from a signal, that wakes whoever waits."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Stop(Protocol):
    """Whether to stop, and a wait that ends early when it comes to that."""

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait so long, or less if a stop is requested; return whether it is."""
        ...

    def fileno(self) -> int:
        """Return a file descriptor that becomes readable when a stop is requested."""
        ...


class StopSignal:
    """
    A stop that a signal handler may request.

    A pipe and not threading.Event: `Event.set` in a handler can deadlock with the `wait` it interrupts,
    and a pipe can be waited on together with a source.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self.number: int | None = None
        """The signal that asked first."""
        self.requested = False

    def request(self, number: int | None = None) -> None:
        """Ask to stop; safe in a signal handler."""
        if not self.requested:
            self.number = number
        self.requested = True
        with contextlib.suppress(BlockingIOError):  # the pipe is full of requests
            os.write(self._writing, b".")

    def wait(self, seconds: float) -> bool:
        """Wait so long, or less if a stop is requested; return whether it is."""
        if not self.requested:
            select.select([self._reading], [], [], max(0.0, seconds))
        return self.requested

    def fileno(self) -> int:
        """Return a file descriptor that becomes readable when a stop is requested."""
        return self._reading

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._reading)
        os.close(self._writing)

    @property
    def exit_code(self) -> int:
        """0, or 130 after Ctrl-C: SIGTERM is how a service is stopped in good order."""
        return 130 if self.number == signal.SIGINT else 0


@contextlib.contextmanager
def stop_on_signals() -> Iterator[StopSignal]:
    """
    Turn SIGTERM, SIGHUP and Ctrl-C into a stop while the block runs; a second Ctrl-C interrupts at once.

    A signal that is ignored, as `nohup` has it, stays ignored.
    """
    stop = StopSignal()

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.request(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {
        number: signal.signal(number, ask)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.close()
