"""When samples came: gaps are seen, bursts are none, and the rate is what comes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.arrivals import Arrival, Arrivals


def steady(arrivals: Arrivals, seconds: float, rate_hz: float, start_s: float = 0.0) -> float:
    """Let samples come one by one; return when the last did."""
    now_s = start_s
    for number in range(round(seconds * rate_hz)):
        now_s = start_s + number / rate_hz
        assert not arrivals.arrive(Arrival(now_s, now_s), 1)
    return now_s


@pytest.mark.parametrize("rate_hz", [0.2, 1.0, 50.0, 400.0])
def test_steady(rate_hz: float) -> None:
    """No gap, the rate, and the times of the samples."""
    arrivals = Arrivals(rate_hz)
    last_s = steady(arrivals, max(30.0, 10 / rate_hz), rate_hz)

    assert arrivals.rate_hz == pytest.approx(rate_hz)
    assert arrivals.start_s == pytest.approx(last_s)
    assert arrivals.notes == []


def test_a_pause_of_the_sensor_is_a_gap() -> None:
    """Half a second at 100 Hz without a sample, then one."""
    arrivals = Arrivals(100.0)
    last_s = steady(arrivals, 5.0, 100.0)

    assert arrivals.arrive(Arrival(last_s + 0.5, last_s + 0.5), 1)
    assert arrivals.gaps == 1
    assert arrivals.longest_gap_s == pytest.approx(0.5)
    assert arrivals.notes == ["1 gap of 0.5 s; `max_gap_s` sets what a gap is"]


def test_a_pause_of_the_agent_is_none() -> None:
    """What waited in the kernel's buffer is all there: fifty samples after half a second."""
    arrivals = Arrivals(100.0)
    last_s = steady(arrivals, 5.0, 100.0)

    assert not arrivals.arrive(Arrival(last_s + 0.5, last_s + 0.5), 50)
    assert arrivals.start_s == pytest.approx(last_s + 0.01)


def test_a_buffer_that_ran_over_is_a_gap() -> None:
    """After half a second only twenty of fifty samples are there."""
    arrivals = Arrivals(100.0)
    last_s = steady(arrivals, 5.0, 100.0)

    assert arrivals.arrive(Arrival(last_s + 0.5, last_s + 0.5), 20)


def test_a_gap_among_what_was_gathered() -> None:
    """Ten samples too few in what nobody was waiting for: they may stand on either side."""
    arrivals = Arrivals(100.0)
    last_s = steady(arrivals, 5.0, 100.0)

    assert not arrivals.arrive(Arrival(last_s, last_s + 0.2, prompt=False), 20)
    assert not arrivals.within
    assert arrivals.arrive(Arrival(last_s + 0.2, last_s + 0.4, prompt=False), 10)
    assert arrivals.within
    assert not arrivals.arrive(Arrival(last_s + 0.4, last_s + 0.6, prompt=False), 20)
    assert not arrivals.within


def test_what_was_gathered_is_a_period_apart() -> None:
    """Sixteen or seventeen at a time: their times go on from the last one's."""
    arrivals = Arrivals(100.0)
    last_s = steady(arrivals, 1.0, 100.0)
    now_s, taken = last_s + 0.009, 0
    for count in (16, 16, 17, 15, 16):
        now_s += count * 0.01
        arrivals.arrive(Arrival(now_s - count * 0.01, now_s, prompt=False), count)
        assert arrivals.start_s == pytest.approx(last_s + (taken + 1) * 0.01)
        taken += count


def test_what_the_user_says_is_a_gap() -> None:
    """`max_gap_s` replaces the guess, in both directions."""
    longer = Arrivals(100.0, 1.0)
    last_s = steady(longer, 1.0, 100.0)
    assert not longer.arrive(Arrival(last_s + 0.9, last_s + 0.9), 1)

    shorter = Arrivals(100.0, 0.015)
    last_s = steady(shorter, 1.0, 100.0)
    assert shorter.arrive(Arrival(last_s + 0.02, last_s + 0.02), 1)


def test_a_wrong_rate_is_told() -> None:
    """A sensor that sends at 90 Hz where the model expects 100."""
    arrivals = Arrivals(100.0)
    for number in range(1000):
        arrivals.arrive(Arrival(number / 90, number / 90), 1)

    assert arrivals.rate_hz == pytest.approx(90.0)
    assert arrivals.notes == ["samples come at 90 Hz, `rate_hz` is 100"]


def test_a_drift_is_seen() -> None:
    """The rate is that of the last seconds, not of all."""
    arrivals = Arrivals(100.0)
    last_s = steady(arrivals, 20.0, 100.0)
    steady(arrivals, 25.0, 93.0, last_s + 1 / 93)

    assert arrivals.rate_hz == pytest.approx(93.0, rel=0.01)


def test_a_cut_line_is_no_gap_of_the_sensor() -> None:
    """After a reconnect nothing is compared with what was before."""
    arrivals = Arrivals(100.0)
    last_s = steady(arrivals, 1.0, 100.0)
    arrivals.interrupt()

    assert not arrivals.arrive(Arrival(last_s + 60, last_s + 60), 1)
    assert arrivals.gaps == 0


@given(st.integers(0, 2**32), st.sampled_from([20.0, 100.0, 1000.0, 6400.0]))
def test_reads_at_any_moment_find_no_gap(seed: int, rate_hz: float) -> None:
    """However the agent is scheduled, samples that all came are one segment; their times never run backwards."""
    chance = random.Random(seed)
    arrivals = Arrivals(rate_hz)
    now_s = taken = 0.0
    last_s = 0.0
    while now_s < 3.0:
        now_s += chance.choice([0.001, 0.016, 0.05, 0.3])
        came = int(now_s * rate_hz)
        count = came - int(taken)
        if not count:
            continue
        assert not arrivals.arrive(Arrival(now_s, now_s, prompt=False), count)
        assert arrivals.start_s >= last_s
        last_s = arrivals.start_s
        taken = came
