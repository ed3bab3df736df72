"""The summary fits the terminal."""

from __future__ import annotations

import re
from dataclasses import replace

from edge_agent.summary import Facts, Origin, Samples

LABELS = {f"exercise {number}": 100 + number for number in range(12)}
FACTS = Facts(
    name="gait",
    version="1",
    origin=Origin(device="roof-17", release="ab" * 32),
    mode="window",
    unproven="",
    state="ended",
    error=None,
    uptime_s=1.0,
    clock_synced=True,
    source={"kind": "replay"},
    shed_windows=0,
    level="full",
    budget=None,
    delivery={"waiting": 0, "delivered": 3, "dropped": {"predictions": 0}, "refused": {}},
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


def test_what_was_lost_and_what_was_not_computed_has_its_line() -> None:
    """Nothing that is missing goes without a word; where nothing is missing there is no line."""
    lossy = {"waiting": 0, "delivered": 1, "dropped": {"predictions": 7}, "refused": {"jsonl": 2}}
    samples = replace(FACTS.samples, read=14, shed=5)
    text = replace(FACTS, delivery=lossy, samples=samples, shed_windows=2).to_text()

    assert "lost     7 predictions dropped, 2 refused by jsonl" in text
    assert "14 read = 9 in windows + 5 in windows not computed + 0 pending" in text
    assert "2 windows not computed, to stay within the budget" in text
    assert "lost" not in FACTS.to_text()


def test_whose_run_it_is_stands_at_the_top_of_the_status() -> None:
    """Device, release and settings are keys of their own, for whoever looks after five hundred boards."""
    document = FACTS.to_json()

    assert (document["device"], document["release"], document["overlay"]) == (
        "roof-17",
        "ab" * 32,
        None,
    )
