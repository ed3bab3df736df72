"""
Whether samples lie where the model was trained, as far as something tells where that is.

Three things can tell: the quantisation of the model's input, the mean and std in edgekit.toml, and its min and max.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edgekit.model.meaning.finding import Finding
from edgekit.model.meaning.units import FACTORS, NEAR_A_UNIT
from edgekit.model.normalise import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from edgekit.model.graph_spec import GraphSpec

    Floats = NDArray[np.float32]

TOO_MANY: Final = 0.01
"""Share of values outside that is worth a warning: real recordings have single spikes."""

TOO_SMALL: Final = 0.02
"""Samples this much smaller than the model expects are in another unit, not just a quiet recording."""

USUAL_FILL_OF_RANGE: Final = 0.4
"""Ranges are chosen with room for more than most recordings show."""

RARER: Final = 0.35
"""How much less likely each unit of the list is than the one before, as a natural logarithm: 1.4 times."""

FAR_SIGMA: Final = 5.0
"""Beyond five deviations lie 6 of 10 million normally distributed values; heavy tails have more, not one in a hundred."""

SHIFTED_SIGMA: Final = 3.0
"""A channel's mean this many training deviations away is another sensor, unit or mounting."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What values are expected of raw samples."""

    outside: Callable[[Floats], NDArray[np.bool_]]
    """Which values of raw windows lie outside."""
    fill: Callable[[Floats], float]
    """Size of raw windows relative to what is expected."""
    usual_fill: float
    """What that is when the unit is right."""


def input_findings(
    raw: Floats, spec: GraphSpec, channels: tuple[str, ...], span: tuple[float, float] | None
) -> Iterator[Finding]:
    """
    Yield what is odd about raw windows `[n, window, channels]`, at least one.

    `span` is what the model's quantised input can tell apart, after scale and offset; None where it is not quantised.
    """
    if (
        span is not None and spec.features is None
    ):  # else it is of features, whatever the samples' unit
        yield from _against_span(raw, spec, span)
    if spec.mean is not None and spec.std is not None:
        yield from _against_training(raw, spec, channels)


def out_of_range(
    raw: Floats, share: float, low: NDArray[np.float64], high: NDArray[np.float64]
) -> Finding:
    """
    Return the finding that a `share` of samples is not believed by `[input] min` and `max`; `raw` holds them all.

    `low` and `high` are the bounds of each channel, infinite where none is set.
    """
    sizes = np.abs([low, high])
    bounds = np.where(np.isfinite(sizes), sizes, 0.0).max(axis=0)
    bounded = bounds > 0
    expectation = Expectation(
        outside=lambda windows: (windows < low) | (windows > high),
        fill=lambda windows: (
            _large(windows[..., bounded] / bounds[bounded]) if bounded.any() else 1.0
        ),
        usual_fill=USUAL_FILL_OF_RANGE,
    )
    return Finding(
        severity="warning",
        message=f"{share:.0%} of samples are outside of `[input] min` and `max` and count as bad",
        hint=_hint(raw, expectation) or "set `min` and `max` to what the sensor can deliver",
    )


def _against_span(raw: Floats, spec: GraphSpec, span: tuple[float, float]) -> Iterator[Finding]:
    low, high = span
    bound = max(abs(low), abs(high))
    expectation = Expectation(
        # Half a step outside still rounds to the outermost code.
        outside=lambda windows: _outside(normalise(windows, spec), low, high, (high - low) / 510),
        fill=lambda windows: _large(normalise(windows, spec)) / bound,
        usual_fill=USUAL_FILL_OF_RANGE,
    )
    share, fill = float(expectation.outside(raw).mean()), expectation.fill(raw)
    if share > TOO_MANY:
        yield Finding(
            severity="warning",
            message=f"{share:.0%} of samples saturate: the model's input is quantised for {low:.3g} … {high:.3g}",
            hint=_hint(raw, expectation) or "check the unit of the recording and `[input] scale`",
        )
    elif fill < TOO_SMALL:
        yield Finding(
            severity="warning",
            message=f"samples use {fill:.1%} of the model's input range {low:.3g} … {high:.3g}: most of its resolution is lost",
            hint=_hint(raw, expectation, near=NEAR_A_UNIT)
            or "check the unit of the recording and `[input] scale`",
        )


def _outside(values: Floats, low: float, high: float, slack: float) -> NDArray[np.bool_]:
    return (values < low - slack) | (values > high + slack)


def _against_training(raw: Floats, spec: GraphSpec, channels: tuple[str, ...]) -> Iterator[Finding]:
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    expected = np.sqrt(np.square(mean) + np.square(std))
    expectation = Expectation(
        outside=lambda windows: np.abs(normalise(windows, spec)) > FAR_SIGMA,
        fill=lambda windows: float(np.median(_rms(windows) / expected)),
        usual_fill=1.0,
    )
    share, fill = float(expectation.outside(raw).mean()), expectation.fill(raw)
    shifts = normalise(raw, spec).mean(axis=(0, 1))
    hint = (
        _hint(raw, expectation, near=NEAR_A_UNIT if share <= TOO_MANY else None)
        or "check the unit of the recording, and `[input] mean` and `std`"
    )
    if share > TOO_MANY:
        yield Finding(
            severity="warning",
            message=f"{share:.0%} of samples lie more than {FAR_SIGMA:g} deviations from what the model was trained on (`[input] mean`, `std`)",
            hint=hint,
        )
    elif fill < TOO_SMALL:
        yield Finding(
            severity="warning",
            message=f"samples are {1 / fill:.0f} times smaller than what the model was trained on (`[input] mean`, `std`)"
            if fill > 0
            else "all samples are 0",
            hint=hint,
        )
    far = [index for index, shift in enumerate(shifts) if abs(shift) > SHIFTED_SIGMA]
    if far and share <= TOO_MANY:
        names = ", ".join(f"`{channels[index]}` ({shifts[index]:+.1f})" for index in far)
        yield Finding(
            severity="warning",
            message=f"the mean of {names} is more than {SHIFTED_SIGMA:g} training deviations away (`[input] mean`, `std`)",
            hint=hint,
        )


def _hint(raw: Floats, expectation: Expectation, near: float | None = None) -> str | None:
    """
    Find the unit that brings the samples to where they are expected.

    `near`: it must do so to within this factor, as samples that are only small may also come from a quiet recording.
    """
    fits = []
    for place, (factor, meaning) in enumerate(FACTORS):
        converted = raw * np.float32(factor)
        fill = expectation.fill(converted)
        if fill >= TOO_SMALL and expectation.outside(converted).mean() <= TOO_MANY:
            distance = abs(np.log(fill / expectation.usual_fill))
            if near is None or distance <= np.log(near):
                fits.append((distance + RARER * place, factor, meaning))
    if not fits:
        return None
    _, factor, meaning = min(fits)
    return f"the unit may be another: samples times {factor:.6g} would fit ({meaning}); change `[input] scale` or the recording"


def _large(values: Floats) -> float:
    """Return how large values get, leaving single spikes aside."""
    return float(np.quantile(np.abs(values), 0.99))


def _rms(values: Floats) -> NDArray[np.float64]:
    sizes: NDArray[np.float64] = np.sqrt(np.square(values.astype(np.float64)).mean(axis=(0, 1)))
    return sizes
