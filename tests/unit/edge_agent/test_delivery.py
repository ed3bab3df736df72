"""The queue to the sinks: it keeps order, drops what matters least, and nothing behind it delays the hot loop."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

from edge_agent.delivery import BATCH, Delivery
from edge_agent.errors import EdgeKitError
from edge_agent.records import Event, Prediction
from edge_agent.status import StatusFile
from edge_agent.testing import ListSink

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def prediction(index: int) -> Prediction:
    """Make one."""
    return Prediction(index, 0.0, 0, (1.0,), "walk", 1.0)


def event(index: int) -> Event:
    """Make one."""
    return Event(index, 0.0, "walk", None, 1.0)


def put_all(delivery: Delivery, count: int) -> None:
    """Put so many predictions, one by one."""
    for index in range(count):
        delivery.put([prediction(index)], [])


class StuckSink(ListSink):
    """Waits within `write`, as for a disk, until it is let go."""

    prompt = True

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def write(self, predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """Wait, then keep the records."""
        self.entered.set()
        self.let_go.wait()
        super().write(predictions, events)


class NoticedSink(ListSink):
    """Tells when it was written to."""

    prompt = False

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """Keep the records."""
        super().write(predictions, events)
        self.written.set()


class FailingSink(ListSink):
    """Fails so many times."""

    kind = "failing"
    prompt = True

    def __init__(self, times: int, failure: Exception) -> None:
        super().__init__()
        self.times = times
        self.failure = failure

    def write(self, predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """Fail, or keep the records."""
        if self.times:
            self.times -= 1
            raise self.failure
        super().write(predictions, events)


def test_all_sinks_get_everything_in_order() -> None:
    """And are closed when it ends."""
    sinks = [ListSink(), ListSink()]
    delivery = Delivery(sinks, lossless=True, capacity=3)
    for index in range(100):
        delivery.put([prediction(index)], [event(index)] if index % 10 == 0 else [])
    delivery.close()

    for sink in sinks:
        assert [each.index for each in sink.predictions] == list(range(100))
        assert [each.index for each in sink.events] == list(range(0, 100, 10))
        assert sink.closed
    assert delivery.counters["delivered"] == 110


@pytest.mark.parametrize("news", ["event", "status", "batch", "end"])
def test_predictions_wait_for_company(news: str) -> None:
    """The thread is woken for what happens, for the status and for many of them; then each has all that came before."""
    sink = NoticedSink()
    delivery = Delivery([sink], lossless=False)
    put_all(delivery, BATCH - 1)
    assert not sink.written.wait(0.1)
    assert delivery.counters["waiting"] == BATCH - 1
    if news == "event":
        delivery.put([], [event(0)])
    elif news == "status":
        delivery.status({})
    elif news == "batch":
        delivery.put([prediction(BATCH - 1)], [])
    else:
        delivery.close()
    assert sink.written.wait(60)
    delivery.close()
    assert len(sink.predictions) == BATCH - (news != "batch")


def test_a_sink_that_is_watched_gets_predictions_at_once() -> None:
    """As a terminal is."""
    sink = NoticedSink()
    sink.prompt = True
    delivery = Delivery([sink], lossless=False)
    delivery.put([prediction(0)], [])
    assert sink.written.wait(60)
    delivery.close()


def test_a_sink_that_hangs_delays_no_sample() -> None:
    """`put` returns while the disk hangs; what fits is kept, all of it comes in the end."""
    sink = StuckSink()
    delivery = Delivery([sink], lossless=False)
    delivery.put([prediction(0)], [])
    sink.entered.wait()
    for index in range(1, 500):  # five seconds at 100 Hz
        delivery.put([prediction(index)], [])
        delivery.status({"index": index})
    assert delivery.counters["waiting"] == 499
    sink.let_go.set()
    delivery.close()

    assert [each.index for each in sink.predictions] == list(range(500))
    assert delivery.counters["dropped"] == {"predictions": 0, "events": 0}


def test_predictions_give_way_before_events() -> None:
    """The oldest of them first; events only when nothing else is left."""
    sink = StuckSink()
    delivery = Delivery([sink], lossless=False, capacity=10)
    delivery.put([], [])
    sink.entered.wait()
    for index in range(8):
        delivery.put([prediction(index)], [event(index)])
    assert delivery.counters["dropped"] == {"predictions": 6, "events": 0}
    delivery.put([], [event(index) for index in range(8, 13)])
    assert delivery.counters["dropped"] == {"predictions": 8, "events": 3}
    sink.let_go.set()
    delivery.close()

    assert not sink.predictions
    assert [each.index for each in sink.events] == list(range(3, 13))


def test_a_recording_waits_for_a_slow_sink() -> None:
    """Lossless means that a full queue holds up the one that fills it."""
    sink = StuckSink()
    delivery = Delivery([sink], lossless=True, capacity=2)
    delivery.put([], [])
    sink.entered.wait()
    filler = threading.Thread(target=put_all, args=(delivery, 20))
    filler.start()
    filler.join(0.2)
    assert filler.is_alive()
    assert delivery.counters["waiting"] == 2
    sink.let_go.set()
    filler.join()
    delivery.close()
    assert len(sink.predictions) == 20


@pytest.mark.parametrize(
    "failure", [EdgeKitError("no space"), BrokenPipeError(), ValueError("bug")]
)
def test_a_failure_reaches_the_hot_loop(failure: Exception) -> None:
    """The very exception, at the next `put` or at `close`; the other sinks are closed all the same."""
    other = ListSink()
    delivery = Delivery([FailingSink(1, failure), other], lossless=True)
    with pytest.raises(type(failure)) as caught:
        put_all(delivery, 100_000)
    assert caught.value is failure is delivery.failure
    delivery.close()
    assert other.closed

    quick = Delivery([FailingSink(1, failure)], lossless=True)
    quick.put([prediction(0)], [])
    with pytest.raises(type(failure)):
        quick.close()


def test_a_live_run_outlives_a_full_disk() -> None:
    """The sink is tried again; what it lost is counted under its name, the other sinks lose nothing."""
    sink, other = FailingSink(1, EdgeKitError("no space left")), ListSink()
    delivery = Delivery([sink, other], lossless=False)
    delivery.put([prediction(0)], [event(0)])
    while delivery.counters["delivered"] < 2:
        pass
    delivery.put([prediction(1)], [])
    delivery.close()

    assert [each.index for each in sink.predictions] == [1]
    assert [each.index for each in other.predictions] == [0, 1]
    assert delivery.counters["refused"] == {"failing": 2}
    assert delivery.refusal == "no space left"


def test_the_status_is_written_and_the_latest_counts(tmp_path: Path) -> None:
    """Also the last one before the end."""
    path = tmp_path / "status.json"
    delivery = Delivery([], lossless=False, status=StatusFile(path))
    for index in range(20):
        delivery.status({"index": index})
    delivery.close()
    assert json.loads(path.read_text()) == {"index": 19}


def test_a_status_that_cannot_be_written_ends_the_run_at_its_start(tmp_path: Path) -> None:
    """Later it is only noted."""
    (tmp_path / "file").touch()
    delivery = Delivery([], lossless=False, status=StatusFile(tmp_path / "file" / "status.json"))
    delivery.status({})
    with pytest.raises(EdgeKitError, match="cannot write the status"):
        delivery.close()

    folder = tmp_path / "folder"
    delivery = Delivery([], lossless=False, status=StatusFile(folder / "status.json"))
    delivery.status({})
    while not (folder / "status.json").exists():
        pass
    (folder / "status.json").unlink()
    folder.rmdir()
    folder.touch()
    delivery.status({})
    delivery.close()
    assert delivery.status_failures == 1
    assert "cannot write the status" in delivery.status_failure


def test_closing_gives_up_on_a_disk_that_hangs() -> None:
    """Whoever may hurry is asked to; the process may end."""
    sink = StuckSink()
    hurried: list[bool] = []
    sink.hurry = lambda: hurried.append(True)  # type: ignore[attr-defined]
    delivery = Delivery([sink], lossless=False)
    delivery.put([], [event(0)])
    sink.entered.wait()
    delivery.close(timeout_s=0.05)
    assert hurried == [True]
    assert not sink.closed
    sink.let_go.set()


def test_keepers_are_looked_after() -> None:
    """They are ticked like sinks, and closed behind them."""
    order: list[str] = []
    ticked = threading.Event()

    class Keeper:
        kind = "uplink"
        counters = {"starts": 1}  # noqa: RUF012 (a fake)

        def tick(self, now_s: float) -> None:
            del now_s
            ticked.set()

        def close(self) -> None:
            order.append("keeper")

    sink = ListSink()
    sink.close = lambda: order.append("sink")  # type: ignore[method-assign]
    delivery = Delivery([sink], lossless=False, keepers=[Keeper()])
    ticked.wait()
    delivery.close()
    assert order == ["sink", "keeper"]
    assert delivery.counters["uplink"] == {"starts": 1}


def test_nobody_wakes_it_for_nothing() -> None:
    """Without a part that is to be ticked the thread sleeps until something is put."""
    turns = 0

    def clock() -> float:
        nonlocal turns
        turns += 1
        return 0.0

    delivery = Delivery([ListSink()], lossless=False, clock=clock)
    before = turns
    time.sleep(0.5)  # five ticks, if there were any

    assert turns == before
    delivery.close()
