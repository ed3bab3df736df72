"""
Features in plain NumPy, for the proof: by another road than the graph's, from the definitions in docs/features.md.

The graph transforms, multiplies and sums with tables; here `numpy.fft` transforms single frames, mel bands come from
interpolation and the cosine transform from a Fourier transform. Nothing is shared but the section's keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.features_section import MelBands, MfccFeatures, SpectrumFeatures, StatisticsFeatures

if TYPE_CHECKING:
    from edgekit.features_section import Features, PerValue, Spectral

    Array = np.ndarray[Any, Any]


def features_of(windows: Array, features: Features, rate_hz: float) -> Array:
    """Return float32 features `[n, frames, channels, values]` of windows `[n, window, channels]`."""
    return np.stack([_of_window(window, features, rate_hz) for window in windows])


def _of_window(window: Array, features: Features, rate_hz: float) -> Array:
    samples = window.T.astype(np.float64)
    if isinstance(features, StatisticsFeatures):
        values = _statistics(_framed(samples, features), features)
    else:
        values = _spectral(samples, features, rate_hz)
    values = _scaled(values, features)
    return values.transpose(1, 0, 2).astype(np.float32)


def _framed(samples: Array, features: Features) -> Array:
    """Return `[channels, frames, frame]` of `[channels, time]`."""
    views = np.lib.stride_tricks.sliding_window_view(samples, features.frame, axis=1)
    framed: Array = views[:, :: features.step]
    return framed


def _spectral(samples: Array, features: Spectral, rate_hz: float) -> Array:
    if features.pre_emphasis:
        samples = samples[:, 1:] - features.pre_emphasis * samples[:, :-1]
    framed = _framed(samples, features) * _taper(features)  # type: ignore[arg-type]  # has frame and step
    values = np.abs(np.fft.rfft(framed, features.length))
    if features.power == 2:  # noqa: PLR2004 (the square)
        values = np.square(values)
    frequencies = np.fft.rfftfreq(features.length, 1 / rate_hz)
    if isinstance(features, SpectrumFeatures):
        slack = 1e-9 * rate_hz
        high = rate_hz / 2 if features.fmax is None else features.fmax
        values = values[..., (frequencies >= features.fmin - slack) & (frequencies <= high + slack)]
    if isinstance(features, MelBands):
        values = np.einsum("ctf,bf->ctb", values, _bands(features, frequencies, rate_hz))
    values = _logarithm(values, features)
    return _cepstrum(values, features) if isinstance(features, MfccFeatures) else values


def _taper(features: Spectral) -> Array:
    if features.window_function == "rectangular":
        return np.ones(features.frame)
    shape = {"hann": np.hanning, "hamming": np.hamming, "blackman": np.blackman}
    length = features.frame + 1 if features.periodic else features.frame
    taper: Array = shape[features.window_function](length)[: features.frame]
    return taper


def _bands(features: MelBands, frequencies: Array, rate_hz: float) -> Array:
    """Return `[bins, frequencies]`."""
    high = rate_hz / 2 if features.fmax is None else features.fmax
    to_mel, from_mel = _SCALES["slaney" if features.mel == "slaney" else "htk"]
    mels = np.linspace(to_mel(features.fmin), to_mel(high), features.bins + 2)
    edges = np.array([from_mel(mel) for mel in mels])
    if features.mel == "tf":
        places, corners = np.array([to_mel(frequency) for frequency in frequencies]), mels
    else:
        places, corners = frequencies, edges
    bands = np.stack(
        [
            np.interp(places, corners[band : band + 3], [0.0, 1.0, 0.0])
            for band in range(features.bins)
        ]
    )
    if features.mel == "tf":
        bands[:, 0] = 0
    if features.norm == "slaney":
        bands *= (2 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    return bands


def _htk(hz: float) -> float:
    return float(1127 * np.log(1 + hz / 700))


def _from_htk(mel: float) -> float:
    return float(700 * (np.exp(mel / 1127) - 1))


def _slaney(hz: float) -> float:
    return 3 * hz / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))  # noqa: PLR2004 (the scale's break)


def _from_slaney(mel: float) -> float:
    return 200 * mel / 3 if mel < 15 else float(1000 * 6.4 ** ((mel - 15) / 27))  # noqa: PLR2004 (the scale's break)


_SCALES = {"htk": (_htk, _from_htk), "slaney": (_slaney, _from_slaney)}


def _logarithm(values: Array, features: Spectral) -> Array:
    if features.log == "none":
        return values
    values = np.maximum(values + features.add, features.floor)
    if features.log == "ln":
        return np.log(values)
    tens = {"log10": 1, "db": 10 * (3 - features.power)}
    logs: Array = tens[features.log] * np.log10(values)
    return logs


def _cepstrum(values: Array, features: MfccFeatures) -> Array:
    """Return the cosine transform of type II by a Fourier transform of the values and their mirror image."""
    count = features.bins
    mirrored = np.concatenate([values, values[..., ::-1]], axis=-1)
    numbers = np.arange(features.coefficients)
    turned = np.exp(-1j * np.pi * numbers / (2 * count))
    sums = (np.fft.fft(mirrored)[..., : features.coefficients] * turned).real / 2
    weights = np.full(features.coefficients, np.sqrt(2 / count))
    if features.dct == "ortho":
        weights[0] = np.sqrt(1 / count)
    if features.lifter:
        weights *= 1 + features.lifter / 2 * np.sin(np.pi * (1 + numbers) / features.lifter)
    cepstrum: Array = sums * weights
    return cepstrum


def _statistics(framed: Array, features: StatisticsFeatures) -> Array:
    return np.stack([_statistic(framed, name) for name in features.values], axis=-1)


def _statistic(framed: Array, name: str) -> Array:  # noqa: PLR0911 (a line for each)
    if name in {"mean", "std", "min", "max"}:
        values: Array = getattr(framed, name)(axis=-1)
        return values
    if name == "variance":
        return np.asarray(framed.var(axis=-1))
    if name == "range":
        return np.asarray(np.ptp(framed, axis=-1))
    if name == "rms":
        return np.asarray(np.sqrt(np.square(framed).mean(axis=-1)))
    if name == "mean-abs":
        return np.asarray(np.abs(framed).mean(axis=-1))
    if name in {"skewness", "kurtosis"}:
        return _shape_of_distribution(framed, 3 if name == "skewness" else 4)
    centre = framed.mean(axis=-1, keepdims=True) if name == "mean-crossings" else 0.0
    negative = (framed - centre) < 0
    return np.asarray((negative[..., 1:] != negative[..., :-1]).sum(axis=-1).astype(np.float64))


def _shape_of_distribution(framed: Array, moment: int) -> Array:
    """Return skewness (third) or excess kurtosis (fourth moment); 0 where a frame does not vary."""
    mean = framed.mean(axis=-1, keepdims=True)
    spread = framed.std(axis=-1)
    varies = spread > 1e-15 * np.abs(mean[..., 0])
    central = ((framed - mean) ** moment).mean(axis=-1)
    ratio = central / np.where(varies, spread, 1.0) ** moment
    return np.where(varies, ratio - (3 if moment == 4 else 0), 0.0)  # noqa: PLR2004 (the fourth)


def _scaled(values: Array, features: Features) -> Array:
    def each(value: PerValue) -> Array:
        numbers = np.atleast_1d(np.asarray(value, np.float64))
        return numbers.reshape(-1, 1, values.shape[2]) if numbers.size > 1 else numbers

    if features.mean is not None and features.std is not None:
        values = (values - each(features.mean)) / each(features.std)
    if features.scale is not None:
        values = values * each(features.scale)
    if features.offset is not None:
        values = values + each(features.offset)
    return values if features.clip is None else np.clip(values, *features.clip)
