"""The numbers in the feature graph: window functions, mel bands, cosines; float64, by the formulas of the libraries named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekit.features_section import MelBands, MfccFeatures, PerValue, Spectral

    Doubles = NDArray[np.float64]

_COSINES: Final = {
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "rectangular": (1.0,),
}
"""Weights of a window function's cosines of 0, 1, 2 … turns, whose signs alternate: as in SciPy's general_cosine."""

_SLANEY_LINEAR_HZ: Final = 200 / 3
"""Hz a mel below the break, by Slaney's Auditory Toolbox, as librosa has it."""
_SLANEY_BREAK_HZ: Final = 1000.0
_SLANEY_LOG_STEP: Final = np.log(6.4) / 27
_HTK_HZ: Final = 700.0
_HTK_MELS: Final = 1127.0
"""Mels of `ln(1 + f / 700)`, as HTK and tf.signal write it; librosa's 2595 · log10 is the same within 1e-5."""


def taper(features: Spectral) -> Doubles:
    """Return the window function `[n_fft]`, its zeros first: what stands before a frame does not change its power."""
    length = features.frame
    turns = 2 * np.pi * np.arange(length) / (length if features.periodic else length - 1)
    weights = _COSINES[features.window_function]
    values = sum((-1) ** n * weight * np.cos(n * turns) for n, weight in enumerate(weights))
    return np.concatenate([np.zeros(features.length - length), np.asarray(values)])


def mel_bands(features: MelBands, rate_hz: float) -> Doubles:
    """Return the weights `[n_fft / 2 + 1, bins]` of the bands."""
    centres_hz = np.arange(features.length // 2 + 1) * rate_hz / features.length
    ends = np.array([features.fmin, features.highest_hz(rate_hz)])
    if features.mel == "slaney":
        low, high = _to_slaney(ends)
        edges = _from_slaney(np.linspace(low, high, features.bins + 2))
    else:
        low, high = _to_htk(ends)
        edges = _from_htk(np.linspace(low, high, features.bins + 2))
    if features.mel == "tf":  # its triangles are straight in mel, and the constant part is left out
        bands = _triangles(_to_htk(centres_hz), _to_htk(edges))
        bands[0] = 0
    else:
        bands = _triangles(centres_hz, edges)
    if features.norm == "slaney":
        bands *= 2 / (edges[2:] - edges[:-2])
    return bands


def cosines(features: MfccFeatures) -> Doubles:
    """Return the cosine transform `[bins, coefficients]`, liftered."""
    bins, numbers = features.bins, np.arange(features.coefficients)
    phases = np.pi / bins * (np.arange(bins)[:, np.newaxis] + 0.5) * numbers
    table: Doubles = np.sqrt(2 / bins) * np.cos(phases)
    if features.dct == "ortho":
        table[:, 0] /= np.sqrt(2)
    if features.lifter > 0:
        table *= 1 + features.lifter / 2 * np.sin(np.pi * (numbers + 1) / features.lifter)
    return table


def per_value(value: PerValue, channels: int, values: int) -> Doubles:
    """Return numbers that a tensor `[channels, frames, values]` broadcasts with."""
    numbers = np.asarray(value, np.float64).reshape(-1)
    if numbers.size == channels * values:
        return numbers.reshape(channels, 1, values)
    return numbers.reshape(1, 1, -1)


def _triangles(places: Doubles, edges: Doubles) -> Doubles:
    """Return `[places, edges - 2]`: from 0 at one edge over 1 at the next to 0 at the one after."""
    widths = np.diff(edges)
    distances = places[:, np.newaxis] - edges
    rising = distances[:, :-2] / widths[:-1]
    falling = -distances[:, 2:] / widths[1:]
    return np.maximum(0.0, np.minimum(rising, falling))


def _to_htk(hz: Doubles) -> Doubles:
    mels: Doubles = _HTK_MELS * np.log1p(hz / _HTK_HZ)
    return mels


def _from_htk(mels: Doubles) -> Doubles:
    hz: Doubles = _HTK_HZ * np.expm1(mels / _HTK_MELS)
    return hz


def _to_slaney(hz: Doubles) -> Doubles:
    beyond = np.log(np.maximum(hz, _SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP
    mels: Doubles = np.minimum(hz, _SLANEY_BREAK_HZ) / _SLANEY_LINEAR_HZ + beyond
    return mels


def _from_slaney(mels: Doubles) -> Doubles:
    at_break = _SLANEY_BREAK_HZ / _SLANEY_LINEAR_HZ
    straight = np.minimum(mels, at_break) * _SLANEY_LINEAR_HZ
    hz: Doubles = straight * np.exp(_SLANEY_LOG_STEP * np.maximum(mels - at_break, 0.0))
    return hz
