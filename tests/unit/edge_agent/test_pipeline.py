"""The loop: results in order, accounts that add up, and an orderly end whatever happens."""

from __future__ import annotations

import json
import math
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.config import Columns, Decision, Output
from edge_agent.delivery import Delivery
from edge_agent.errors import ConfigError, DataError, EdgeKitError
from edge_agent.pipeline import Pipeline
from edge_agent.records import Block
from edge_agent.sources.replay import ReplaySource
from edge_agent.status import StatusFile
from edge_agent.testing import (
    FakeMemory,
    FakeStream,
    ListSink,
    ListSource,
    ManualClock,
    no_memory,
    pack_samples,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edge_agent.config import AgentConfig
    from edge_agent.records import Begin, Event, Prediction

    Make = Callable[..., AgentConfig]


def block(
    samples: Sequence[tuple[float, float]], begin: Begin = "", time_s: float = 0.0, row: int = 0
) -> Block:
    """Make a block of samples 20 ms apart."""
    return Block(pack_samples(samples), len(samples), time_s, 0.02, begin, first_row=row)


def pipeline(
    config: AgentConfig, source: object, sink: ListSink | None = None, **options: object
) -> Pipeline:
    """Make a pipeline on fakes."""
    stream = options.pop("stream", None) or FakeStream(
        config.input.window, config.input.hop, len(config.input.channels)
    )
    options = {"memory": no_memory, "clock": ManualClock(), **options}
    sinks = options.pop("sinks", [sink] if sink else [])
    delivery = Delivery(sinks, lossless=True, status=options.pop("status", None))  # type: ignore[arg-type]
    return Pipeline(config, stream, source, delivery, **options)  # type: ignore[arg-type]


def test_predictions_know_where_they_come_from(agent_config: Make) -> None:
    """Number, time and row of the window's last sample, label and score."""
    blocks = [block([(0, 1)] * 3, "start", 0.0, row=2), block([(0, 1)] * 3, "", 0.06, row=5)]
    sink = ListSink()

    facts = pipeline(agent_config(), ListSource(blocks), sink).run(ManualClock())

    assert [(p.index, p.row, p.label, p.score) for p in sink.predictions] == [
        (0, 5, "high", 1.0),
        (1, 7, "high", 1.0),
    ]
    assert [p.time_s for p in sink.predictions] == pytest.approx([0.06, 0.10])
    assert [(event.index, event.label) for event in sink.events] == [(0, "high")]
    assert (facts.windows, facts.predictions, facts.events) == (2, {"high": 2}, 1)
    assert sink.closed


def test_no_window_spans_a_break(agent_config: Make) -> None:
    """What waited for a window when a segment ended is dropped under the name of what ended it."""
    blocks = [
        block([(0, 1)] * 3, "start"),
        block([(0, 1)] * 5, "gap"),
        block([(0, 1)] * 1, "group"),
    ]

    samples = pipeline(agent_config(), ListSource(blocks)).run(ManualClock()).samples

    assert samples.dropped == {"cut_by_gap": 3, "cut_by_group": 1}
    assert (samples.windowed, samples.pending) == (4, 1)
    assert samples.accounted


def test_the_decision_starts_anew_after_a_break(agent_config: Make) -> None:
    """Agreement does not reach over a gap; a new group has a state of its own."""
    blocks = [
        block([(0, 1)] * 4, "start"),
        block([(0, 1)] * 4, "gap"),
        block([(0, 1)] * 6, "gap"),
        block([(0, 1)] * 6, "group"),
    ]
    sink = ListSink()
    pipeline(agent_config(decision=Decision(hold=2)), ListSource(blocks), sink).run(ManualClock())

    assert [(event.index, event.previous, event.label) for event in sink.events] == [
        (3, None, "high"),
        (5, None, "high"),
    ]


def test_outputs_that_are_not_finite_are_counted(agent_config: Make) -> None:
    """They are predictions without a label, and make no event."""
    config = agent_config()
    stream = FakeStream(4, 2, 2, model=lambda _: (math.nan, 1.0))
    sink = ListSink()
    facts = pipeline(config, ListSource([block([(0, 1)] * 8, "start")]), sink, stream=stream).run(
        ManualClock()
    )

    assert (facts.nonfinite_outputs, facts.predictions, facts.unlabelled) == (3, {}, 3)
    assert facts.events == 0
    assert json.dumps(facts.to_json(), allow_nan=False)


def test_values_are_predictions_without_a_label(agent_config: Make) -> None:
    """A regression is counted without a label, and its value is its score where it has one."""
    config = agent_config(output=Output(kind="value"), labels=())
    sink = ListSink()
    pipeline(config, ListSource([block([(2, 3)] * 4, "start")]), sink).run(ManualClock())

    assert [(p.label, p.score, p.values) for p in sink.predictions] == [(None, None, (2.0, 3.0))]


def test_a_stream_of_another_shape_is_refused(agent_config: Make) -> None:
    """Accounts of windows that are not the configured ones would be lies."""
    with pytest.raises(ConfigError, match="window"):
        pipeline(agent_config(), ListSource([]), stream=FakeStream(5, 2, 2))


rows = st.lists(
    st.one_of(
        st.integers(1, 12).map(lambda count: ["good"] * count),
        st.sampled_from(
            [["bad"], ["ragged"], ["gap"], ["group"], ["back"], ["badtime"], ["blank"], ["far"]]
        ),
    ),
    max_size=20,
).map(lambda runs: [kind for run in runs for kind in run])


def recording(kinds: list[str]) -> str:
    """Write a recording with a row of each kind."""
    time_s, group, lines = 100.0, 0, ["time_s,ax,ay,subject"]
    for kind in kinds:
        time_s += {"gap": 1.0, "back": -5.0}.get(kind, 0.02)
        group += kind == "group"
        good = f"{time_s:.2f},1,2,{group}"
        lines.append(
            {
                "bad": f"{time_s:.2f},,2,{group}",
                "far": f"{time_s:.2f},1e39,2,{group}",
                "ragged": "1,2",
                "badtime": f"soon,1,2,{group}",
                "blank": "",
            }.get(kind, good)
        )
    return "\n".join(lines) + "\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=rows,
    window=st.integers(1, 9),
    hop=st.integers(1, 14),
    hold=st.booleans(),
    beat=st.sampled_from([1.0, 60.0, math.inf]),
)
def test_every_sample_is_accounted_for(  # noqa: PLR0913, PLR0917 (what the property is over)
    agent_config: Make,
    tmp_path: Path,
    kinds: list[str],
    window: int,
    hop: int,
    hold: bool,
    beat: float,
) -> None:
    """Any recording, window, hop and pace: read = in windows + dropped + skipped + pending."""
    config = agent_config(window=window, hop=hop, on_bad="hold" if hold else "drop")
    path = tmp_path / "walk.csv"
    path.write_text(recording(["good", *kinds]))
    clock = ManualClock()
    source = ReplaySource(path, config.input, Columns(), speed=beat, clock=clock)
    facts = pipeline(config, source, clock=clock).run(clock)

    samples = facts.samples
    assert samples.read == 1 + sum(kind != "blank" for kind in kinds)
    assert samples.accounted, samples
    assert facts.windows == sum(facts.predictions.values()) + facts.unlabelled
    assert "=" in facts.to_text().splitlines()[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=rows, stop_at_s=st.floats(0, 3))
def test_a_stop_loses_no_sample(
    agent_config: Make, tmp_path: Path, kinds: list[str], stop_at_s: float
) -> None:
    """Stopped at any moment, the accounts of what was read add up."""
    config = agent_config()
    path = tmp_path / "walk.csv"
    path.write_text(recording(["good", *kinds]))
    clock = ManualClock(stop_at_s=stop_at_s)
    source = ReplaySource(path, config.input, Columns(), clock=clock)
    samples = pipeline(config, source, clock=clock).run(clock).samples

    assert samples.accounted, samples


class BrokenSink(ListSink):
    """A sink on a full disk."""

    def write(self, predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """Fail as soon as there is something to write."""
        super().write(predictions, events)
        if predictions:
            raise EdgeKitError("cannot write to `out.jsonl`: No space left on device")


def test_a_sink_that_fails_ends_the_run_in_good_order(agent_config: Make, tmp_path: Path) -> None:
    """The error comes through, the other sinks are closed, the status says why."""
    broken, other = BrokenSink(), ListSink()
    status = tmp_path / "status.json"
    runs = pipeline(
        agent_config(),
        ListSource([block([(0, 1)] * 4, "start")]),
        sinks=[broken, other],
        status=StatusFile(status),
    )

    with pytest.raises(EdgeKitError, match="No space"):
        runs.run(ManualClock())
    assert broken.closed
    assert other.closed
    written = json.loads(status.read_text())
    assert (written["state"], written["error"]) == (
        "failed",
        "cannot write to `out.jsonl`: No space left on device",
    )


def test_a_source_that_fails_is_told_in_the_status(agent_config: Make, tmp_path: Path) -> None:
    """A recording without the channels: the status names the error."""
    config = agent_config()
    (tmp_path / "walk.csv").write_text("az\n1\n")
    source = ReplaySource(tmp_path / "walk.csv", config.input, Columns())
    status = tmp_path / "status.json"

    with pytest.raises(DataError):
        pipeline(config, source, status=StatusFile(status)).run(ManualClock())
    assert "no column `ax`" in json.loads(status.read_text())["error"]


def test_status_is_written_once_a_second(agent_config: Make) -> None:
    """At the start, each second while the source is silent too, and at the end."""
    clock = ManualClock()
    written = []

    tried = threading.Semaphore(0)

    class Status(StatusFile):
        def __init__(self) -> None:
            """Write nowhere."""

        def write(self, status: dict[str, object]) -> None:
            written.append(status["uptime_s"])
            tried.release()

    def silence() -> Iterator[None]:
        for eighth in range(29):
            if eighth % 8 == 0:
                assert tried.acquire(timeout=10)  # another thread writes
            clock.advance(0.125)
            yield None

    pipeline(agent_config(), ListSource(silence()), clock=clock, status=Status()).run(clock)
    assert written == [0.0, 1.0, 2.0, 3.0, 3.625]


def test_the_status_tells_everything(agent_config: Make, tmp_path: Path) -> None:
    """The keys that watchers rely on."""
    status = tmp_path / "run" / "status.json"
    pipeline(
        agent_config(), ListSource([block([(0, 1)] * 4, "start")]), status=StatusFile(status)
    ).run(ManualClock())

    written = json.loads(status.read_text())
    assert written["samples"] == {
        "read": 4,
        "windowed": 4,
        "dropped": {},
        "skipped": 0,
        "shed": 0,
        "pending": 0,
        "held": 0,
        "clipped": 0,
        "marked": 0,
        "accounted": True,
    }
    assert written["engine_live_bytes"] == FakeMemory().live_bytes
    assert written["rss_bytes"] > 1_000_000
    assert written["cpu_share"] >= 0
    assert {
        "uptime_s",
        "windows",
        "predictions",
        "events",
        "latency_p50_us",
        "latency_p99_us",
        "state",
    } <= set(written)
    assert [path.name for path in status.parent.iterdir()] == ["status.json"]


class Forgetful(FakeStream):
    """A stream that loses samples."""

    @property
    def pending(self) -> int:
        """Return nothing, whatever waits."""
        return 0


def test_accounts_that_do_not_add_up_are_shown(agent_config: Make) -> None:
    """The sum is computed from what was counted, not made to fit."""
    facts = pipeline(
        agent_config(), ListSource([block([(0, 1)] * 3, "start")]), stream=Forgetful(4, 2, 2)
    ).run(ManualClock())

    assert facts.to_json()["samples"]["accounted"] is False
    assert "≠" in facts.to_text()


def test_latency_is_of_one_inference(agent_config: Make) -> None:
    """A push that completes several windows is divided among them."""
    clock = ManualClock()

    def slow(window: list[tuple[float, ...]]) -> tuple[float, float]:
        clock.advance(0.001)
        return (0.0, float(len(window)))

    stream = FakeStream(4, 2, 2, model=slow)
    facts = pipeline(
        agent_config(), ListSource([block([(0, 1)] * 10, "start")]), stream=stream, clock=clock
    ).run(clock)

    assert facts.latency_p50_us == pytest.approx(1000, rel=0.05)
    assert facts.latency_p99_us == pytest.approx(1000, rel=0.05)


def test_a_label_may_be_called_none(agent_config: Make) -> None:
    """A class of that name is not confused with having no label."""
    config = agent_config(labels=("none", "high"))
    stream = FakeStream(4, 2, 2, model=lambda window: (window[0][0], 0.5))
    samples = [(1, 0)] * 4 + [(math.nan, 0)] * 4
    facts = pipeline(config, ListSource([block(samples, "start")]), stream=stream).run(
        ManualClock()
    )

    assert (facts.predictions, facts.unlabelled) == ({"none": 2}, 1)
    assert "3 predictions: none 2, without a label 1 (1 with" in facts.to_text()


def test_a_stop_leaves_the_rest_of_a_slow_block(agent_config: Make) -> None:
    """A block of 256 samples is half a minute for this model; a stop does not wait for it."""
    clock = ManualClock(stop_at_s=1.0)

    def slow(_window: list[tuple[float, ...]]) -> tuple[float, float]:
        clock.advance(0.25)
        return (0.0, 1.0)

    stream = FakeStream(4, 2, 2, model=slow)
    runs = pipeline(
        agent_config(), ListSource([block([(0, 1)] * 256, "start")]), stream=stream, clock=clock
    )
    facts = runs.run(clock)

    assert clock() < 1.5
    assert facts.samples.dropped["cut_by_stop"] > 200
    assert facts.samples.accounted


def test_a_fast_model_gets_whole_blocks(agent_config: Make) -> None:
    """Small pushes are for slow models."""
    pushed: list[int] = []

    class Counting(FakeStream):
        def push(self, samples: bytes, *, infer: bool = True) -> list[tuple[int, bytes]]:
            pushed.append(len(samples) // 8)
            return super().push(samples, infer=infer)

    blocks = [block([(0, 1)] * 256, "start"), *[block([(0, 1)] * 256)] * 3]
    pipeline(agent_config(), ListSource(blocks), stream=Counting(4, 2, 2)).run(ManualClock())

    assert pushed[-2:] == [256, 256]


class FullDisk(StatusFile):
    """A status that can be written for a while, then not, then again."""

    def __init__(self, path: Path, fails: Callable[[int], bool]) -> None:
        super().__init__(path)
        self._fails = fails
        self._asked = 0
        self.tried = threading.Semaphore(0)
        """Released with every attempt: the status is written by another thread."""

    def write(self, status: dict[str, object]) -> None:
        """Fail when it is time to."""
        self._asked += 1
        self.tried.release()
        if self._fails(self._asked - 1):
            raise EdgeKitError("cannot write the status to `status.json`: No space left on device")
        super().write(status)


def test_a_disk_that_fills_up_does_not_end_the_agent(agent_config: Make, tmp_path: Path) -> None:
    """Only the first status must be written; later failures are counted in one note."""
    clock = ManualClock()

    def source() -> Iterator[Block | None]:
        for _ in range(3):
            assert status.tried.acquire(timeout=10)
            clock.advance(2)
            yield None
        assert status.tried.acquire(timeout=10)
        yield block([(0, 1)] * 4, "start")

    status = FullDisk(tmp_path / "status.json", lambda number: number > 0)
    facts = pipeline(agent_config(), ListSource(source()), clock=clock, status=status).run(clock)

    assert facts.windows == 1
    assert facts.notes == (
        "cannot write the status to `status.json`: No space left on device (so far 4 times in a row)",
    )


def test_space_that_comes_back_clears_the_note(agent_config: Make, tmp_path: Path) -> None:
    """What could be written again is no longer worth a word."""
    clock = ManualClock()

    def source() -> Iterator[None]:
        for _ in range(2):
            assert status.tried.acquire(timeout=10)
            clock.advance(2)
            yield None

    status = FullDisk(tmp_path / "status.json", lambda number: number == 1)
    facts = pipeline(agent_config(), ListSource(source()), clock=clock, status=status).run(clock)

    assert facts.notes == ()


def test_a_first_status_that_cannot_be_written_ends_the_run(
    agent_config: Make, tmp_path: Path
) -> None:
    """A wrong path is said at once."""
    status = FullDisk(tmp_path / "status.json", lambda number: number == 0)

    with pytest.raises(EdgeKitError, match="No space"):
        pipeline(agent_config(), ListSource([]), status=status).run(ManualClock())
