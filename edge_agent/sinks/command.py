"""A program that is run on every event."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from edge_agent.errors import ToolError
from edge_agent.process import Child, find_program
from edge_agent.records import event_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.records import Event, Prediction

BACKLOG_EVENTS = 100
CLOSE_S = 1.0
"""How long the end of a live run waits for the programs that are still to come."""
POLL_S = 0.05


class CommandSink:
    """
    Runs one program at a time, with the event as JSON on its standard input and `EDGEKIT_…` in its environment.

    Events wait while it runs. Of more than a hundred the oldest is dropped; `lossless` waits instead. A program
    that takes longer than `timeout_s` is killed with all that it started.
    """

    kind = "command"

    def __init__(  # noqa: PLR0913 (each is one seam, given by name)
        self,
        command: Sequence[str],
        *,
        name: str,
        timeout_s: float,
        lossless: bool = False,
        start: Callable[..., Child] = Child,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raise ToolError if there is no such program; `name` is the project's, for the environment."""
        self._command = (find_program(command[0]), *command[1:])
        self._name = name
        self._timeout_s = timeout_s
        self._lossless = lossless
        self._start = start
        self._clock = clock
        self._backlog: deque[dict[str, Any]] = deque()
        self._child: Child | None = None
        self._began_s = 0.0
        self._hurried = threading.Event()
        self._counts = {"runs": 0, "failed": 0, "timed_out": 0, "dropped": 0}

    @property
    def counters(self) -> dict[str, int]:
        """Runs, those that failed or took too long, events that were dropped, events that wait."""
        return {**self._counts, "waiting": len(self._backlog)}

    def write(self, _predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """Take the events; each has its turn."""
        for event in events:
            if event.kind != "decision":
                continue  # how the agent does is no business of the user's program
            self._backlog.append(event_to_json(event))
            while (
                self._lossless
                and len(self._backlog) > BACKLOG_EVENTS
                and not self._hurried.is_set()
            ):
                self._wait()
            if len(self._backlog) > BACKLOG_EVENTS:
                self._backlog.popleft()
                self._counts["dropped"] += 1
        self.tick(self._clock())

    def tick(self, now_s: float) -> None:
        """See how the program is doing; start it on the next event when it has ended."""
        child = self._child
        if child is not None:
            code = child.poll()
            if code is None:
                if now_s - self._began_s < self._timeout_s:
                    return
                child.kill()
                self._counts["timed_out"] += 1
            elif code != 0:
                self._counts["failed"] += 1
            self._child = None
        if self._backlog:
            self._begin(self._backlog.popleft(), now_s)

    def hurry(self) -> None:
        """Wait for nothing any more; safe to call from another thread."""
        self._hurried.set()

    def close(self) -> None:
        """Give the events that wait their turn, for a second at most in a live run; then end what runs."""
        until_s = self._clock() + CLOSE_S
        while (self._child is not None or self._backlog) and not self._hurried.is_set():
            if not self._lossless and self._clock() >= until_s:
                break
            self._wait()
        self._counts["dropped"] += len(self._backlog)
        self._backlog.clear()
        if self._child is not None:
            self._child.kill()
            self._counts["timed_out"] += 1
            self._child = None

    def _wait(self) -> None:
        if self._child is not None:
            self._child.wait(POLL_S)
        self.tick(self._clock())

    def _begin(self, document: dict[str, Any], now_s: float) -> None:
        self._counts["runs"] += 1
        self._began_s = now_s
        text = json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
        environment = {f"EDGEKIT_{key.upper()}": _word(value) for key, value in document.items()}
        environment["EDGEKIT_NAME"] = self._name
        try:
            self._child = self._start(
                self._command,
                environment=environment,
                stdin=text.encode("utf-8", "backslashreplace"),
            )
        except ToolError:  # it was there at the start: the next event tries again
            self._counts["failed"] += 1


def _word(value: object) -> str:
    """Return a value as the environment can hold it; null is empty."""
    text = "" if value is None else str(value)
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
