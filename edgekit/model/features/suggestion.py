"""Which key would make the shapes go together, where a model takes features that the project does not give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from edgekit.features_section import LogMelFeatures, MfccFeatures, Statistic, StatisticsFeatures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.features_section import Features
    from edgekit.model.graph_spec import GraphSpec

_USUAL_BANDS: Final = frozenset({10, 12, 13, 20, 23, 26, 32, 39, 40, 60, 64, 80, 96, 128})
"""Mel bands and coefficients that models are trained on."""

_ELSE: Final = (
    "else set `window` and `channels` in [input] to what the model was trained on, "
    "or compute its features before EdgeKit"
)


def of_samples(axes: Sequence[int], spec: GraphSpec) -> str | None:
    """
    Return a hint for a model that seems to take features, given raw samples; None if it does not look like that.

    `axes`: the model's input without batch and other axes of length 1.
    """
    window, channels = spec.window, spec.channels
    if len(axes) == 1 and window > 1:
        vector = _vector(axes[0], window, channels)
        return None if vector is None else f"{vector}; {_ELSE}"
    count = bands_among(axes)
    if count is not None and channels == 1:
        frames = axes[0] if axes[1] == count else axes[1]
        return (
            f'[input] `features = {{ kind = "log-mel", bins = {count}, frame = …, step = … }}` or `{{ kind = "mfcc", '
            f"coefficients = {count}, … }}` gives that, with `frame` and `step` as in training and "
            f"`window = frame + {frames - 1} * step`; {_ELSE}"
        )
    return None


def bands_among(axes: Sequence[int | None]) -> int | None:
    """Return which of two axes is probably bands or coefficients, the other one being frames; None if none looks so."""
    if len(axes) != 2 or any(length is not None and length < min(_USUAL_BANDS) for length in axes):  # noqa: PLR2004 (frames and bands)
        return None
    return next((length for length in reversed(axes) if length in _USUAL_BANDS), None)


def _vector(length: int, window: int, channels: int) -> str | None:
    """Return what one vector of features may be; None where it is rather a window of another length."""
    known = get_args(Statistic)
    each, rest = divmod(length, channels)
    start = f"frame = {window}, step = {window}"
    if channels == 1 and length in _USUAL_BANDS:
        return f'[input] `features = {{ kind = "mfcc", {start}, coefficients = {length} }}` gives so many'
    start = f'[input] `features = {{ kind = "statistics", {start}, values = '
    if rest:
        return f"{start}[…] }}` gives a multiple of {channels} values, which {length} is not"
    if each > len(known):
        return None
    values = ", ".join(f'"{name}"' for name in known[:each])
    return f"{start}[{values}] }}` gives {channels} × {each} of them"  # noqa: RUF001 (a product)


def of_features(axes: Sequence[int], spec: GraphSpec, features: Features) -> str:
    """Return a hint for features that do not fit: the window for other frames, the key for other values."""
    frames = features.frames_in(spec.window)
    values = features.values_a_frame(spec.rate_hz or 0.0)
    if values in axes and len(axes) > 1:
        others = list(axes)
        others.remove(values)
        wanted = next((length for length in others if length != spec.channels), others[0])
        return (
            f"for {wanted} frames set [input] `window = {features.window_of(wanted)}`: frames are never padded, "
            "and a window holds 1 + (window - frame) // step of them"
        )
    if frames in axes or frames == 1:
        rest = [length for length in axes if length != frames or frames == 1]
        total = rest[0] if rest else values
        wanted = total // spec.channels if total % spec.channels == 0 else total
        key = {LogMelFeatures: "bins", MfccFeatures: "coefficients"}.get(type(features))
        if key is not None:
            return f"set `{key} = {wanted}` in `features`"
        if isinstance(features, StatisticsFeatures):
            return f"name {wanted} statistics in `values` of `features`, not {values}"
        return f"choose `n_fft`, `fmin` and `fmax` in `features` so that {wanted} bins are left, not {values}"
    return "set `window`, and `frame` and `step` in `features`, to what the model was trained on"
