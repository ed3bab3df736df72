"""Time stamps: units, rates and gaps, from the stamps that loggers really write."""

from __future__ import annotations

import random

import pytest

from edge_agent.timing import Timeline, TimeScale, calibrate, parse_integer, parse_iso, parse_number


def scale_of(texts: list[str], rate_hz: float = 50.0, **options: float) -> TimeScale:
    """Return the scale of stamps that are of use."""
    scale = calibrate([texts], "time", period_s=1 / rate_hz, **options)
    assert isinstance(scale, TimeScale), scale
    return scale


def follow(texts: list[str], rate_hz: float = 50.0, **options: float) -> tuple[list[str], Timeline]:
    """Return what separates each stamp from the one before, and the timeline."""
    scale = scale_of(texts[:257], rate_hz, **options)
    timeline = Timeline(scale)
    breaks: list[str] = []
    for text in texts:
        tick = scale.parse(text)
        assert tick is not None
        breaks.append(timeline.follow(tick))
    return breaks, timeline


@pytest.mark.parametrize(
    ("texts", "unit_s"),
    [
        ([f"{i * 0.02:.3f}" for i in range(20)], 1.0),
        ([f"{i * 20}" for i in range(20)], 1e-3),
        ([f"{i * 20_000}" for i in range(20)], 1e-6),
        ([f"{1_700_000_000_000_000_000 + i * 20_000_000}" for i in range(20)], 1e-9),
        ([f"{1_700_000_000 + i * 0.02:.2f}" for i in range(20)], 1.0),
    ],
)
def test_the_unit_is_seen_in_the_differences(texts: list[str], unit_s: float) -> None:
    """The unit that comes nearest to the rate expected is taken."""
    scale = scale_of(texts)

    assert scale.unit_s == unit_s
    assert scale.note
    assert follow(texts)[1].rate_hz == pytest.approx(50, rel=1e-3)


def test_nanoseconds_since_1970_keep_every_digit() -> None:
    """Such numbers are beyond the exact integers of a float."""
    texts = [str(1_700_000_000_123_456_789 + i * 1_000) for i in range(300)]

    assert follow(texts, rate_hz=1e6, unit_s=1e-9)[1].rate_hz == pytest.approx(1e6, rel=1e-9)


@pytest.mark.parametrize(
    "template",
    [
        "2026-01-01T00:00:{:06.3f}Z",
        "2026-01-01 00:00:{:06.3f}",
        "2026-01-01T02:00:{:06.3f}+02:00",
        "2026-01-01T00:00:{:06.3f}+0000",
    ],
)
def test_iso_times(template: str) -> None:
    """ISO 8601 with and without zone; without one it is UTC."""
    breaks, timeline = follow([template.format(i * 0.02) for i in range(100)])

    assert set(breaks) == {""}
    assert timeline.rate_hz == pytest.approx(50)
    assert parse_iso(template.format(0)) == 1_767_225_600 * 10**9


@pytest.mark.parametrize("text", ["", "noon", "2026-13-01T00:00:00", "2026-01-01", "12:00:00"])
def test_what_is_no_iso_time(text: str) -> None:
    """Anything else is none."""
    assert parse_iso(text) is None


@pytest.mark.parametrize("text", ["", "nan", "inf", "-inf", "1e300", "9" * 5000, "x"])
def test_what_is_no_number_of_a_time(text: str) -> None:
    """Not finite, too large or no number: none, so that the sample is dropped with a reason."""
    assert parse_number(text) is None
    assert parse_integer(text) is None


def test_a_lost_sample_is_a_gap() -> None:
    """One sample missing from a regular recording is found."""
    texts = [f"{i * 0.02:.3f}" for i in range(100) if i != 60]
    breaks, timeline = follow(texts)

    assert [at for at, separated in enumerate(breaks) if separated] == [60]
    assert timeline.gaps == 1
    assert timeline.longest_gap_s == pytest.approx(0.04)
    assert timeline.rate_hz == pytest.approx(50)


def test_time_that_runs_backwards() -> None:
    """A clock that was set back begins a new segment, and spoils no rate."""
    texts = [f"{i * 0.02:.3f}" for i in range(50)] * 2
    breaks, timeline = follow(texts)

    assert [(at, separated) for at, separated in enumerate(breaks) if separated] == [
        (50, "backwards")
    ]
    assert timeline.rate_hz == pytest.approx(50)


def test_max_gap_is_the_users() -> None:
    """`max_gap_s` replaces the rule."""
    texts = [f"{i * 0.02:.3f}" for i in range(100) if i != 60]

    assert follow(texts, max_gap_s=0.05)[1].gaps == 0


@pytest.mark.parametrize("rate_hz", [26, 50, 104, 400, 700, 900, 1000, 1500])
def test_coarse_stamps_are_no_gaps(rate_hz: int) -> None:
    """Milliseconds cut off from any rate: no false gap, and the rate is right."""
    texts = [str(int(i * 1000 / rate_hz)) for i in range(3000)]
    breaks, timeline = follow(texts, rate_hz, unit_s=1e-3)

    assert set(breaks) == {""}
    assert timeline.rate_hz == pytest.approx(rate_hz, rel=0.01)


def test_whole_seconds_at_50_hz() -> None:
    """Fifty samples with one stamp: the rate is right, a second that is missing is a gap."""
    texts = [str((i + 25) // 50) for i in range(2000) if not 1025 <= i < 1075]
    breaks, timeline = follow(texts, unit_s=1.0)

    assert [at for at, separated in enumerate(breaks) if separated] == [1025]
    assert timeline.rate_hz == pytest.approx(50, rel=0.05)


def test_stamps_in_bursts() -> None:
    """A radio hands over four samples with one stamp: no gap between bursts, one where bursts are missing."""
    texts = [f"{(i // 4) * 0.0801:.4f}" for i in range(800) if not 400 <= i < 408]
    breaks, _ = follow(texts)

    assert [at for at, separated in enumerate(breaks) if separated] == [400]


def test_jitter_is_no_gap() -> None:
    """Stamps that are a third of a period off still belong together."""
    jitter = random.Random(1)
    texts = [f"{i * 0.02 + jitter.uniform(0, 0.0066):.5f}" for i in range(2000)]

    assert follow(texts)[1].gaps == 0


def test_a_counter_shows_gaps_and_no_rate() -> None:
    """A column that counts samples is no clock, but it tells what is missing."""
    texts = [str(i) for i in range(300) if i != 200]
    breaks, timeline = follow(texts)

    assert [at for at, separated in enumerate(breaks) if separated] == [200]
    assert timeline.rate_hz is None
    assert "counts samples" in (timeline.scale.note or "")


@pytest.mark.parametrize(
    ("texts", "says"), [(["5"] * 20, "never grows"), (["noon"] * 3, "`noon`"), ([], "no number")]
)
def test_a_useless_column_is_left_alone(texts: list[str], says: str) -> None:
    """Constant or unreadable time is said in a note, not guessed."""
    note = calibrate([texts], "time", period_s=0.02)

    assert isinstance(note, str)
    assert says in note


def test_runs_are_not_compared_with_each_other() -> None:
    """Between two recordings in one file the time may jump."""
    runs = [["100.00", "100.02", "100.04"], ["0.00", "0.02", "0.04"]]
    scale = calibrate(runs, "time", period_s=0.02)

    assert isinstance(scale, TimeScale)
    assert 0.02 < scale.longest < 0.04


@pytest.mark.parametrize("jitter", [0.02, 0.05])
@pytest.mark.parametrize("rate_hz", [502, 503, 997, 1003])
def test_coarse_stamps_that_jitter_are_no_gaps(rate_hz: int, jitter: float) -> None:
    """Just under one or two ticks a sample: no false gap, the right rate; five missing samples are a gap."""
    chance = random.Random(1)
    times = [(i + chance.uniform(-jitter, jitter)) * 1000 / rate_hz + 10 for i in range(20_000)]
    texts = [str(int(time)) for time in times]
    breaks, timeline = follow(texts, rate_hz, unit_s=1e-3)

    assert set(breaks) == {""}
    assert timeline.rate_hz == pytest.approx(rate_hz, rel=0.01)
    assert follow(texts[:1000] + texts[1005:], rate_hz, unit_s=1e-3)[0][1000] == "gap"


@pytest.mark.parametrize("phase", [0, 10, 25, 49])
def test_a_few_whole_seconds_show_the_rate(phase: int) -> None:
    """The first and the last second are cut off anywhere: only what lies between changes is measured."""
    texts = [str((i + phase) // 50) for i in range(250)]
    _, timeline = follow(texts, unit_s=1.0)

    assert timeline.rate_hz == pytest.approx(50)
    assert timeline.rate_is_rough


def test_a_column_that_runs_backwards_is_no_time() -> None:
    """A temperature may be called `t`."""
    chance = random.Random(1)
    note = calibrate([[f"{20 + chance.gauss(0, 1):.2f}" for _ in range(257)]], "t", period_s=0.02)

    assert note == "column `t` is not used as time: it runs backwards"
