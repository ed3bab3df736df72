"""From the spool to the broker: connect, send, delete what was acknowledged, begin again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from edge_agent.backoff import Backoff
from edge_agent.uplink.link import LinkError
from edge_agent.uplink.suspect import Suspect

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_agent.logs import Log
    from edge_agent.spool.reader import SpoolReader
    from edge_agent.spool.record import Record
    from edge_agent.stop import Stop
    from edge_agent.uplink.link import Link
    from edge_agent.uplink.messages import Messages

WINDOW = 100
"""Messages that may be on their way at once."""
POLL_S = 0.2
ACKNOWLEDGE_S = 20.0
"""A broker that says nothing for so long, while messages wait for it, is gone."""
STABLE_S = 10.0
"""A connection that held so long, or that acknowledged something, was a good one."""
GRACE_S = 1.0
"""How long a stop waits for what is on its way."""


class _SilentError(LinkError):
    """Nothing came back; the connection may be good or not."""


class Forwarder:
    """
    Sends one spool to one broker until it is stopped, over connections that `make_link` makes.

    `health` returns the heartbeat's payload, given the forwarder's own facts.
    """

    def __init__(  # noqa: PLR0913 (each is one seam, given by name)
        self,
        reader: SpoolReader,
        make_link: Callable[[], Link],
        messages: Messages,
        *,
        heartbeat_s: float,
        health: Callable[[dict[str, Any]], bytes],
        log: Log,
        broker: str,
        acknowledge_s: float = ACKNOWLEDGE_S,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._make_link = make_link
        self._messages = messages
        self._heartbeat_s = heartbeat_s
        self._health = health
        self._log = log
        self._broker = broker
        self._acknowledge_s = acknowledge_s
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._in_flight: dict[int, Record] = {}
        self._suspect = Suspect()
        self._answers = False
        """Whether this connection has brought an acknowledgement."""
        self._progress_s = 0.0
        self._heartbeat_due_s = 0.0
        self.state = "connecting"
        self.failure = ""
        """Why there is, or was, no connection."""
        self.connections = 0
        self.unreadable = 0
        """Records that were whole and no message; they are left out."""
        self.refused = 0
        """Records that the broker did not want, such as one too large for it; they are left out."""

    @property
    def facts(self) -> dict[str, Any]:
        """How the connection and its spool are."""
        reader = self._reader
        return {
            "broker": self._broker,
            "link": self.state,
            "failure": self.failure,
            "connections": self.connections,
            "sent": reader.acknowledged,
            "in_flight": reader.in_flight,
            "waiting_bytes": reader.waiting_bytes(),
            "corrupt": reader.corrupt,
            "torn": reader.torn,
            "unreadable": self.unreadable,
            "refused": self.refused,
        }

    def run(self, stop: Stop) -> None:
        """Be at it until a stop is requested; no failure of network or disk ends it."""
        while not stop.requested:
            link = self._make_link()
            farewell = False
            try:
                self._open(link)
                self._serve(link, stop)
                self._finish(link)
                farewell = True
            except LinkError as error:
                self._lost(str(error))
                if not isinstance(error, _SilentError):
                    self._leave_out(self._suspect.connection_ended(self._in_flight.values()))
            except OSError as error:
                self._lost(f"cannot read the spool: {error.strerror}")
            finally:
                link.close(farewell=farewell)
                self._in_flight.clear()
                self._reader.rewind()
            if not farewell:
                # while nothing can be sent the writer may need the room: it is to know what has arrived
                self._reader.tidy(self._clock(), at_once=True)
                stop.wait(self._backoff.next_s())
        self.state = "stopped"
        self._reader.tidy(self._clock(), at_once=True)

    def _open(self, link: Link) -> None:
        if self.state != "disconnected":
            self.state = "connecting"
        link.open()
        self.state, self.failure = "online", ""
        self.connections += 1
        self._answers = False
        self._progress_s = self._heartbeat_due_s = self._clock()
        self._log.info("uplink-online", broker=self._broker)

    def _serve(self, link: Link, stop: Stop) -> None:
        began_s = self._clock()
        while not stop.requested:
            now_s = self._clock()
            if now_s >= self._heartbeat_due_s:
                self._heartbeat_due_s = now_s + self._heartbeat_s
                link.publish(self._messages.status_topic, self._health(self.facts), retain=True)
            self._exchange(link, POLL_S)
            if now_s - began_s >= STABLE_S:
                self._backoff.reset()
            if self._waits and self._clock() - self._progress_s >= self._acknowledge_s:
                raise _SilentError(f"no acknowledgement for {self._acknowledge_s:g} s")
            self._reader.tidy(self._clock())

    def _exchange(self, link: Link, timeout_s: float) -> bool:
        """Send what has room in the window, take acknowledgements; return whether anything is on its way."""
        if not self._waits:
            self._progress_s = self._clock()
        window = WINDOW if not self._suspect.there_is_one else int(self._answers)
        for record in self._reader.read(max(0, window - len(self._in_flight))):
            try:
                topic, payload = self._messages.of(record)
            except ValueError:
                self.unreadable += 1
                self._reader.acknowledge(record)
                continue
            self._in_flight[link.publish(topic, payload)] = record
        for number in link.work(timeout_s):
            self._answers = True
            acknowledged = self._in_flight.pop(number, None)
            if acknowledged is not None:  # a heartbeat otherwise
                self._reader.acknowledge(acknowledged)
                self._suspect.acknowledged()
                self._progress_s = self._clock()
                self._backoff.reset()
        return bool(self._in_flight)

    @property
    def _waits(self) -> bool:
        """Whether the broker owes an acknowledgement."""
        return bool(self._in_flight) or (self._suspect.there_is_one and not self._answers)

    def _finish(self, link: Link) -> None:
        """Send what the agent left last, as far as there is time, and say goodbye."""
        until_s = self._clock() + GRACE_S
        while self._exchange(link, POLL_S / 4) and self._clock() < until_s:
            pass
        number = link.publish(
            self._messages.status_topic, self._messages.farewell("stopped"), retain=True
        )
        while number not in link.work(POLL_S / 4) and self._clock() < until_s:
            pass

    def _leave_out(self, record: Record | None) -> None:
        if record is None:
            return
        self.refused += 1
        self._reader.acknowledge(record)
        self._log.error(
            "uplink-refused",
            f"the broker closes the connection on record {record.boot}/{record.seq}, which is left out",
            broker=self._broker,
            bytes=len(record.payload),
        )

    def _lost(self, reason: str) -> None:
        self.state, self.failure = "disconnected", reason
        self._log.warning(
            "uplink-disconnected",
            f"{reason}; attempt {self._backoff.attempts + 1}",
            broker=self._broker,
        )
