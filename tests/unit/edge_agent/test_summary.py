"""The summary fits the terminal."""

from __future__ import annotations

import re

from edge_agent.summary import Facts, Samples

LABELS = {f"exercise {number}": 100 + number for number in range(12)}
FACTS = Facts(
    name="gait",
    version="1",
    state="ended",
    error=None,
    uptime_s=1.0,
    samples=Samples(read=9, windowed=9, dropped={}, skipped=0, pending=0, held=0),
    windows=1266,
    predictions=LABELS,
    unlabelled=0,
    nonfinite_outputs=0,
    events=3,
    latency_p50_us=1.0,
    latency_p99_us=2.0,
    engine_live_bytes=1,
    engine_peak_bytes=2,
    rss_bytes=3,
    cpu_share=0.5,
    rate_hz=50.0,
    rate_hz_measured=None,
    notes=("a note of its own",),
)


def test_long_lines_go_on_in_their_column() -> None:
    """At 60 columns nothing is cut, and a label stays with its count."""
    lines = FACTS.to_text(60).splitlines()
    windows = [line for line in lines if "exercise" in line]

    assert max(map(len, lines)) <= 60
    assert len(windows) > 3
    assert windows[0].startswith("windows  1266, 1266 predictions: exercise 11 111,")
    assert all(line.startswith(" " * 9 + "exercise ") for line in windows[1:])
    assert re.sub(r"\s+", " ", FACTS.to_text(60)) == re.sub(r"\s+", " ", FACTS.to_text())


def test_without_a_width_a_fact_is_a_line() -> None:
    """What is piped on can be searched line by line; a terminal of no width is not despaired of."""
    assert len(FACTS.to_text().splitlines()) == 8
    assert "\N{NO-BREAK SPACE}" not in FACTS.to_text() + FACTS.to_text(60)
    assert "exercise 0 100" in FACTS.to_text(1)
