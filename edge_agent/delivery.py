"""
From the hot loop to the sinks: a bounded queue, and the one thread that does the input and output.

The loop of samples and the model hands its results over and goes on; a disk that takes five seconds for a sync
delays this thread alone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from edge_agent.errors import EdgeKitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.records import Event, Prediction
    from edge_agent.sinks import Sink
    from edge_agent.status import StatusFile

CAPACITY = 10_000
"""Records: over an hour of predictions at 2 Hz, and about 5 MB."""
TICK_S = 0.1
BATCH = 100
"""So many predictions at most wait for the next event or status: at once is soon enough for few, and waking up for each costs more than the model."""
HURRY_SHARE = 0.7
"""Of the time to close: what is not done then is told to hurry."""


class Keeper(Protocol):
    """Something that has to be looked after regularly, such as a process that is to run."""

    def tick(self, now_s: float) -> None:
        """Do what is due."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Delivery:
    """
    Takes results from the hot loop and gives them to the sinks, in a thread of its own.

    `lossless`: `put` waits while the queue is full, and the failure of a sink ends the run: for recordings. Otherwise
    `put` never waits: the oldest predictions give way, and only where none are left the oldest events; a sink that
    fails with an EdgeKitError loses what it was given, which is counted, and is tried again.

    Events go on at once; predictions together, with the next event or status, at least once a second. A sink that wants them at
    once says so by `prompt = True`. A sink may also have `tick(now_s)`, called ten times a second; `hurry()`, called from another thread when the time to
    close runs out; `counters` for the status, and `kind`, its name there. The sinks are closed first, then the `keepers`.
    """

    def __init__(  # noqa: PLR0913 (each is one seam, given by name)
        self,
        sinks: Sequence[Sink],
        *,
        capacity: int = CAPACITY,
        lossless: bool,
        status: StatusFile | None = None,
        keepers: Sequence[Keeper] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sinks = tuple(sinks)
        self._capacity = capacity
        self._lossless = lossless
        self._status_file = status
        self._keepers = tuple(keepers)
        self._clock = clock
        self._named = _named([*self._sinks, *self._keepers])
        self._batch = min(BATCH, capacity)
        self._prompt = lossless or any(getattr(sink, "prompt", False) for sink in self._sinks)
        ticking = [getattr(sink, "tick", None) for sink in self._sinks]
        self._ticks = [tick for tick in ticking if tick is not None]
        self._ticks += [keeper.tick for keeper in self._keepers]

        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._predictions: deque[Prediction] = deque()
        self._events: deque[Event] = deque()
        self._tick_due_s = clock()
        self._beat = False
        """Whether the sinks are to be written to, even with nothing: a terminal redraws its line then."""
        self._document: dict[str, Any] | None = None
        self._closing = False
        self._last: Callable[[Exception | None], dict[str, Any]] | None = None
        self._raised = False

        self.failure: Exception | None = None
        """What ended the delivery; `put` raises it."""
        self.status_failure = ""
        """Why the status could not be written the last time; empty when it could."""
        self.status_failures = 0
        """In a row."""
        self._status_written = False
        self._dropped = {"predictions": 0, "events": 0}
        self._refused: dict[str, int] = {}
        self.refusal = ""
        """What the last sink that failed said, where that does not end the run."""
        self._delivered = 0

        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        self._thread.start()

    def put(self, predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """Hand results over; both may be empty. Raises what a sink has failed with."""
        with self._lock:
            if self._lossless:
                while self._is_full() and self.failure is None:
                    self._room.wait()
            self._raise_failure()
            self._predictions.extend(predictions)
            self._events.extend(events)
            if not self._lossless:
                self._make_room()
            if self._prompt or events or not predictions or len(self._predictions) >= self._batch:
                self._beat = True
                self._work.notify()

    def status(self, document: dict[str, Any]) -> None:
        """Have this written to the status file, where only the latest one counts, and what waits to the sinks. Raises as `put` does."""
        with self._lock:
            self._raise_failure()
            self._document = document
            self._beat = True
            self._work.notify()

    @property
    def counters(self) -> dict[str, Any]:
        """What became of the results: waiting, delivered, dropped by kind, refused by sink, and what sinks count themselves."""
        with self._lock:
            found: dict[str, Any] = {
                "waiting": len(self._predictions) + len(self._events),
                "delivered": self._delivered,
                "dropped": dict(self._dropped),
                "refused": dict(self._refused),
            }
        for name, part in self._named.items():
            if hasattr(part, "counters"):
                found[name] = part.counters
        return found

    def close(
        self,
        timeout_s: float | None = None,
        *,
        last: Callable[[Exception | None], dict[str, Any]] | None = None,
    ) -> None:
        """
        Deliver what waits, then close sinks and keepers; None waits as long as it takes.

        `last` makes the last status, given what has failed, when all of that is done. After `timeout_s` the thread is
        left to itself: what it waits for ends with the process. Raises the failure that `put` has not raised yet.
        """
        self._last = last
        with self._lock:
            self._closing = True
            self._work.notify()
        if timeout_s is None:
            self._thread.join()
        else:
            self._thread.join(timeout_s * HURRY_SHARE)
            if self._thread.is_alive():
                self._hurry()
                self._thread.join(timeout_s * (1 - HURRY_SHARE))
        with self._lock:
            if not self._raised:
                self._raise_failure()

    def _hurry(self) -> None:
        for sink in self._sinks:
            hurry = getattr(sink, "hurry", None)
            if hurry is not None:
                hurry()

    def _is_full(self) -> bool:
        return len(self._predictions) + len(self._events) >= self._capacity

    def _make_room(self) -> None:
        """Drop what is over the capacity: what happened is worth more than what was seen all the time."""
        over = len(self._predictions) + len(self._events) - self._capacity
        for kind, queue in (("predictions", self._predictions), ("events", self._events)):
            while over > 0 and queue:
                queue.popleft()
                self._dropped[kind] += 1
                over -= 1

    def _raise_failure(self) -> None:
        if self.failure is not None:
            self._raised = True
            raise self.failure

    def _run(self) -> None:
        """Be the thread."""
        try:
            while self._turn():
                pass
        except Exception as failure:  # noqa: BLE001 (whatever it is: the hot loop raises it)
            self._fail(failure)
            self._await_closing()
        endings = [part.close for part in self._named.values()]
        endings.append(self._write_last_status)
        for ending in endings:
            try:
                ending()
            except Exception as failure:  # noqa: BLE001, PERF203 (as above; each is tried, whatever the others do)
                self._fail(failure)

    def _await_closing(self) -> None:
        """Wait until the hot loop has heard of the failure: the last status is the one that tells it."""
        with self._lock:
            while not self._closing:
                self._work.wait()

    def _turn(self) -> bool:
        """Wait for work and do it; return whether there may be more."""
        with self._lock:
            if not (self._beat or self._document is not None or self._closing):
                self._work.wait(TICK_S if self._ticks else None)  # who has nothing to do sleeps
            predictions, self._predictions = list(self._predictions), deque()
            events, self._events = list(self._events), deque()
            beat, self._beat = self._beat, False
            closing = self._closing
            self._room.notify_all()
        if beat or predictions or events:
            self._write(predictions, events)
        self._write_status(self._taken_document())
        now_s = self._clock()
        if now_s >= self._tick_due_s:
            self._tick_due_s = now_s + TICK_S
            for tick in self._ticks:
                tick(now_s)
        return not closing or self._beat

    def _write(self, predictions: list[Prediction], events: list[Event]) -> None:
        count = len(predictions) + len(events)
        for name, sink in zip(
            self._named, self._sinks, strict=False
        ):  # behind the sinks are keepers
            try:
                sink.write(predictions, events)
            except EdgeKitError as failure:  # noqa: PERF203 (one that fails keeps nothing from the others)
                if self._lossless:
                    raise
                self.refusal = failure.message
                self._refused[name] = self._refused.get(name, 0) + count
        self._delivered += count

    def _taken_document(self) -> dict[str, Any] | None:
        with self._lock:
            document, self._document = self._document, None
        return document

    def _write_status(self, document: dict[str, Any] | None) -> None:
        """Write the status. Raises EdgeKitError if the first cannot be written; a later one that cannot is noted."""
        if document is None or self._status_file is None:
            return
        try:
            self._status_file.write(document)
        except EdgeKitError as failure:
            if not self._status_written:
                raise
            self.status_failures += 1
            self.status_failure = failure.message
        else:
            self._status_written = True
            self.status_failures, self.status_failure = 0, ""

    def _write_last_status(self) -> None:
        if self._last is not None:
            self._write_status(self._last(self.failure))

    def _fail(self, failure: Exception) -> None:
        with self._lock:
            if self.failure is None:
                self.failure = failure
            self._room.notify_all()


def _named(parts: list[Sink | Keeper]) -> dict[str, Sink | Keeper]:
    """Return each part with its name: its kind, and with a number where there are several (`jsonl-2`)."""
    named: dict[str, Sink | Keeper] = {}
    for part in parts:
        kind = str(getattr(part, "kind", type(part).__name__))
        number = 1 + sum(name.rpartition("-")[0] == kind or name == kind for name in named)
        named[kind if number == 1 else f"{kind}-{number}"] = part
    return named
