"""
When samples came, on CLOCK_MONOTONIC: the rate they come at, and the gaps between them.

For samples that carry no time of their own. What is known is when the first byte of a read was there and when the
read ended; a sample's own time is worked out from these, from the rate and from how many came.
"""

from __future__ import annotations

from typing import NamedTuple

GAP_PERIODS = 1.5
"""As with time stamps: a longer wait than so many periods is a gap …"""
JITTER_S = 0.05
"""… but only if it is longer than a period by more than this: USB hands over every 16 ms, and schedulers take turns."""
PROMPT_S = 0.001
"""Who had to wait for so long was waiting when it came."""
LEAST_S = 3.0
WINDOW_S = 10.0
"""A rate is measured over so long at least, and anew each ten seconds, so that a drift is seen."""
RATE_TOLERANCE = 0.05
"""A measured rate that is further from `rate_hz` is worth a note."""


def longest_gap_s(rate_hz: float, max_gap_s: float | None, jitter_s: float = JITTER_S) -> float:
    """Return the longest wait between two samples that is no gap."""
    period_s = 1 / rate_hz
    return max_gap_s or max(GAP_PERIODS * period_s, period_s + jitter_s)


class Arrival(NamedTuple):
    """When the bytes of one read came, on the monotonic clock."""

    first_s: float
    """When the first was seen."""
    done_s: float
    """When the last was read."""
    prompt: bool = True
    """Whether somebody was waiting for the first; otherwise it may have been there for a while."""


class Arrivals:
    """Follows the samples of one live source."""

    def __init__(
        self, rate_hz: float, max_gap_s: float | None = None, *, jitter_s: float = JITTER_S
    ) -> None:
        self._nominal_hz = rate_hz
        self._period_s = 1 / rate_hz
        self._longest_s = longest_gap_s(rate_hz, max_gap_s, jitter_s)
        self.start_s = 0.0
        """Time of the first sample of the last read."""
        self.within = False
        """Whether the last read found a gap somewhere among its samples: nobody knows before which of them."""
        self.gaps = 0
        self.longest_gap_s = 0.0
        self._last_s: float | None = None
        """Time of the last sample; None when the line was interrupted, so that none is before."""
        self._mark_s: float | None = None
        self._now_s = 0.0
        self._since_mark = 0
        self._measured_hz: float | None = None

    def arrive(self, arrival: Arrival, count: int) -> bool:
        """
        Take the `count` samples of a read.

        Return whether something is missing between them and those before. Samples that had waited for the agent
        show by their number: they reach back.
        """
        if not count:
            return False
        first_s, done_s, prompt = arrival
        period_s = self._period_s
        latest_s = done_s - (count - 1) * period_s
        start_s = min(first_s, latest_s)
        if not prompt and self._last_s is not None:
            # When the first came nobody saw: a period after the last, unless their number says otherwise.
            start_s = min(max(self._last_s + period_s, latest_s - 2 * period_s), latest_s)
        gap = False
        if self._last_s is not None:
            waited_s = start_s - self._last_s
            # Of one that may have come earlier only this is known: all of them came since the last.
            surely_s = waited_s if prompt else done_s - self._last_s - count * period_s
            gap = surely_s > self._longest_s
            if gap:
                waited_s = max(waited_s, surely_s)
                self.gaps += 1
                self.longest_gap_s = max(self.longest_gap_s, waited_s)
                self._end_measuring()
            start_s = max(start_s, self._last_s)
        self.within = gap and not prompt
        self.start_s = start_s
        self._last_s = max(start_s, min(start_s + (count - 1) * period_s, done_s))
        self._measure(done_s, count)
        return gap

    def time_of(self, position: int) -> float:
        """Return the time of a sample of the last read, by its number in it."""
        return self.start_s + position * self._period_s

    def interrupt(self) -> None:
        """Note that the line was cut: what comes next is compared with nothing."""
        self._last_s = None
        self._end_measuring()

    @property
    def rate_hz(self) -> float | None:
        """Samples per second of late, gaps left out; None until they have come for some seconds."""
        return self._measured_hz if self._measured_hz is not None else self._running_hz()

    @property
    def notes(self) -> list[str]:
        """Sentences on rate and gaps."""
        notes = []
        rate_hz = self.rate_hz
        if rate_hz is not None and abs(rate_hz / self._nominal_hz - 1) > RATE_TOLERANCE:
            notes.append(f"samples come at {rate_hz:.4g} Hz, `rate_hz` is {self._nominal_hz:g}")
        if self.gaps:
            gaps = "1 gap" if self.gaps == 1 else f"{self.gaps} gaps, the longest"
            notes.append(f"{gaps} of {self.longest_gap_s:.3g} s; `max_gap_s` sets what a gap is")
        return notes

    def _measure(self, now_s: float, count: int) -> None:
        if self._mark_s is None:  # how long its first samples took is not known
            self._mark_s, self._now_s, self._since_mark = now_s, now_s, 0
            return
        self._since_mark += count
        self._now_s = now_s
        if now_s - self._mark_s >= WINDOW_S:
            self._measured_hz = self._since_mark / (now_s - self._mark_s)
            self._mark_s, self._since_mark = now_s, 0

    def _running_hz(self) -> float | None:
        """Return the rate since the mark, where that is long enough ago."""
        passed_s = 0.0 if self._mark_s is None else self._now_s - self._mark_s
        return self._since_mark / passed_s if passed_s >= LEAST_S else None

    def _end_measuring(self) -> None:
        self._measured_hz = self._running_hz() or self._measured_hz
        self._mark_s = None
