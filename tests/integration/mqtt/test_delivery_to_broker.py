"""Every record reaches a real broker, whatever happens to the broker, the network and the uplink."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from edge_agent.spool.record import Kind, encode

if TYPE_CHECKING:
    from edge_agent.spool.writer import SpoolWriter
    from tests.integration.mqtt.conftest import Broker, Device, Listener, Proxy

Wait = Callable[[Callable[[], object], str], None]
Make = Callable[..., "Device"]
RECORDS = 2000


def event(number: int, label: str | None = "walk") -> tuple[Kind, bytes]:
    """Return a record as the spool gets it."""
    return Kind.EVENT, encode({"type": "event", "label": label, "number": number})


def put(spool: SpoolWriter, numbers: range) -> None:
    """Put records, and force them to the disk."""
    spool.put([event(number) for number in numbers], time.monotonic())
    spool.sync(time.monotonic())


def test_topics_ids_and_the_heartbeat(
    broker: Broker, listener: Listener, make_device: Make, wait: Wait
) -> None:
    """The topic has the label, the message its id; the heartbeat is retained and says how the agent does."""
    device = make_device(url=f"mqtt://127.0.0.1:{broker.port}", topic="gait/{device}/{event}")
    (device.folder / "status.json").write_text('{"state": "running", "windows": 7, "name": "gait"}')
    spool = device.spool()
    spool.put([event(0), event(1, "a/b#"), event(2, None)], 0.0)
    uplink = device.start()
    wait(lambda: listener.numbers() >= {0, 1, 2}, "the records")
    wait(partial(device.is_reported, uplink), "its report")
    uplink.terminate()
    assert uplink.wait(10) == 0
    wait(lambda: "stopped" in listener.links(), "the farewell")

    records = [message for message in listener.messages if "number" in message[1]]
    assert [topic for topic, _, _ in records] == [
        *("gait/board-7/walk", "gait/board-7/a_b_", "gait/board-7/none")
    ]
    assert [content["id"] for _, content, _ in records] == [
        f"board-7/{spool.boot}/{seq}" for seq in (1, 2, 3)
    ]
    topic, heartbeat, _ = next(message for message in listener.messages if "agent" in message[1])
    assert topic == "edgekit/gait/board-7/status"
    assert heartbeat["link"] == "online"
    assert (heartbeat["agent"]["state"], heartbeat["agent"]["windows"]) == ("running", 7)
    assert len(heartbeat["agent"]["release"]) == 64
    late = type(listener)(broker.port)
    wait(lambda: late.messages, "what the broker has retained")
    late.close()
    assert [(content["link"], retained) for _, content, retained in late.messages] == [
        ("stopped", True)
    ]


def test_a_killed_uplink_leaves_its_last_will(
    broker: Broker, listener: Listener, make_device: Make, wait: Wait
) -> None:
    """Whoever watches learns that the device is gone."""
    uplink = make_device(url=f"mqtt://127.0.0.1:{broker.port}").start()
    wait(lambda: "online" in listener.links(), "the heartbeat")
    uplink.kill()
    wait(lambda: "offline" in listener.links(), "the Last Will")


def test_every_record_arrives_over_a_bad_network(
    proxy: Proxy, listener: Listener, make_device: Make, wait: Wait
) -> None:
    """Cut, refused, slow, cut again: nothing is missing, and what comes twice has its id twice."""
    device = make_device(url=f"mqtt://127.0.0.1:{proxy.port}")
    spool = device.spool()
    device.start()
    for number in range(0, RECORDS, 200):
        put(spool, range(number, number + 200))
        wait(partial(listener.has_more_than, number), "some of the records")
        if number == 600:
            proxy.mode = "slow"
        elif number == 800:
            proxy.mode = "pass"
        elif number == 1200:
            proxy.mode = "refuse"
            proxy.cut()
            proxy.accepted = 0
            wait(lambda: proxy.accepted > 1, "attempts that are refused")
            proxy.mode = "pass"
        else:
            proxy.cut()
    wait(lambda: len(listener.numbers()) == RECORDS, "all records")

    check_ids(listener)


def test_every_record_arrives_though_the_broker_dies(
    broker: Broker, proxy: Proxy, listener: Listener, make_device: Make, wait: Wait
) -> None:
    """A broker that was killed under load and comes back empty gets the rest."""
    device = make_device(url=f"mqtt://127.0.0.1:{proxy.port}")
    spool = device.spool()
    device.start()
    for turn in range(3):
        put(spool, range(turn * 700, turn * 700 + 700))
        wait(partial(listener.has_more_than, turn * 700), "some of the records")
        broker.kill()
        proxy.mode = (
            "refuse"  # until the listener is back: it would miss what the new broker forgets
        )
        listener.subscriptions = 0
        broker.start()
        wait(lambda: listener.subscriptions, "the subscription")
        proxy.mode = "pass"
    wait(lambda: len(listener.numbers()) == 2100, "all records")

    check_ids(listener)


def test_every_record_arrives_though_the_uplink_is_killed(
    broker: Broker, listener: Listener, make_device: Make, wait: Wait
) -> None:
    """Killed at any moment, it goes on from what was acknowledged."""
    device = make_device(url=f"mqtt://127.0.0.1:{broker.port}")
    spool = device.spool(segment_bytes=4096)
    random = Random(5)
    for turn in range(6):
        put(spool, range(turn * 300, turn * 300 + 300))
        uplink = device.start()
        wait(partial(listener.has_more_than, turn * 300), "some of the records")
        time.sleep(random.random() * 0.05)
        uplink.kill()
        uplink.wait()
    uplink = device.start()
    wait(lambda: len(listener.numbers()) == 1800, "all records")
    wait(partial(device.is_reported, uplink), "its report")
    uplink.terminate()
    assert uplink.wait(10) == 0

    check_ids(listener)
    again = len(listener.ids())
    uplink = device.start()
    wait(partial(device.is_reported, uplink), "the next start")
    wait(lambda: listener.links()[-1] == "online", "its heartbeat")
    uplink.terminate()
    uplink.wait()
    assert len(listener.ids()) == again, "what was acknowledged is not sent again"


def test_a_black_hole_ends_with_the_network(
    proxy: Proxy, listener: Listener, make_device: Make, wait: Wait
) -> None:
    """An uplink that hangs in one is ended in time, and the next one delivers."""
    device = make_device(url=f"mqtt://127.0.0.1:{proxy.port}")
    spool = device.spool()
    proxy.mode = "black-hole"
    put(spool, range(50))
    uplink = device.start()
    wait(lambda: proxy.accepted, "the connection")
    uplink.terminate()
    assert uplink.wait(10) == 0
    proxy.mode = "pass"
    device.start()
    wait(lambda: len(listener.numbers()) == 50, "all records")


def test_the_uplink_ends_with_the_agent(make_device: Make, wait: Wait) -> None:
    """However the agent ends, its end of the pipe closes."""
    device = make_device(url="mqtt://127.0.0.1:1")
    device._command.append("--with-parent")
    uplink = device.start(stdin=-1)
    wait(lambda: device.report.get("link") == "disconnected", "the first attempt")
    assert uplink.poll() is None
    assert uplink.stdin is not None
    uplink.stdin.close()
    assert uplink.wait(10) == 0


def test_two_uplinks_do_not_share_a_spool(make_device: Make, wait: Wait) -> None:
    """The second one says so and ends."""
    device = make_device(url="mqtt://127.0.0.1:1")
    first = device.start()
    wait(lambda: device.report.get("link") == "disconnected", "the first uplink")
    assert device.start().wait(30) == 1
    assert "another process is the reader" in device.log
    first.terminate()
    assert first.wait(10) == 0


def check_ids(listener: Listener) -> None:
    """One id stands for one record, so that whoever receives it twice can tell."""
    by_id: dict[str, set[str]] = {}
    ids_of: dict[int, set[str]] = {}
    for _, content, _ in listener.messages:
        if "id" in content:
            by_id.setdefault(content["id"], set()).add(json.dumps(content, sort_keys=True))
            ids_of.setdefault(content["number"], set()).add(content["id"])
    assert all(len(contents) == 1 for contents in by_id.values())
    assert all(len(ids) == 1 for ids in ids_of.values())
