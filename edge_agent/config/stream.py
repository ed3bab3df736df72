"""What the model takes and gives, and the rule that turns predictions into events."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edge_agent.config.checks import STRICT, check, check_finite, per_channel


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
    on_bad: Literal["drop", "hold", "clip", "mark"] = "drop"
    """What a missing, infinite, out-of-range or stuck value does: `drop` its sample (a gap), `hold` the channel's last good value, `clip` it to `min` and `max`, or `mark` the predictions it is in."""
    hold_samples: int | None = None
    """With `on_bad = "hold"`: a channel's last value stands in for so many samples in a row at most; what follows is dropped."""
    min: float | tuple[float, ...] | None = None
    """Smallest raw value that is believed, one number or one a channel; below it the sample is bad."""
    max: float | tuple[float, ...] | None = None
    """Largest raw value that is believed, one number or one a channel; above it the sample is bad."""
    stuck_samples: int | None = None
    """So many equal values of a channel in a row are bad: a sensor that hangs repeats itself."""
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
        check(
            self.hold_samples is None or self.hold_samples > 0,
            f"`hold_samples` is {self.hold_samples}: must be positive",
        )
        check(
            self.hold_samples is None or self.on_bad == "hold",
            '`hold_samples` is of no use without `on_bad = "hold"`',
        )
        check(
            self.stuck_samples is None or self.stuck_samples > 1,
            f"`stuck_samples` is {self.stuck_samples}: must be at least 2",
        )
        for name, lowest, highest in zip(self.channels, *self._limits(), strict=True):
            check(lowest < highest, f"`min` {lowest:g} of `{name}` is not below `max` {highest:g}")

    def bounds(self) -> list[tuple[float, float]]:
        """Return the smallest and the largest believed value of each channel; infinite where none is set."""
        return list(zip(*self._limits(), strict=True))

    def _limits(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        count = len(self.channels)
        return (
            per_channel("min", self.min, count, -math.inf),
            per_channel("max", self.max, count, math.inf),
        )


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """One device's correction of its own sensor, before anything is checked: `raw * gain + offset`."""

    __pydantic_config__ = STRICT

    gain: tuple[float, ...] | None = None
    """One factor a channel; 1 by default."""
    offset: tuple[float, ...] | None = None
    """One number a channel, added after the gain; 0 by default."""

    def __post_init__(self) -> None:
        for name in ("gain", "offset"):
            for value in getattr(self, name) or ():
                check_finite(name, value)
        check(
            0.0 not in (self.gain or ()), "`gain` is 0 for a channel: nothing of it would be left"
        )

    def check_fits(self, channels: tuple[str, ...]) -> None:
        """Raise ValueError unless there is one number for each of the channels."""
        for name in ("gain", "offset"):
            values = getattr(self, name)
            check(
                values is None or len(values) == len(channels),
                f"`{name}` has {len(values or ())} values for {len(channels)} channels",
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
