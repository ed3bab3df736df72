"""The decision rule: thresholds, hold, hysteresis, and what is not finite."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config import Decision
from edge_agent.decide import Decider
from edge_agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.records import Event

LABELS = ("still", "walk", "run")
STILL, WALK, RUN = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)
NAN = math.nan


def changes(
    decider: Decider, steps: Sequence[tuple[float, ...]]
) -> list[tuple[int, str | None, str | None]]:
    """Return (index, previous, label) of every event."""
    events: list[Event] = []
    for index, values in enumerate(steps):
        events += decider.step(values, index=index)[2]
    return [(event.index, event.previous, event.label) for event in events]


def test_without_a_threshold_the_best_class_counts() -> None:
    """Each change of the best class is an event."""
    decider = Decider("classes", LABELS, Decision())

    assert changes(decider, [STILL, STILL, WALK, RUN]) == [
        (0, None, "still"),
        (2, "still", "walk"),
        (3, "walk", "run"),
    ]


def test_label_and_score_are_the_best_class_whatever_the_threshold() -> None:
    """The threshold is about events; a prediction always says what the model said."""
    decider = Decider("classes", LABELS, Decision(threshold=0.9))

    assert decider.step(WALK) == ("walk", 0.8, ())


def test_hold_wants_agreement_in_a_row() -> None:
    """A flicker of one prediction is no event."""
    decider = Decider("classes", LABELS, Decision(hold=3))

    steps = [STILL, STILL, STILL, WALK, STILL, WALK, WALK, WALK]
    assert changes(decider, steps) == [(2, None, "still"), (7, "still", "walk")]


def test_below_the_threshold_the_state_is_left() -> None:
    """No class reaches its threshold: the state becomes none."""
    decider = Decider("classes", LABELS, Decision(threshold=0.7))

    assert changes(decider, [WALK, (0.3, 0.6, 0.1)]) == [(0, None, "walk"), (1, "walk", None)]


def test_hysteresis_keeps_the_state_a_little_longer() -> None:
    """The current label stays while its own score is above threshold less hysteresis."""
    decider = Decider("classes", LABELS, Decision(threshold=0.7, hysteresis=0.2))

    steps = [WALK, (0.3, 0.6, 0.1), (0.6, 0.4, 0.0)]
    assert changes(decider, steps) == [(0, None, "walk"), (2, "walk", None)]


def test_hysteresis_does_not_keep_another_class_out() -> None:
    """A class above its threshold wins at once."""
    decider = Decider("classes", LABELS, Decision(threshold=0.4, hysteresis=0.4))

    assert changes(decider, [WALK, (0.1, 0.44, 0.46)])[-1] == (1, "walk", "run")


def test_thresholds_per_label() -> None:
    """Each label has its own threshold; one without counts whenever it is best, and stays while none is sure."""
    decider = Decider("classes", LABELS, Decision(threshold={"run": 0.9}))

    assert changes(decider, [WALK, RUN, STILL, (0.0, 0.05, 0.95)]) == [
        (0, None, "walk"),
        (2, "walk", "still"),
        (3, "still", "run"),
    ]


def test_labels_default_to_numbers() -> None:
    """A model without labels is told apart by position."""
    assert Decider("classes", (), Decision()).step(WALK)[0] == "1"


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
def test_what_is_not_finite_decides_nothing(bad: float) -> None:
    """No label, no score; when it lasts, the state is left, never entered."""
    decider = Decider("classes", LABELS, Decision(hold=2))
    broken = (0.1, bad, 0.2)

    assert decider.step(broken)[:2] == (None, None)
    assert changes(decider, [WALK, WALK, broken, WALK, broken, broken]) == [
        (1, None, "walk"),
        (5, "walk", None),
    ]


def test_a_restart_counts_anew_and_keeps_the_state() -> None:
    """Predictions before a gap do not count for those after it."""
    decider = Decider("classes", LABELS, Decision(hold=2))
    assert changes(decider, [STILL, STILL, WALK]) == [(1, None, "still")]
    decider.restart()

    assert changes(decider, [WALK, WALK]) == [(1, "still", "walk")]


def test_a_new_recording_forgets_the_state() -> None:
    """The first label of a new recording is an event, with nothing before it."""
    decider = Decider("classes", LABELS, Decision())
    decider.step(WALK)
    decider.restart(new_recording=True)

    assert changes(decider, [WALK]) == [(0, None, "walk")]


def test_values_cross_their_thresholds() -> None:
    """Each value with a threshold is above or below, with hysteresis on the way down."""
    decider = Decider(
        "value", ("speed", "load"), Decision(threshold={"speed": 3.0}, hysteresis=0.5)
    )

    steps = [(1.0, 9.0), (3.0, 9.0), (2.6, 9.0), (2.4, 9.0)]
    assert changes(decider, steps) == [
        (0, None, "below"),
        (1, "below", "above"),
        (3, "above", "below"),
    ]


def test_two_values_may_change_at_once() -> None:
    """One event for each value, and it says which."""
    decider = Decider("value", ("speed", "load"), Decision(threshold=3.0))

    events = decider.step((4.0, 1.0))[2]
    assert [(event.output, event.label, event.score) for event in events] == [
        ("speed", "above", 4.0),
        ("load", "below", 1.0),
    ]


def test_values_without_a_threshold_make_no_events() -> None:
    """A regression is reported, not judged."""
    assert Decider("value", (), Decision()).step((5.0,)) == (None, 5.0, ())


def test_anomaly_is_above_its_threshold() -> None:
    """The label is of this prediction, the event follows hold and hysteresis."""
    decider = Decider("anomaly", (), Decision(threshold=1.0, hysteresis=0.3, hold=2))

    assert decider.step((0.5,))[:2] == ("normal", 0.5)
    steps = [(0.5,), (2.0,), (2.0,), (0.8,), (0.8,), (0.6,), (0.6,)]
    assert changes(decider, steps) == [
        (0, None, "normal"),
        (2, "normal", "anomaly"),
        (6, "anomaly", "normal"),
    ]


def test_a_score_that_is_not_finite_is_neither() -> None:
    """NaN is no label of an anomaly score, and infinity is none either."""
    decider = Decider("anomaly", (), Decision(threshold=1.0))

    assert decider.step((NAN,))[0] is None
    assert decider.step((math.inf,))[0] is None


def test_raw_never_decides() -> None:
    """Raw output has no label, no score, no events."""
    assert Decider("raw", LABELS, Decision()).step(WALK) == (None, None, ())


@pytest.mark.parametrize(
    ("kind", "threshold", "says"),
    [
        ("classes", {"wlak": 0.5}, "decision.threshold.wlak"),
        ("value", {"sped": 0.5}, "decision.threshold.sped"),
        ("anomaly", {"walk": 0.5}, "anomaly"),
        ("raw", 0.5, "raw"),
    ],
)
def test_a_threshold_that_fits_nothing_is_refused(
    kind: str, threshold: float | dict[str, float], says: str
) -> None:
    """The error names the key; it comes before the first prediction."""
    with pytest.raises(ConfigError, match=says) as caught:
        Decider(kind, LABELS, Decision(threshold=threshold))

    assert caught.value.hint


def test_the_near_label_is_suggested() -> None:
    """A slip of the finger is answered with the label that was meant."""
    with pytest.raises(ConfigError) as caught:
        Decider("classes", LABELS, Decision(threshold={"wlak": 0.5}))

    assert caught.value.hint == "did you mean `walk`?"


scores = st.floats(0, 1, width=32) | st.just(NAN)


@given(
    steps=st.lists(st.tuples(scores, scores, scores), max_size=40),
    threshold=st.floats(0, 1),
    hysteresis=st.floats(0, 0.5),
    hold=st.integers(1, 4),
)
def test_events_are_a_chain(
    steps: Sequence[tuple[float, ...]], threshold: float, hysteresis: float, hold: int
) -> None:
    """Each event leaves the state that the one before entered, and never less than `hold` after it."""
    decider = Decider(
        "classes", LABELS, Decision(threshold=threshold, hysteresis=hysteresis, hold=hold)
    )
    state, at = None, -1
    for index, previous, label in changes(decider, steps):
        assert previous == state != label
        assert index - at >= hold
        state, at = label, index


def test_hysteresis_does_not_revive_a_state() -> None:
    """A state that ended, here by a value that is not finite, has to reach its threshold again."""
    decider = Decider("classes", ("a", "b"), Decision(threshold=0.6, hysteresis=0.2))

    assert changes(decider, [(0.9, 0.1), (NAN, NAN), (0.5, 0.5)]) == [
        (0, None, "a"),
        (1, "a", None),
    ]
