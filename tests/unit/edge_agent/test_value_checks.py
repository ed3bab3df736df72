"""Values that are not believed: found by either path alike, and treated as `on_bad` says."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config import Stream
from edge_agent.records import SampleCounts
from edge_agent.value_checks import FLOAT32_MAX, ValueChecks

STREAM = Stream(
    channels=("ax", "ay"), rate_hz=50.0, window=4, hop=2, min=(-2.0, -10.0), max=(2.0, 10.0)
)
NAN, INF = math.nan, math.inf


def judge(samples: list[list[float]], **changes: Any) -> tuple[list[Any], SampleCounts]:
    """Judge samples one by one; return what came of each: its values, or why it was dropped."""
    counts = SampleCounts()
    checks = ValueChecks(replace(STREAM, **changes), counts)
    found: list[Any] = []
    for sample in samples:
        values = list(sample)
        finding = checks.check(values)
        if finding is not None and finding.dropped:
            found.append(finding.detail)
            checks.restart()
        else:
            found.append((values, "marked") if finding else values)
    return found, counts


def test_each_channel_has_its_bounds() -> None:
    """What is much for one sensor is little for another."""
    found, _ = judge([[1.5, 9.0], [2.5, 0.0], [0.0, -10.5], [0.0, NAN], [-INF, 0.0], [2.0, 10.0]])

    assert found == [
        [1.5, 9.0],
        "`ax` is 2.5, outside `min` and `max`",
        "`ay` is -10.5, outside `min` and `max`",
        "`ay` is no number",
        "`ax` is beyond the range of float32",
        [2.0, 10.0],
    ]


def test_without_bounds_float32_is_one() -> None:
    """A number that the model cannot be given is bad, whatever `min` and `max` say."""
    found, _ = judge([[FLOAT32_MAX, 0.0], [FLOAT32_MAX * 2, 0.0]], min=None, max=None)

    assert found == [[FLOAT32_MAX, 0.0], "`ax` is beyond the range of float32"]


def test_hold() -> None:
    """The channel's last good value stands in; the other channel goes on; at first there is none."""
    found, counts = judge([[NAN, 1.0], [0.5, 2.0], [NAN, 3.0], [9.0, 4.0]], on_bad="hold")

    assert found == ["`ax` is no number", [0.5, 2.0], [0.5, 3.0], [0.5, 4.0]]
    assert counts.held == 2


def test_a_value_is_not_held_for_ever() -> None:
    """After `hold_samples` a sample is dropped; a good value begins the count anew."""
    bad, good = [NAN, 0.0], [0.5, 0.0]
    found, counts = judge([good, bad, bad, good, bad, bad, bad, bad], on_bad="hold", hold_samples=2)

    assert found == [good] * 6 + ["`ax` is no number"] * 2
    assert counts.held == 4


def test_clip() -> None:
    """A value beyond a bound becomes the bound; what is no number stays bad, and so does infinity without a bound."""
    found, counts = judge([[3.0, -11.0], [INF, 0.0], [NAN, 0.0]], on_bad="clip")

    assert found == [[2.0, -10.0], [2.0, 0.0], "`ax` is no number"]
    assert counts.clipped == 2
    assert judge([[INF, 0.0]], on_bad="clip", max=None)[0] == [
        "`ax` is beyond the range of float32"
    ]


def test_mark() -> None:
    """A bad value goes on and is marked; what is no number is replaced, for it must never reach a model."""
    found, counts = judge([[NAN, 0.0], [1.0, 0.0], [5.0, 0.0], [NAN, 0.5]], on_bad="mark")

    assert found == [
        "`ax` is no number",
        [1.0, 0.0],
        ([5.0, 0.0], "marked"),
        ([5.0, 0.5], "marked"),
    ]
    assert counts.marked == 2


@pytest.mark.parametrize("policy", ["drop", "clip"])
def test_a_sensor_that_hangs(policy: Any) -> None:
    """From the n-th equal value on samples are bad, until it moves; the first ones could not be known."""
    samples = [[1.0, float(i)] for i in range(5)] + [[1.1, 5.0]]
    found, counts = judge(samples, on_bad=policy, stuck_samples=3)

    assert found[:2] == samples[:2]
    assert found[2:5] == [f"`ax` is 1 for {i} samples in a row" for i in (3, 4, 5)]
    assert found[5] == samples[5]
    assert not counts.clipped


def test_a_stuck_value_is_held_or_marked() -> None:
    """The other policies know what to do with it as well."""
    samples = [[1.0, float(i)] for i in range(4)]

    assert judge(samples, on_bad="mark", stuck_samples=3)[0][2:] == [
        (samples[2], "marked"),
        (samples[3], "marked"),
    ]
    assert judge(samples, on_bad="hold", hold_samples=1, stuck_samples=3)[0][2:] == [
        samples[2],
        "`ax` is 1 for 4 samples in a row",
    ]


VALUES = st.sampled_from([0.0, 1.0, -1.0, 1.5, 3.0, NAN, INF, -INF, 1e39, -0.0])
SAMPLES = st.lists(st.tuples(VALUES, VALUES), max_size=40)


@given(
    SAMPLES,
    st.lists(st.integers(1, 12), max_size=10),
    st.sampled_from(["drop", "hold", "clip", "mark"]),
    st.sampled_from([None, 2, 3, 5]),
    st.sampled_from([{}, {"min": -1.0, "max": 1.5}]),
    st.booleans(),
)
def test_blocks_are_judged_as_their_samples(  # noqa: PLR0913, PLR0917 (what the property is over)
    samples: list[tuple[float, float]],
    sizes: list[int],
    policy: Any,
    stuck: int | None,
    bounds: dict[str, float],
    by_channel: bool,
) -> None:
    """A block that passes holds nothing that would have been found, and leaves the judge in the same state."""
    changes = {"on_bad": policy, "stuck_samples": stuck, **bounds}
    one_by_one, counts = judge([list(sample) for sample in samples], **changes)

    in_blocks: list[Any] = []
    block_counts = SampleCounts()
    checks = ValueChecks(replace(STREAM, **changes), block_counts)
    rest = list(samples)
    for size in [*sizes, len(samples)]:
        block, rest = rest[:size], rest[size:]
        if not block:
            continue
        columns = [array("d", column) for column in zip(*block, strict=True)]
        in_order = [value for sample in block for value in sample]
        if checks.all_good(columns) if by_channel else checks.all_good_in(in_order):
            in_blocks += [list(sample) for sample in block]
            continue
        for sample in block:
            values = list(sample)
            finding = checks.check(values)
            if finding is not None and finding.dropped:
                in_blocks.append(finding.detail)
                checks.restart()
            else:
                in_blocks.append((values, "marked") if finding else values)

    assert repr(in_blocks) == repr(one_by_one)  # a NaN is not equal to itself
    assert block_counts == counts


def test_good_blocks_pass_as_a_whole() -> None:
    """The fast path is taken where it may be."""
    checks = ValueChecks(replace(STREAM, stuck_samples=4), SampleCounts())
    ramp = array("d", [i / 1000 for i in range(1000)])

    assert checks.all_good([ramp, ramp])
    assert not checks.all_good([ramp[:10], array("d", [0.5] * 10)])
    assert not checks.all_good([ramp[:3], array("d", [0.0, NAN, 0.0])])
    assert checks.all_good_in(ramp)
