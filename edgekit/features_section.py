"""
The key `[input] features` of edgekit.toml: what is computed of the samples in front of the model.

Frames are never padded: a window of raw samples holds `1 + (window - frame) // step` of them, the first one at its
beginning. Formulas, and the call of the library whose numbers each kind has, are in docs/features.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edge_agent import config

FeatureLayout = Literal[
    "time-channel-value",
    "time-value-channel",
    "channel-time-value",
    "channel-value-time",
    "value-time-channel",
    "value-channel-time",
]
PerValue = float | tuple[float, ...]
Logarithm = Literal["none", "ln", "log10", "db"]
Statistic = Literal[
    "mean",
    "std",
    "variance",
    "min",
    "max",
    "range",
    "rms",
    "mean-abs",
    "skewness",
    "kurtosis",
    "zero-crossings",
    "mean-crossings",
]

LARGEST_FRAME = 1 << 16
"""Four seconds of audio; a typing error is longer."""

MOST_VALUES = 1024
"""Mel bands of one frame, far over what any model takes."""

MOST_WEIGHTS = 1 << 22
"""Bands times bins: the matrix of the bands, 32 MiB, stands in the archive."""

MOST_AT_ONCE = 1 << 24
"""Values of all frames of a window before they are summed up; 256 MiB for a Fourier transform."""

MOST_FRAMED = 1024
"""Samples of a frame of statistics where a window holds several: taking frames apart costs their square."""


@dataclass(frozen=True, kw_only=True)
class FramedFeatures:
    """What all kinds have: where the frames lie, and what is done with the values."""

    __pydantic_config__ = config.STRICT

    frame: int
    """Raw samples that one frame of features is computed from."""
    step: int
    """Raw samples from one frame to the next; frames are never padded, so `window` holds 1 + (window - frame) // step."""
    layout: FeatureLayout | None = None
    """Order of the model's own input axes; found by itself where the shape leaves no doubt."""
    scale: PerValue | None = None
    """Feature to model value: `x * scale + offset`, one number, one a value, or one a value for each channel in turn."""
    offset: PerValue | None = None
    """See `scale`."""
    mean: PerValue | None = None
    """Instead of scale and offset: `(x - mean) / std`, with what the features were in training."""
    std: PerValue | None = None
    """See `mean`."""
    clip: tuple[float, float] | None = None
    """Least and largest value that the model is given, after all else."""

    def __post_init__(self) -> None:
        for name in ("frame", "step"):
            value = getattr(self, name)
            _check(value > 0, f"`{name}` is {value}: must be positive")
        _check(
            self.frame <= LARGEST_FRAME,
            f"`frame` is {self.frame}: at most {LARGEST_FRAME} samples",
        )
        if (self.mean is None) != (self.std is None):
            raise ValueError("`mean` and `std` go together: one of them is missing")
        if self.mean is not None and (self.scale is not None or self.offset is not None):
            raise ValueError("`mean` and `std` say the same as `scale` and `offset`: keep one pair")
        _check(
            self.clip is None or self.clip[0] < self.clip[1],
            f"`clip` is {list(self.clip or ())}: the first must be below the second",
        )
        for number in _numbers(self.std):
            _check(number > 0, f"`std` holds {number:g}: must be positive")

    def frames_in(self, window: int) -> int:
        """Return how many frames a window of raw samples holds; 0 if it is too short for one."""
        return max(0, 1 + (window - self.lead_samples - self.frame) // self.step)

    def window_of(self, frames: int) -> int:
        """Return the shortest window of raw samples that holds so many frames."""
        return self.lead_samples + self.frame + (frames - 1) * self.step

    @property
    def lead_samples(self) -> int:
        """Raw samples that a window needs before its first frame."""
        return 0

    @property
    def longest(self) -> int:
        """Values that a frame has on its way to the features."""
        return self.frame

    def values_a_frame(self, rate_hz: float) -> int:
        """Return how many values one frame of one channel gives, with so many samples a second."""
        raise NotImplementedError

    def check(self, *, window: int, channels: int, rate_hz: float) -> None:
        """Raise ValueError if the features do not fit the stream: its window, its channels, its rate."""
        if self.frames_in(window) < 1:
            raise ValueError(
                f"`window` is {window}: one frame of features takes {self.window_of(1)} samples"
            )
        frames = self.frames_in(window)
        _check(
            frames * channels * self.longest <= MOST_AT_ONCE,
            f"`features.step` is {self.step}: a window of {window} samples holds {frames} frames of {self.longest} then, "
            f"with {channels} channels more than {MOST_AT_ONCE:,} values at once",
        )
        values = self.values_a_frame(rate_hz)
        for name in ("scale", "offset", "mean", "std"):
            given = getattr(self, name)
            if isinstance(given, tuple) and len(given) not in (values, values * channels):
                raise ValueError(
                    f"`features.{name}` has {len(given)} numbers: must be one, {values} (one a value) "
                    f"or {values * channels} (for each channel in turn)"
                )


@dataclass(frozen=True, kw_only=True)
class Spectral(FramedFeatures):
    """What the kinds with a Fourier transform have."""

    n_fft: int | None = None
    """Length of the Fourier transform, `frame` if not given; zeros are appended to the frame up to it."""
    window_function: Literal["hann", "hamming", "blackman", "rectangular"] = "hann"
    """What the samples of a frame are multiplied with, over the whole frame."""
    periodic: bool = True
    """Whether the window function is the periodic one (as librosa's, SciPy's and tf.signal's default), not the symmetric one (as numpy.hamming)."""
    pre_emphasis: float = 0.0
    """`y[n] = x[n] - pre_emphasis * x[n-1]` before framing; the window then begins with one sample that is only x[n-1]."""
    power: Literal[1, 2] = 2
    """1: magnitude of the Fourier transform, 2: its square."""
    fmin: float = 0.0
    """Lowest frequency in Hz."""
    fmax: float | None = None
    """Highest frequency in Hz, half the rate if not given."""
    log: Logarithm = "none"
    """Logarithm of the values: `ln`, `log10`, or `db` (10 * log10 of power, 20 * log10 of magnitude)."""
    floor: float = 1e-10
    """Values below it are raised to it before the logarithm."""
    add: float = 0.0
    """Added to the values before the floor and the logarithm, as in `log(x + 1e-6)`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        n_fft = self.n_fft
        _check(
            n_fft is None or self.frame <= n_fft <= LARGEST_FRAME,
            f"`n_fft` is {n_fft}: must be from `frame`, {self.frame}, to {LARGEST_FRAME}",
        )
        _check(self.frame > 1, "`frame` is 1: a spectrum needs at least 2 samples")
        _check(
            0 <= self.pre_emphasis <= 1,
            f"`pre_emphasis` is {self.pre_emphasis:g}: must be from 0 to 1",
        )
        _check(self.fmin >= 0, f"`fmin` is {self.fmin:g}: must not be negative")
        _check(
            self.fmax is None or self.fmax > self.fmin,
            f"`fmax` is {self.fmax}: must be above `fmin`, {self.fmin:g}",
        )
        for name in ("floor", "add"):
            value = getattr(self, name)
            _check(value >= 0, f"`{name}` is {value:g}: must not be negative")
        _check(
            self.log == "none" or max(self.floor, self.add) >= 1e-30,  # noqa: PLR2004 (what is left in float32)
            "`floor` and `add` are below 1e-30: the logarithm of silence would be infinite",
        )

    @property
    def lead_samples(self) -> int:
        """The sample before the first frame, which pre-emphasis needs."""
        return 1 if self.pre_emphasis else 0

    @property
    def length(self) -> int:
        """Length of the Fourier transform."""
        return self.n_fft or self.frame

    @property
    def longest(self) -> int:
        """The Fourier transform's length."""
        return self.length

    def highest_hz(self, rate_hz: float) -> float:
        """Return the highest frequency that is looked at."""
        return rate_hz / 2 if self.fmax is None else self.fmax

    def bin_range(self, rate_hz: float) -> tuple[int, int]:
        """Return the first bin of the Fourier transform from `fmin` to `fmax`, and the one after the last."""
        to_bin = self.length / rate_hz
        # a frequency that is meant to be a bin's own must not miss it by a rounding
        first = math.ceil(self.fmin * to_bin - 1e-9)
        last = math.floor(self.highest_hz(rate_hz) * to_bin + 1e-9)
        return first, min(last, self.length // 2) + 1

    def check(self, *, window: int, channels: int, rate_hz: float) -> None:
        """Raise ValueError if the features do not fit the stream: its window, its channels, its rate."""
        highest = self.highest_hz(rate_hz)
        if highest > rate_hz / 2 or self.fmin >= highest:
            key, value = ("fmax", highest) if highest > rate_hz / 2 else ("fmin", self.fmin)
            raise ValueError(
                f"`features.{key}` is {value:g}: {rate_hz:g} samples a second hold frequencies up to {rate_hz / 2:g} Hz"
            )
        super().check(window=window, channels=channels, rate_hz=rate_hz)


@dataclass(frozen=True, kw_only=True)
class SpectrumFeatures(Spectral):
    """Bins of the Fourier transform of each frame and channel; the numbers are those of numpy.fft.rfft."""

    kind: Literal["spectrum"]

    def values_a_frame(self, rate_hz: float) -> int:
        """Return how many bins lie from `fmin` to `fmax`."""
        first, after = self.bin_range(rate_hz)
        return max(0, after - first)

    def check(self, *, window: int, channels: int, rate_hz: float) -> None:
        """Raise ValueError if the features do not fit the stream: its window, its channels, its rate."""
        if self.values_a_frame(rate_hz) < 1:
            raise ValueError(
                f"`features.fmin` and `fmax` hold no bin: these are {rate_hz / self.length:g} Hz apart"
            )
        super().check(window=window, channels=channels, rate_hz=rate_hz)


@dataclass(frozen=True, kw_only=True)
class MelBands(Spectral):
    """What log-mel and mfcc have: the bands, and their logarithm."""

    bins: int = 128
    """Mel bands."""
    mel: Literal["slaney", "htk", "tf"] = "slaney"
    """The bands of librosa.filters.mel (`slaney`, or `htk` as with htk=True), or of tf.signal.linear_to_mel_weight_matrix (`tf`)."""
    mel_norm: Literal["slaney", "none"] | None = None
    """`slaney`: each band has the same area, as is librosa's default; `none`: each has height 1, as with tf.signal and torchaudio."""
    log: Logarithm = "db"
    """Logarithm of the bands: `ln`, `log10`, or `db` (10 * log10 of power, 20 * log10 of magnitude)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(
            0 < self.bins <= MOST_VALUES, f"`bins` is {self.bins}: must be from 1 to {MOST_VALUES}"
        )
        _check(
            self.bins * (self.length // 2 + 1) <= MOST_WEIGHTS,
            f"`bins` is {self.bins}: with a Fourier transform of {self.length} more than {MOST_WEIGHTS:,} weights",
        )

    @property
    def norm(self) -> Literal["slaney", "none"]:
        """How the bands are normalised: as `mel_norm` says, or as the library does by default."""
        return self.mel_norm or ("none" if self.mel == "tf" else "slaney")


@dataclass(frozen=True, kw_only=True)
class LogMelFeatures(MelBands):
    """Logarithm of mel bands; by default the numbers of librosa, with `mel = "tf"` those of tf.signal."""

    kind: Literal["log-mel"]

    def values_a_frame(self, rate_hz: float) -> int:
        """Return how many bands there are; the rate does not matter."""
        del rate_hz
        return self.bins


@dataclass(frozen=True, kw_only=True)
class MfccFeatures(MelBands):
    """Cosine transform of log-mel; by default the numbers of librosa, without its `top_db`."""

    kind: Literal["mfcc"]
    coefficients: int = 20
    """How many coefficients are kept, from the first one on."""
    dct: Literal["ortho", "tf"] = "ortho"
    """`ortho`: librosa's and SciPy's orthonormal transform; `tf`: tf.signal.mfccs_from_log_mel_spectrograms, whose first one is √2 larger."""
    lifter: float = 0.0
    """Cepstral liftering as librosa does it: coefficient n times 1 + lifter / 2 * sin(π (n + 1) / lifter); 0: none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(
            0 < self.coefficients <= self.bins,
            f"`coefficients` is {self.coefficients}: must be from 1 to `bins`, {self.bins}",
        )
        _check(self.lifter >= 0, f"`lifter` is {self.lifter:g}: must not be negative")

    def values_a_frame(self, rate_hz: float) -> int:
        """Return how many coefficients there are; the rate does not matter."""
        del rate_hz
        return self.coefficients


@dataclass(frozen=True, kw_only=True)
class StatisticsFeatures(FramedFeatures):
    """Numbers that sum up each frame and channel; they are those of NumPy and scipy.stats."""

    kind: Literal["statistics"]
    values: tuple[Statistic, ...]
    """Which, in the model's order; each is one value a channel."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.frame > 1, "`frame` is 1: statistics need at least 2 samples")
        _check(len(self.values) > 0, "`values` is empty: name what the model takes")
        twice = next((name for name in self.values if self.values.count(name) > 1), None)
        _check(twice is None, f"`values` names `{twice}` twice")

    def values_a_frame(self, rate_hz: float) -> int:
        """Return how many statistics there are; the rate does not matter."""
        del rate_hz
        return len(self.values)

    def check(self, *, window: int, channels: int, rate_hz: float) -> None:
        """Raise ValueError if the features do not fit the stream: its window, its channels, its rate."""
        if self.frames_in(window) > 1 and self.frame > MOST_FRAMED:
            raise ValueError(
                f"`features.frame` is {self.frame}: statistics of several frames in a window take at most {MOST_FRAMED} samples each"
            )
        super().check(window=window, channels=channels, rate_hz=rate_hz)


Features = LogMelFeatures | MfccFeatures | SpectrumFeatures | StatisticsFeatures

KINDS: dict[str, type[Features]] = {
    "log-mel": LogMelFeatures,
    "mfcc": MfccFeatures,
    "spectrum": SpectrumFeatures,
    "statistics": StatisticsFeatures,
}


def _check(good: bool, message: str) -> None:
    if not good:
        raise ValueError(message)


def _numbers(value: PerValue | None) -> tuple[float, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
