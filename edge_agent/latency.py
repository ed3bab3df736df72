"""How long inferences take: a histogram of fixed size."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHORTEST_S = 1e-7
BUCKETS_PER_OCTAVE = 8
"""Neighbouring buckets differ by 2^(1/8): a percentile is read to about 5 %."""
OCTAVES = 30
"""Up to 1e-7 s · 2^30 = 107 s."""
RECENT_SLOTS = 6
"""Histograms in a window; the oldest leaves as a whole."""


class LatencyHistogram:
    """Counts durations in logarithmic buckets; its memory does not grow with their number."""

    def __init__(self) -> None:
        self.buckets = [0] * (BUCKETS_PER_OCTAVE * OCTAVES)
        self.count = 0
        self.longest_s = 0.0

    @classmethod
    def merged(cls, histograms: Iterable[LatencyHistogram]) -> LatencyHistogram:
        """Return the histogram of all that others have counted."""
        merged = cls()
        for histogram in histograms:
            for bucket, count in enumerate(histogram.buckets):
                merged.buckets[bucket] += count
            merged.count += histogram.count
            merged.longest_s = max(merged.longest_s, histogram.longest_s)
        return merged

    def record(self, seconds: float, count: int = 1) -> None:
        """Count `count` inferences that took `seconds` each."""
        octaves = math.log2(max(seconds, SHORTEST_S) / SHORTEST_S)
        bucket = min(int(octaves * BUCKETS_PER_OCTAVE), len(self.buckets) - 1)
        self.buckets[bucket] += count
        self.count += count
        self.longest_s = max(self.longest_s, seconds)

    def percentile_s(self, percent: float) -> float | None:
        """Return the duration that `percent` of the inferences did not exceed; None when there are none."""
        if not self.count:
            return None
        bucket = bisect_left([*accumulate(self.buckets)], self.count * percent / 100)
        middle: float = SHORTEST_S * 2.0 ** ((bucket + 0.5) / BUCKETS_PER_OCTAVE)
        return min(middle, self.longest_s)


class RecentLatency:
    """The durations of about the last `window_s`: histograms that follow each other."""

    def __init__(self, window_s: float, now_s: float) -> None:
        self._slot_s = window_s / RECENT_SLOTS
        self._slots = [LatencyHistogram() for _ in range(RECENT_SLOTS)]
        self._newest = int(now_s / self._slot_s)

    def record(self, now_s: float, seconds: float, count: int = 1) -> None:
        """Count `count` durations of that length."""
        self._advance(now_s)
        self._slots[self._newest % RECENT_SLOTS].record(seconds, count)

    def percentile_s(self, percent: float, now_s: float) -> float | None:
        """Return the duration that `percent` of the last ones did not exceed; None when there are none."""
        self._advance(now_s)
        return LatencyHistogram.merged(self._slots).percentile_s(percent)

    def _advance(self, now_s: float) -> None:
        slot = int(now_s / self._slot_s)
        for passed in range(self._newest + 1, min(slot, self._newest + RECENT_SLOTS) + 1):
            self._slots[passed % RECENT_SLOTS] = LatencyHistogram()
        self._newest = max(slot, self._newest)
