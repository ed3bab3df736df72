"""Results on their way to the network: what stands in the spool, and that nothing about it delays a sample."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.config import MqttSink
from edge_agent.delivery import Delivery
from edge_agent.errors import EdgeKitError
from edge_agent.records import Event, Prediction
from edge_agent.sinks.spool_sink import SpoolSink
from edge_agent.spool.files import DiskFiles
from edge_agent.spool.reader import SpoolReader

if TYPE_CHECKING:
    from pathlib import Path


def make(folder: Path, **keys: Any) -> SpoolSink:
    """Open a sink whose spool lies in `folder`."""
    return SpoolSink(folder, MqttSink(kind="mqtt", url="mqtt://broker", reserve_mib=0, **keys))


def documents(folder: Path) -> list[dict[str, Any]]:
    """Return what stands in the spool."""
    return [json.loads(record.payload) for record in SpoolReader(DiskFiles(folder)).read(100_000)]


def prediction(index: int) -> Prediction:
    """Make one."""
    return Prediction(index, 1.5, 0, (1.0,), "walk", 1.0)


def test_events_alone_or_everything(tmp_path: Path) -> None:
    """Each event stands behind its prediction, and everything has a date."""
    event = Event(1, 1.5, "walk", None, 0.83)
    for name, keys in (("events", {}), ("all", {"predictions": True})):
        sink = make(tmp_path / name, **keys)
        sink.write([prediction(1), prediction(2)], [event])
        sink.write([prediction(3)], [])
        sink.close()
        assert sink.counters["state"] == "ok"

    (only,) = documents(tmp_path / "events")
    assert (only["type"], only["label"], only["index"]) == ("event", "walk", 1)
    assert only["unix_s"] > 1e9
    assert isinstance(only["clock_synced"], bool)
    assert [(each["type"], each["index"]) for each in documents(tmp_path / "all")] == [
        ("prediction", 1),
        ("event", 1),
        ("prediction", 2),
        ("prediction", 3),
    ]


def test_a_sync_that_hangs_drops_no_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five seconds at 100 Hz wait in the queue while the disk does, and all of it comes to the spool."""
    real, let_go, hangs = os.fdatasync, threading.Event(), threading.Event()
    sink = make(tmp_path, predictions=True)

    def hang(descriptor: int) -> None:
        hangs.set()
        let_go.wait()
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", hang)
    delivery = Delivery([sink], lossless=False)
    for index in range(150):
        delivery.put([prediction(index)], [])
    hangs.wait()
    for index in range(150, 650):
        delivery.put([prediction(index)], [])
    waiting = delivery.counters["waiting"]
    let_go.set()
    delivery.close()

    assert waiting >= 500
    assert delivery.counters["dropped"] == {"predictions": 0, "events": 0}
    assert [document["index"] for document in documents(tmp_path)] == list(range(650))


def test_two_agents_do_not_share_a_spool(tmp_path: Path) -> None:
    """The second is told; when the first has ended, it may."""
    first = make(tmp_path)
    with pytest.raises(EdgeKitError, match="another process is the writer of") as caught:
        make(tmp_path)
    assert caught.value.hint
    first.close()
    make(tmp_path).close()


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    """Is said at the start."""
    (tmp_path / "file").touch()
    with pytest.raises(EdgeKitError, match="cannot open the spool `") as caught:
        make(tmp_path / "file" / "spool")
    assert caught.value.hint
