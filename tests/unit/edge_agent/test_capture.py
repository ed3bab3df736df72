"""A run that is recorded and run again is the same run."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.capture import Capture, CaptureWriter, is_capture
from edge_agent.delivery import Delivery
from edge_agent.errors import ConfigError, DataError, EdgeKitError
from edge_agent.pipeline import Pipeline
from edge_agent.records import Block, SampleCounts
from edge_agent.sinks.jsonl import JsonlSink
from edge_agent.testing import (
    DrawnPace,
    FakeStream,
    ListSource,
    ManualClock,
    no_memory,
    pack_samples,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edge_agent.config import AgentConfig
    from edge_agent.records import Begin
    from edge_agent.summary import Facts

    Make = Callable[..., AgentConfig]

blocks = st.lists(
    st.one_of(
        st.none(),
        st.tuples(
            st.sampled_from(["", "", "gap", "bad", "group", "backwards"]),
            st.lists(
                st.tuples(st.floats(width=32), st.floats(-1, 1, width=32)), min_size=1, max_size=9
            ),
            st.booleans(),
            st.booleans(),
        ),
    ),
    max_size=12,
)


def made(drawn: Sequence[Any], clock: ManualClock) -> Iterator[Block | None]:
    """Make blocks, a second or none of time between them."""
    number = 0
    begin: Begin = "start"
    for item in drawn:
        clock.advance(1.0)
        if item is None:
            yield None
            continue
        how, samples, stamped, marked = item
        count = len(samples)
        yield Block(
            samples=pack_samples(samples),
            count=count,
            time_s=1e9 + number / 3,
            period_s=1 / 3,
            begin=begin or how,
            times_s=tuple(1e9 + (number + i) / 3 for i in range(count)) if stamped else (),
            first_row=number + 2,
            group="left" if how == "group" else None,
            marked=(0,) if marked else (),
        )
        number, begin = number + count, ""


def run(
    config: AgentConfig, source: Any, clock: ManualClock, out: Path, **options: Any
) -> tuple[bytes, Facts]:
    """Run a pipeline into a file; return the file and the accounts."""
    out.unlink(missing_ok=True)
    delivery = Delivery([JsonlSink(out)], lossless=True)
    stream = FakeStream(config.input.window, config.input.hop, 2)
    pipeline = Pipeline(config, stream, source, delivery, memory=no_memory, clock=clock, **options)
    facts = pipeline.run(clock)
    return out.read_bytes(), facts


def replayed(config: AgentConfig, path: Path, out: Path) -> tuple[bytes, Facts]:
    """Run a recorded run again."""
    capture = Capture(path, config)
    return run(config, capture, ManualClock(), out, pace=capture)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=blocks,
    admitted=st.lists(st.booleans()),
    levels=st.lists(st.sampled_from(["full", "hop-x2", "skip", "pause"])),
    stop_at_s=st.floats(1, 20),
)
def test_the_records_are_equal_byte_for_byte(  # noqa: PLR0913, PLR0917 (what the property is over)
    agent_config: Make,
    tmp_path: Path,
    drawn: list[Any],
    admitted: list[bool],
    levels: list[str],
    stop_at_s: float,
) -> None:
    """Gaps, marks, levels, windows that were not computed, a stop at any moment: all of it comes again."""
    config = agent_config(window=3, hop=2)
    path, out = tmp_path / "run.jsonl", tmp_path / "out.jsonl"
    clock = ManualClock(stop_at_s=stop_at_s)
    source = ListSource(made(drawn, clock))
    source.counts.drop("bad_value", 2)
    source.counts.read = 2
    source.counts.held, source.counts.clipped, source.counts.marked = 3, 4, 5
    first, told = run(
        config,
        source,
        clock,
        out,
        pace=DrawnPace(admitted, levels),
        capture=CaptureWriter(path, config),
    )
    again, facts = replayed(config, path, out)

    assert again == first
    assert facts.samples.accounted
    assert facts.samples.dropped["bad_value"] == 2
    assert (facts.samples.held, facts.samples.clipped, facts.samples.marked) == (3, 4, 5)
    assert (facts.windows, facts.shed_windows) == (told.windows, told.shed_windows)
    assert facts.level == told.level


def recorded(config: AgentConfig, path: Path) -> None:
    """Record a run of three segments."""
    clock = ManualClock()
    samples = [(float(i), 1.0) for i in range(9)]
    drawn = [("", samples, False, False), ("gap", samples, False, False)] * 2
    run(
        config,
        ListSource(made(drawn, clock)),
        clock,
        path.with_name("out.jsonl"),
        pace=DrawnPace([True, False] * 9, ["full", "hop-x2"]),
        capture=CaptureWriter(path, config),
    )


def test_a_torn_end_costs_the_last_line(agent_config: Make, tmp_path: Path) -> None:
    """Cut at any byte of the last lines, all before it is replayed, and a note says what is missing."""
    path = tmp_path / "run.jsonl"
    recorded(agent_config(), path)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    end = len(whole) - len(lines[-1]) - len(lines[-2])
    for size in range(end, len(whole)):
        path.write_bytes(whole[:size])
        _, facts = replayed(agent_config(), path, tmp_path / "again.jsonl")

        torn = not whole[:size].endswith(b"\n")
        assert any("broke off" in note for note in facts.notes) == torn
        assert facts.samples.read >= 18


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[]",
        b"{}",
        b'{"samples":"AAAA","time_s":0,"period_s":1}',
        b'{"samples":"!","time_s":0,"period_s":1}',
        b'{"samples":5,"time_s":0,"period_s":1}',
        b'{"level":"pause"}',
        b'{"dropped":5}',
        b'{"samples":"AAAAAAAAAAA=","time_s":"soon","period_s":1}',
        b"\xff\xfe",
    ],
)
def test_damage_is_named_by_its_line(agent_config: Make, tmp_path: Path, line: bytes) -> None:
    """Nothing is guessed, and nothing is a traceback."""
    path = tmp_path / "run.jsonl"
    recorded(agent_config(), path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line + b"\n", *lines[2:]]))

    with pytest.raises(DataError, match="line 3"):
        replayed(agent_config(), path, tmp_path / "out.jsonl")


def test_other_channels_are_refused(agent_config: Make, tmp_path: Path) -> None:
    """The samples would be those of another sensor."""
    path = tmp_path / "run.jsonl"
    recorded(agent_config(), path)

    with pytest.raises(ConfigError, match="`ax`, `ay`"):
        Capture(path, agent_config(channels=("x", "y")))


def test_another_model_takes_the_samples(agent_config: Make, tmp_path: Path) -> None:
    """What would it have said: with other windows the levels of then mean nothing, and a note says so."""
    path = tmp_path / "run.jsonl"
    recorded(agent_config(), path)
    other = agent_config(model=replace(agent_config().model, sha256="1" * 64))
    _, same = replayed(other, path, tmp_path / "out.jsonl")
    _, longer = replayed(agent_config(window=5), path, tmp_path / "out.jsonl")

    assert "another model than in the recorded run: its results may differ" in same.notes
    assert same.shed_windows > 0
    assert "other windows than in the recorded run: its levels are not repeated" in longer.notes
    assert longer.shed_windows == 0
    assert longer.windows > 0


def test_a_recorded_run_is_known_by_its_first_bytes(agent_config: Make, tmp_path: Path) -> None:
    """Recordings of samples are none, whatever their name."""
    path = tmp_path / "run.jsonl"
    recorded(agent_config(), path)
    (tmp_path / "walk.jsonl").write_text('{"ax": 1, "ay": 2}\n')

    assert is_capture(path)
    assert not is_capture(tmp_path / "walk.jsonl")
    assert not is_capture(tmp_path / "none.jsonl")
    assert not is_capture(tmp_path)


def test_a_file_that_cannot_be_written_ends_the_run(agent_config: Make, tmp_path: Path) -> None:
    """A recording with a hole would be none: `/dev/full` has no space."""
    with pytest.raises(EdgeKitError, match="cannot record"):
        CaptureWriter(tmp_path, agent_config())
    writer = CaptureWriter(Path("/dev/full"), agent_config())
    writer.drops(SampleCounts(dropped={"bad_value": 1}))
    with pytest.raises(EdgeKitError, match="No space"):
        writer.flush()
    with pytest.raises(EdgeKitError, match="No space"):
        writer.close()


def test_it_is_played_at_the_speed_of_then(agent_config: Make, tmp_path: Path) -> None:
    """A block is there when its last sample is due; at twice the speed in half the time."""
    path = tmp_path / "run.jsonl"
    recorded(agent_config(), path)
    took = []
    for speed in (1.0, 2.0, math.inf):
        clock = ManualClock()
        capture = Capture(path, agent_config(), speed=speed, clock=clock)
        run(agent_config(), capture, clock, tmp_path / "out.jsonl", pace=capture)
        took.append(clock())

    assert took[0] == pytest.approx(2 * took[1])
    assert took[0] > 5
    assert took[2] == 0


def test_the_format_is_what_the_documentation_says(agent_config: Make, tmp_path: Path) -> None:
    """A line an object: the run, then blocks, levels and drops."""
    path = tmp_path / "run.jsonl"
    recorded(agent_config(), path)
    header, *rest = [json.loads(line) for line in path.read_text().splitlines()]

    assert header["edgekit_run"] == 1
    assert header["channels"] == ["ax", "ay"]
    assert {"samples", "time_s", "period_s", "windows", "row"} <= set(rest[-1])
    assert {"level": "hop-x2", "previous": "full", "reason": "at 1 s"} in rest
