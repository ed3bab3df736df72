"""Windows that are not computed, and windows with marked samples: told apart, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.inference import Inference
from edge_agent.records import Block, SampleCounts
from edge_agent.testing import DrawnPace, FakeStream, ManualClock, pack_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.config import AgentConfig
    from edge_agent.pace import Pace
    from edge_agent.records import Begin, Prediction

    Make = Callable[..., AgentConfig]

segments = st.lists(
    st.tuples(st.sampled_from(["gap", "bad", "group"]), st.lists(st.integers(1, 40), min_size=1)),
    min_size=1,
    max_size=4,
)
"""Each segment: what it begins with, and the sizes of its blocks."""


def run(
    config: AgentConfig,
    drawn: Sequence[tuple[Begin, Sequence[int]]],
    pace: Pace | None = None,
    marked: frozenset[int] = frozenset(),
) -> tuple[list[Prediction], Inference, int]:
    """Take segments through a model that gives the mean; return predictions, the inference and the samples read."""
    stream = FakeStream(config.input.window, config.input.hop, 2)
    inference = Inference(config, stream, clock=ManualClock(), pace=pace)
    predictions: list[Prediction] = []
    number = 0
    for begin, counts in drawn:
        for position, count in enumerate(counts):
            samples = pack_samples([(number + i, -1.0) for i in range(count)])
            marks = tuple(i for i in range(count) if number + i in marked)
            block = Block(
                samples, count, number * 0.02, 0.02, begin if position == 0 else "", marked=marks
            )
            predictions += inference.take(block, ManualClock())[0]
            number += count
    return predictions, inference, number


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=segments,
    window=st.integers(1, 9),
    hop=st.integers(1, 14),
    admitted=st.lists(st.booleans()),
)
def test_degraded_predictions_are_a_subset(
    agent_config: Make,
    drawn: list[tuple[Begin, list[int]]],
    window: int,
    hop: int,
    admitted: list[bool],
) -> None:
    """Value for value those of the full run, at the same moments; every sample has its place in the accounts."""
    config = agent_config(window=window, hop=hop)
    full, _, read = run(config, drawn)
    some, inference, _ = run(config, drawn, DrawnPace(admitted))
    due = [*admitted, *[True] * len(full)][: len(full)]

    kept = [prediction for prediction, computed in zip(full, due, strict=True) if computed]
    assert [(p.time_s, p.values) for p in some] == [(p.time_s, p.values) for p in kept]
    assert inference.accounts.shed_windows == due.count(False)
    samples = inference.accounts.samples(SampleCounts(read=read))
    assert samples.accounted, samples
    assert (samples.shed > 0) <= (False in due)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=segments,
    window=st.integers(1, 9),
    hop=st.integers(1, 14),
    marked=st.frozensets(st.integers(0, 200)),
)
def test_a_prediction_is_marked_where_its_window_holds_a_marked_sample(
    agent_config: Make,
    drawn: list[tuple[Begin, list[int]]],
    window: int,
    hop: int,
    marked: frozenset[int],
) -> None:
    """Neither one before nor one behind it counts, nor one of another segment."""
    config = agent_config(window=window, hop=hop)
    predictions, _, _ = run(config, drawn, marked=marked)

    for prediction in predictions:
        last = round(prediction.time_s / 0.02)
        held = set(range(last - window + 1, last + 1))
        assert prediction.marked == bool(held & marked)


def test_predictions_carry_the_level(agent_config: Make) -> None:
    """Who reads a record knows how it was made."""
    pace = DrawnPace([], ["hop-x2"])
    pace.tick(1.0)
    predictions, inference, _ = run(agent_config(), [("start", [8])], pace)

    assert {prediction.level for prediction in predictions} == {"hop-x2"}
    (change,) = inference.level_changes()
    assert (change.kind, change.label, change.previous) == ("level", "hop-x2", "full")
    assert (change.index, change.time_s) == (len(predictions), 7 * 0.02)
