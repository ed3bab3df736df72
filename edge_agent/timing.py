"""Time stamps: their unit, the rate they show, and how long a gap is."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from edge_agent.columns import UNITS_S
from edge_agent.number import is_plain, read_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Tick = int | float
"""A time stamp as it was written, before its unit is applied: large integers keep every digit."""

CALIBRATION_SAMPLES = 257
"""The unit, the rate and the gap are taken from so many first time stamps (256 differences)."""
GAP_PERIODS = 1.5
"""A longer difference than so many periods is a gap: at least half a sample too late, so one is missing."""
BURST_SHARE = 0.25
"""When so many differences are zero the stamps come in bursts, one stamp for several samples."""
ROUNDING = 0.01
"""Such a part of a tick is an error of floating point, or harmless."""
BACKWARDS_SHARE = 0.1
"""A column that runs backwards more often is no clock."""
ROUGH_SHARE = 0.01
"""A rate is rough when the stamps' resolution is more of the time measured."""
LONGEST_INTEGER = 20
LARGEST_TICK = 1e20
UNIT_NAMES = {1.0: "seconds", 1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)?\s*(Z|z|[+-]\d\d:?\d\d)?",
)


@dataclass(frozen=True, slots=True)
class TimeScale:
    """How to read one recording's time stamps."""

    parse: Callable[[str], Tick | None]
    """Text to ticks; None if it is no time."""
    unit_s: float
    """Seconds a tick."""
    longest: float
    """Ticks from one sample to the next beyond which there is a gap."""
    measures_rate: bool = True
    """False for a counter of samples: it shows gaps but no rate."""
    note: str | None = None
    resolution_s: float = 0.0
    """The smallest step that the stamps are written with."""
    repeats: bool = False
    """Whether several samples share one stamp."""


class Timeline:
    """The time stamps of one recording, one after the other: gaps found, rate measured."""

    def __init__(self, scale: TimeScale) -> None:
        self.scale = scale
        self.gaps = 0
        self.longest_gap_s = 0.0
        self._tick: Tick | None = None
        """The last time stamp; also of a sample that was dropped."""
        self._start: Tick | None = None
        """The first time stamp of the segment."""
        self._first_change: Tick | None = None
        """The first stamp of the segment that began with its sample: of stamps that repeat, the second."""
        self._last_change: Tick = 0
        self._steps = 0
        """Samples from the first to the last change."""
        self._since_change = 0
        self._measured_s = 0.0
        self._measured_steps = 0

    def follow(self, tick: Tick) -> Literal["", "gap", "backwards"]:
        """Take the next time stamp; return what separates it from the one before, if anything does."""
        last, self._tick = self._tick, tick
        if last is None or self._start is None:
            self._begin(tick)
            return ""
        if 0 <= tick - last <= self.scale.longest:
            self._since_change += 1
            if tick != last:
                self._change(tick)
            return ""
        self._measure()
        self._begin(tick)
        if tick < last:
            return "backwards"
        self.gaps += 1
        self.longest_gap_s = max(self.longest_gap_s, (tick - last) * self.scale.unit_s)
        return "gap"

    def interrupt(self) -> None:
        """End the segment for another reason than time: the next stamp is compared with none."""
        self._measure()
        self._start = self._first_change = None

    @property
    def rate_hz(self) -> float | None:
        """Samples per second within segments; None where the stamps do not tell."""
        measured_s, steps = self._measured()
        return steps / measured_s if measured_s > 0 and self.scale.measures_rate else None

    @property
    def rate_is_rough(self) -> bool:
        """Whether the stamps are too coarse, or too few, to judge the rate by."""
        return self.scale.resolution_s > ROUGH_SHARE * self._measured()[0]

    def _begin(self, tick: Tick) -> None:
        self._start = self._last_change = tick
        self._first_change = None if self.scale.repeats else tick
        self._steps = self._since_change = 0

    def _change(self, tick: Tick) -> None:
        if self._first_change is None:
            self._first_change = tick
        else:
            self._steps += self._since_change
        self._last_change = tick
        self._since_change = 0

    def _measured(self) -> tuple[float, int]:
        """Return the seconds that the rate is measured over, and the samples in them."""
        if self._first_change is None:
            return self._measured_s, self._measured_steps
        seconds = (self._last_change - self._first_change) * self.scale.unit_s
        return self._measured_s + seconds, self._measured_steps + self._steps

    def _measure(self) -> None:
        self._measured_s, self._measured_steps = self._measured()


def calibrate(
    runs: Sequence[Sequence[str]],
    name: str,
    *,
    period_s: float,
    unit_s: float | None = None,
    max_gap_s: float | None = None,
) -> TimeScale | str:
    """
    Work out how to read time stamps from the first of them; return why not, as a note, if they are of no use.

    `runs` holds the texts of consecutive samples (a new recording starts a new run), `name` the column,
    `period_s` the period that the model was trained on, `unit_s` the unit where the name tells it.
    """
    texts = [text for run in runs for text in run]
    parse = _parser(texts)
    if parse is None:
        return f"column `{name}` is not used as time: `{texts[0][:40] if texts else ''}` is no number and no ISO 8601 time"
    differences, positive = _differences(runs, parse)
    pairs = sum(max(0, len(run) - 1) for run in runs)
    if pairs - len(differences) > max(1, BACKWARDS_SHARE * pairs):
        return f"column `{name}` is not used as time: it runs backwards"
    if differences and not positive:
        return f"column `{name}` is not used as time: it never grows"
    iso = parse is parse_iso
    if iso:
        unit_s = UNITS_S["ns"]
    if not positive:
        unit = unit_s or 1.0
        return TimeScale(parse, unit, (max_gap_s or GAP_PERIODS * period_s) / unit)
    resolution = _resolution(texts, iso=iso)
    period, longest = _period(differences, positive, resolution)
    note = None
    counter = False
    if unit_s is None:
        unit_s, counter = _unit(period, positive, period_s)
        note = f"column `{name}` is taken as {UNIT_NAMES.get(unit_s, '')}, by its differences"
        if counter:
            longest = GAP_PERIODS  # whole numbers are all that it has: there is nothing to round
            note = f"column `{name}` counts samples: it shows gaps, but no rate"
    if max_gap_s is not None:
        longest = max_gap_s / unit_s
    return TimeScale(
        parse,
        unit_s,
        longest * (1 + 1e-9),
        not counter,
        note,
        resolution * unit_s,
        repeats=len(differences) > len(positive),
    )


def parse_number(text: str) -> Tick | None:
    """Return a time stamp written as a number."""
    try:
        value = read_number(text)
    except ValueError:
        return None
    return value if abs(value) < LARGEST_TICK else None


def parse_integer(text: str) -> Tick | None:
    """Return a time stamp written as a whole number, with every digit (nanoseconds since 1970 exceed a float's)."""
    if len(text) <= LONGEST_INTEGER and is_plain(text):
        try:
            return int(text)
        except ValueError:
            pass
    return parse_number(text)


def parse_iso(text: str) -> Tick | None:
    """Return an ISO 8601 date and time as nanoseconds since 1970; without a zone it is taken as UTC."""
    matched = _ISO.fullmatch(text.strip())
    if matched is None:
        return None
    date, clock, fraction, zone = matched.groups()
    zone = "+00:00" if zone is None or zone in "Zz" else zone
    if ":" not in zone:
        zone = f"{zone[:3]}:{zone[3:]}"
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{zone}")
    except ValueError:
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 10**9 + int((fraction or "0").ljust(9, "0"))


def _parser(texts: Sequence[str]) -> Callable[[str], Tick | None] | None:
    for text in texts:
        if parse_iso(text) is not None:
            return parse_iso
        if parse_number(text) is not None:
            whole = not any(mark in other for other in texts for mark in ".eE")
            return parse_integer if whole else parse_number
    return None


def _differences(
    runs: Sequence[Sequence[str]], parse: Callable[[str], Tick | None]
) -> tuple[list[Tick], list[Tick]]:
    """Return the differences that are not negative, sorted, and those among them that are not zero."""
    differences = []
    for run in runs:
        ticks = [tick for tick in map(parse, run) if tick is not None]
        differences += [later - sooner for sooner, later in pairwise(ticks) if later >= sooner]
    differences.sort()
    return differences, [difference for difference in differences if difference > 0]


def _resolution(texts: Sequence[str], *, iso: bool) -> float:
    """Return the smallest step that the stamps are written with, in ticks."""
    if iso:
        fractions = [(_ISO.fullmatch(text.strip()) or [None] * 4)[3] for text in texts]
        return float(10 ** (9 - max(len(fraction or "") for fraction in fractions)))
    plain = [text.strip() for text in texts if "e" not in text.lower()]
    return float(10.0 ** -max((len(text.partition(".")[2]) for text in plain), default=0))


def _period(
    differences: Sequence[Tick], positive: Sequence[Tick], resolution: float
) -> tuple[float, float]:
    """
    Return the period and the longest difference that is no gap, in ticks; both sequences are sorted.

    The period is the mean of the differences that are no gaps: a median would be one tick of the clock where
    stamps are coarser than the period. For the same reason the longest difference is one of whole ticks: stamps
    that are cut off differ by up to a tick more than the times that they stand for.
    """
    step = positive[len(positive) // 2]
    first = max(GAP_PERIODS * step, step + resolution)
    regular = [difference for difference in differences if difference <= first]
    period = math.fsum(regular) / len(regular)
    ticks = math.ceil(GAP_PERIODS * period / resolution - ROUNDING)
    longest = max(GAP_PERIODS * period, ticks * resolution)
    if len(differences) - len(positive) >= BURST_SHARE * len(differences):
        longest = max(longest, GAP_PERIODS * step)
    return period, longest


def _unit(period: float, positive: Sequence[Tick], period_s: float) -> tuple[float, bool]:
    """Return the unit that comes nearest to the period expected, and whether the stamps only count samples."""
    unit_s = min(UNITS_S.values(), key=lambda unit: abs(math.log(period * unit / period_s)))
    factor = period * unit_s / period_s
    step = positive[len(positive) // 2]
    if positive[0] == step == 1 and not 0.5 <= factor <= 2:  # noqa: PLR2004 (another rate, but a rate)
        return period_s, True
    return unit_s, False
