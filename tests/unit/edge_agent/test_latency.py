"""The latency histogram: near the truth, of fixed size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.latency import LatencyHistogram, RecentLatency


def test_nothing_measured_is_nothing_told() -> None:
    """Without an inference there is no percentile."""
    assert LatencyHistogram().percentile_s(50) is None


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=200), st.sampled_from([50, 90, 99, 100]))
def test_percentiles_are_read_to_five_percent(durations: list[float], percent: float) -> None:
    """The percentile read is within a bucket of the true one."""
    histogram = LatencyHistogram()
    for duration in durations:
        histogram.record(duration)
    rank = max(0, -int(-len(durations) * percent // 100) - 1)

    assert histogram.percentile_s(percent) == pytest.approx(sorted(durations)[rank], rel=0.05)


def test_durations_out_of_range_are_counted() -> None:
    """Zero and hours fall into the outermost buckets."""
    histogram = LatencyHistogram()
    histogram.record(0.0, 3)
    histogram.record(1e6)

    assert histogram.count == 4
    assert histogram.longest_s == 1e6
    assert histogram.percentile_s(50) == pytest.approx(1e-7, rel=0.1)


def test_recent_latency_forgets() -> None:
    """A slow minute an hour ago is no latency of now; the last window counts."""
    recent = RecentLatency(60.0, 0.0)
    recent.record(5.0, 0.5, count=10)
    recent.record(50.0, 0.001, count=90)

    assert recent.percentile_s(99, 55.0) == pytest.approx(0.5, rel=0.1)
    assert recent.percentile_s(99, 75.0) == pytest.approx(0.001, rel=0.1)
    assert recent.percentile_s(99, 500.0) is None
