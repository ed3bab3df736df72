"""What the model takes and gives, and the rule that turns predictions into events."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edge_agent.config.checks import STRICT, check, check_finite


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The samples that the model takes."""

    __pydantic_config__ = STRICT

    channels: tuple[str, ...]
    """Names of the channels in the model's order; columns of a recording are found by these names."""
    rate_hz: float
    """Samples per second that the model was trained on."""
    window: int
    """Length of one window in raw samples."""
    hop: int
    """Raw samples from one window to the next; `window` means no overlap."""
    on_bad: Literal["drop", "hold"] = "drop"
    """What a sample with a missing, infinite or out-of-range value does: `drop` it (a gap), or `hold` each channel's last good value."""
    min: float | None = None
    """Smallest raw value that is believed; below it the sample is bad."""
    max: float | None = None
    """Largest raw value that is believed; above it the sample is bad."""
    max_gap_s: float | None = None
    """Longest time between two samples that is not a gap; by default 1.5 periods as measured. No window spans a gap."""

    def __post_init__(self) -> None:
        check(len(self.channels) > 0, "`channels` is empty: name every channel of the model")
        check(
            len(set(self.channels)) == len(self.channels),
            f"`channels` names one twice: {', '.join(self.channels)}",
        )
        check(0 < self.rate_hz < math.inf, f"`rate_hz` is {self.rate_hz}: must be positive")
        check(self.window > 0, f"`window` is {self.window}: must be positive")
        check(self.hop > 0, f"`hop` is {self.hop}: must be positive")
        check(
            self.max_gap_s is None or 0 < self.max_gap_s < math.inf,
            f"`max_gap_s` is {self.max_gap_s}: must be positive",
        )
        check_finite("min", self.min)
        check_finite("max", self.max)
        check(
            self.min is None or self.max is None or self.min < self.max,
            f"`min` {self.min} is not below `max` {self.max}",
        )


@dataclass(frozen=True, kw_only=True)
class Output:
    """What the model's output means."""

    __pydantic_config__ = STRICT

    kind: Literal["classes", "value", "anomaly", "raw"] = "classes"
    """`classes`: a probability a label; `value`: numbers (regression); `anomaly`: reconstruction error of an autoencoder; `raw`: as it is."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of a recording are no channels; by default they are recognised by name."""

    __pydantic_config__ = STRICT

    time: str | None = None
    """Column with the time of each sample: seconds, milli-, micro- or nanoseconds (by `_ms` and the like, or by the rate), or ISO 8601."""
    label: str | None = None
    """Column with the true label of each sample."""
    group: str | None = None
    """Column that tells recordings apart (subject, session, file): no window spans two groups."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The rule that turns predictions into events."""

    __pydantic_config__ = STRICT

    threshold: float | dict[str, float] | None = None
    """Least score that counts, for all labels or per label; without it the best class always counts, and values make no events."""
    hold: int = 1
    """Predictions in a row that must agree before an event is made."""
    hysteresis: float = 0.0
    """How far a score may fall below the threshold before the state that it entered is left."""

    def __post_init__(self) -> None:
        check(self.hold >= 1, f"`hold` is {self.hold}: must be at least 1")
        check(
            0 <= self.hysteresis < math.inf,
            f"`hysteresis` is {self.hysteresis}: must not be negative",
        )
        if isinstance(self.threshold, dict):
            for label, threshold in self.threshold.items():
                check_finite(f"threshold.{label}", threshold)
        else:
            check_finite("threshold", self.threshold)
