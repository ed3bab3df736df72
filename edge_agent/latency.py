"""How long inferences take: a histogram of fixed size."""

from __future__ import annotations

import math

SHORTEST_S = 1e-7
BUCKETS_PER_OCTAVE = 8
"""Neighbouring buckets differ by 2^(1/8): a percentile is read to about 5 %."""
OCTAVES = 30
"""Up to 1e-7 s · 2^30 = 107 s."""


class LatencyHistogram:
    """Counts durations in logarithmic buckets; its memory does not grow with their number."""

    def __init__(self) -> None:
        self._buckets = [0] * (BUCKETS_PER_OCTAVE * OCTAVES)
        self.count = 0
        self.longest_s = 0.0

    def record(self, seconds: float, count: int = 1) -> None:
        """Count `count` inferences that took `seconds` each."""
        octaves = math.log2(max(seconds, SHORTEST_S) / SHORTEST_S)
        bucket = min(int(octaves * BUCKETS_PER_OCTAVE), len(self._buckets) - 1)
        self._buckets[bucket] += count
        self.count += count
        self.longest_s = max(self.longest_s, seconds)

    def percentile_s(self, percent: float) -> float | None:
        """Return the duration that `percent` of the inferences did not exceed; None when there are none."""
        if not self.count:
            return None
        wanted = self.count * percent / 100
        seen = 0
        for bucket, count in enumerate(self._buckets):
            seen += count
            if count and seen >= wanted:
                middle: float = SHORTEST_S * 2.0 ** ((bucket + 0.5) / BUCKETS_PER_OCTAVE)
                return min(middle, self.longest_s)
        return self.longest_s
