"""The forwarder on a broker of the test's own: windows, lost connections, a broker that says nothing, a disk that fails."""

from __future__ import annotations

import errno
import json
from typing import Any

from edge_agent.backoff import Backoff
from edge_agent.config import MqttSink
from edge_agent.logs import Log
from edge_agent.spool.reader import SpoolReader
from edge_agent.spool.record import Kind, encode
from edge_agent.spool.recovery import read_cursor
from edge_agent.spool.testing import SimulatedDisk
from edge_agent.spool.writer import SpoolWriter
from edge_agent.testing import ManualClock
from edge_agent.uplink.forwarder import WINDOW, Forwarder
from edge_agent.uplink.link import LinkError
from edge_agent.uplink.messages import Messages


class Broker:
    """Makes links; keeps what arrives. `script`: what happens to each connection in turn."""

    def __init__(self, clock: ManualClock, *script: str) -> None:
        self.clock = clock
        self.script = list(script)
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.most_in_flight = 0
        self.farewells: list[bool] = []

    def link(self) -> Link:
        """Return the next connection."""
        return Link(self, self.script.pop(0) if self.script else "good")


class Link:
    """One connection: `refused`, `silent`, `cut` after five messages, or `good`."""

    def __init__(self, broker: Broker, kind: str) -> None:
        self._broker = broker
        self._kind = kind
        self._number = 0
        self._waiting: list[int] = []

    def open(self) -> None:
        """Connect."""
        if self._kind == "refused":
            raise LinkError("Connection refused")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Take a message."""
        del retain
        self._number += 1
        if self._kind == "cut" and self._number > 5:
            raise LinkError("Connection reset")
        self._broker.received.append((topic, json.loads(payload)))
        self._waiting.append(self._number)
        self._broker.most_in_flight = max(self._broker.most_in_flight, len(self._waiting))
        return self._number

    def work(self, timeout_s: float) -> list[int]:
        """Acknowledge in reverse."""
        self._broker.clock.advance(timeout_s)
        if self._kind == "silent":
            return []
        done, self._waiting = self._waiting[::-1], []
        return done

    def close(self, *, farewell: bool) -> None:
        """Note how it ended."""
        self._broker.farewells.append(farewell)


def run(
    broker: Broker, disk: SimulatedDisk, *, until_s: float = 200.0
) -> tuple[Forwarder, SpoolReader]:
    """Forward for so long."""
    sink = MqttSink(kind="mqtt", url="mqtt://broker", topic="{event}")
    reader = SpoolReader(disk)
    forwarder = Forwarder(
        reader,
        broker.link,
        Messages(sink, name="gait", version="1", device="roof"),
        heartbeat_s=60.0,
        health=lambda facts: encode({"facts": facts}),
        log=Log(None),
        broker="broker:1883",
        backoff=Backoff(draw=lambda: 1.0),
        clock=broker.clock,
    )
    broker.clock.stop_at_s = until_s
    forwarder.run(broker.clock)
    return forwarder, reader


def filled(disk: SimulatedDisk, count: int) -> SpoolWriter:
    """Put so many records."""
    writer = SpoolWriter(disk, quota_bytes=1 << 20, segment_bytes=4096)
    writer.put(
        [(Kind.EVENT, encode({"type": "event", "label": "a", "n": n})) for n in range(count)], 0.0
    )
    return writer


def numbers(broker: Broker) -> list[int]:
    """Return the records in the order in which they came."""
    return [content["n"] for _, content in broker.received if "n" in content]


def test_all_records_in_order_and_windows() -> None:
    """No more at once than the window; what arrived is deleted; a heartbeat each minute; a goodbye."""
    disk, broker = SimulatedDisk(), Broker(ManualClock())
    filled(disk, 500)
    forwarder, reader = run(broker, disk)
    assert numbers(broker) == list(range(500))
    assert broker.most_in_flight <= WINDOW + 1
    assert len([name for name in disk.names() if name.endswith(".seg")]) == 1
    assert sum("facts" in content for _, content in broker.received) == 4
    assert broker.received[-1][1]["link"] == "stopped"
    assert (forwarder.state, broker.farewells, reader.acknowledged) == ("stopped", [True], 500)


def test_lost_connections() -> None:
    """Refused, cut, silent: it begins again with what was not acknowledged, and says what happened in between."""
    disk, broker = SimulatedDisk(), Broker(ManualClock(), "refused", "cut", "silent", "good")
    filled(disk, 20)
    forwarder, reader = run(broker, disk)
    assert sorted(set(numbers(broker))) == list(range(20))
    assert reader.acknowledged == 20
    assert broker.farewells == [False, False, False, True]
    assert forwarder.connections == 3


def test_a_broker_that_says_nothing_is_left() -> None:
    """The reason stands in the facts; nothing is deleted."""
    disk, broker = SimulatedDisk(), Broker(ManualClock(), *["silent"] * 100)
    filled(disk, 20)
    clock = broker.clock
    forwarder, reader = run(broker, disk, until_s=35.0)
    assert clock.now_s >= 35.0
    assert forwarder.connections >= 2
    assert reader.acknowledged == 0
    assert numbers(broker)[:20] == list(range(20))


def test_the_pauses_grow_while_it_is_refused() -> None:
    """1, 2, 4 … 60 seconds, and no more than that."""
    disk, broker = SimulatedDisk(), Broker(ManualClock(), *["refused"] * 1000)
    filled(disk, 1)
    run(broker, disk, until_s=3600.0)
    assert 60 <= len(broker.farewells) <= 70


def test_a_record_that_is_no_message_is_left_out() -> None:
    """One bad record never stops the ones behind it."""
    disk, broker = SimulatedDisk(), Broker(ManualClock())
    writer = filled(disk, 1)
    writer.put([(Kind.EVENT, b"no json"), (Kind.EVENT, b"[1]"), (Kind.EVENT, b'{"n": 1}')], 0.0)
    writer.put([(Kind.EVENT, b"{}")], 0.0)
    forwarder, reader = run(broker, disk)
    assert numbers(broker) == [0, 1]
    assert [topic for topic, content in broker.received if "id" in content] == [
        "a",
        *["record"] * 2,
    ]
    assert (forwarder.unreadable, reader.acknowledged) == (2, 5)


def test_a_disk_that_cannot_be_read_is_tried_again() -> None:
    """The connection is given up for it, the process is not."""

    class FailingDisk(SimulatedDisk):
        failures = 3

        def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
            if name.endswith(".seg") and self.failures:
                self.failures -= 1
                raise OSError(errno.EIO, "Input/output error")
            return super().read(name, offset, size)

    disk, broker = FailingDisk(), Broker(ManualClock())
    filled(disk, 10)
    run(broker, disk)
    assert numbers(broker) == list(range(10))
    assert broker.farewells == [False, False, False, True]


class StrictLink(Link):
    """A connection that the broker closes on a record that is too large for it, whatever came with it."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Take a message."""
        number = super().publish(topic, payload, retain=retain)
        self.closed = getattr(self, "closed", False) or len(payload) > 1000
        return number

    def work(self, timeout_s: float) -> list[int]:
        """Acknowledge what came, unless one of it was too large."""
        done = super().work(timeout_s)
        if getattr(self, "closed", False):
            raise LinkError("The connection was lost.")
        return done


def test_a_record_that_the_broker_closes_the_connection_for_is_left_out() -> None:
    """It is found and counted, and all others arrive, in front of it and behind it."""
    disk, broker = SimulatedDisk(), Broker(ManualClock())
    writer = SpoolWriter(disk, quota_bytes=1 << 20)
    for number in range(40):
        size = 2000 if number in (0, 7, 8, 39) else 10
        document = {"type": "event", "label": "a", "n": number, "filler": "x" * size}
        writer.put([(Kind.EVENT, encode(document))], 0.0)
    broker.link = lambda: StrictLink(broker, "good")  # type: ignore[method-assign]
    forwarder, reader = run(broker, disk, until_s=3600.0)
    assert forwarder.refused == forwarder.facts["refused"] == 4
    assert set(numbers(broker)) == set(range(40))
    assert reader.acknowledged == 40
    assert forwarder.state == "stopped"


def test_a_network_that_ends_every_connection_costs_no_record() -> None:
    """However often: a broker that has acknowledged nothing has refused nothing."""

    class DeadLink(Link):
        def work(self, timeout_s: float) -> list[int]:
            super().work(timeout_s)
            raise LinkError("The connection was lost.")

    disk, broker = SimulatedDisk(), Broker(ManualClock())
    filled(disk, 20)
    dead = [DeadLink(broker, "good") for _ in range(40)]
    good = broker.link
    broker.link = lambda: dead.pop() if dead else good()  # type: ignore[method-assign]
    forwarder, reader = run(broker, disk, until_s=3600.0)
    assert (forwarder.refused, reader.acknowledged, dead) == (0, 20, [])


def test_a_segment_that_the_disk_does_not_give_back_is_passed_over() -> None:
    """After some attempts, and counted; one that may only not be read is waited for."""

    class BadBlock(SimulatedDisk):
        number = errno.EIO

        def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
            if name == bad:
                raise OSError(self.number, "bad")
            return super().read(name, offset, size)

    for number, is_lost in ((errno.EIO, True), (errno.EACCES, False)):
        disk, broker = BadBlock(), Broker(ManualClock())
        disk.number = number
        bad = ""
        filled(disk, 500)
        bad = sorted(name for name in disk.names() if name.endswith(".seg"))[1]
        forwarder, reader = run(broker, disk, until_s=600.0)
        assert (numbers(broker)[-1] == 499) == is_lost
        assert (forwarder.facts["corrupt"], reader.corrupt) == (int(is_lost), int(is_lost))
        assert (bad in disk.names()) == (not is_lost)


def test_what_has_arrived_is_known_while_there_is_no_connection() -> None:
    """Else a spool that fills up meanwhile would count it as lost."""

    class EndingLink(Link):
        """Acknowledges what comes first, then the line is dead."""

        def work(self, timeout_s: float) -> list[int]:
            done = super().work(timeout_s)
            if not done:
                raise LinkError("The connection was lost.")
            return done

    disk, broker = SimulatedDisk(), Broker(ManualClock(), *["refused"] * 100)
    filled(disk, 50)
    links = [EndingLink(broker, "good")]
    refused = broker.link
    broker.link = lambda: links.pop() if links else refused()  # type: ignore[method-assign]
    broker.clock.stop_at_s = 3.0
    forwarder, _ = run(broker, disk, until_s=3.0)
    assert forwarder.state == "stopped"
    cursor = read_cursor(disk)
    assert cursor is not None
    assert cursor.seq == 50
