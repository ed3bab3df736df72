"""
TensorFlow Lite's fixed-point arithmetic, on NumPy's integers.

Source of the formulas: TensorFlow Lite's quantisation specification and what its reference kernels give. A real factor is a
31-bit multiplier and a power of two; the kernels round its products in three ways (`Rounding`). Tests hold every operator
against LiteRT itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

_BITS: Final = 31
_ROUNDS_UP_TO_ONE: Final = 0x7FFF0000
"""Multipliers from here on have 1 as their nearest one of 16 bits, which 16 bits do not hold."""

Rounding = Literal["twice", "once", "wide"]
"""
`twice`: at bit 31, halves upwards, and again at the shift, halves away from zero: most operators. `once`: halves away from
zero: products of matrices. `wide`: 64-bit sums of 16-bit codes, 16 bits of the multiplier, rounded once, halves upwards.
"""


@dataclass(frozen=True)
class Factor:
    """A positive real factor for each channel: `multiplier * 2 ** (shift - 31)`; one value, or one a channel."""

    multiplier: Integers
    shift: Integers
    rounding: Rounding = "twice"

    @property
    def real(self) -> npt.NDArray[np.float64]:
        """The factor itself, exactly."""
        exponent = self.shift - _BITS
        if self.rounding == "wide":
            return np.ldexp(self._reduced().astype(np.float64), exponent + 16)
        return np.ldexp(self.multiplier.astype(np.float64), exponent)

    def times(self, x: npt.NDArray[Any]) -> Integers:
        """Return the product, rounded as TensorFlow Lite rounds; `x` `[channels or 1, …]` of integers."""
        x = np.asarray(x, np.int64)
        axes = (-1,) + (1,) * (x.ndim - 1)
        multiplier, shift = self.multiplier.reshape(axes), self.shift.reshape(axes)
        if self.rounding == "wide":
            total = 15 - shift
            return (x * self._reduced().reshape(axes) + (np.int64(1) << (total - 1))) >> total
        if self.rounding == "once":
            return _rounded_once(x, multiplier, _BITS - shift)
        shifted = x << np.maximum(shift, 0)
        high = (shifted * multiplier + (1 << (_BITS - 1))) >> _BITS
        return rounded_shift(high, np.maximum(-shift, 0))

    def _reduced(self) -> Integers:
        rounded: Integers = np.where(
            self.multiplier < _ROUNDS_UP_TO_ONE, (self.multiplier + (1 << 15)) >> 16, 0x7FFF
        )
        return rounded


def factor(real: float | Iterable[float], rounding: Rounding = "twice") -> Factor:
    """Return the fixed-point form of one factor or of one for each channel; they are not negative."""
    values = [real] if isinstance(real, int | float) else list(real)
    pairs = [_quantised(float(value)) for value in values]
    return Factor(
        np.array([pair[0] for pair in pairs], np.int64),
        np.array([pair[1] for pair in pairs], np.int64),
        rounding,
    )


def _quantised(real: float) -> tuple[int, int]:
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << _BITS) + 0.5)  # a positive number: halves upwards
    if multiplier == 1 << _BITS:
        multiplier, shift = multiplier // 2, shift + 1
    return (0, 0) if shift < -_BITS else (multiplier, shift)


def _rounded_once(x: Integers, multiplier: Integers, exponent: Integers) -> Integers:
    """Return x * multiplier / 2 ** exponent, halves away from zero, where the product may have over 64 bits."""
    if np.abs(x).max(initial=0) < 1 << _BITS:
        return rounded_shift(x * multiplier, exponent)
    whole = np.asarray(x, object) * np.asarray(multiplier, object)
    exponents = np.broadcast_to(exponent, whole.shape)
    rounded = [
        (1 if value >= 0 else -1) * ((abs(int(value)) + (1 << (int(power) - 1))) >> int(power))
        for value, power in zip(whole.flat, exponents.flat, strict=True)
    ]
    clipped = [min(max(value, -(2**62)), 2**62) for value in rounded]
    return np.array(clipped, np.int64).reshape(whole.shape)


def rounded_shift(x: Integers, exponent: Integers | int) -> Integers:
    """Return x / 2 ** exponent, halves away from zero."""
    exponent = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    shifted: Integers = (x >> exponent) + (remainder > threshold)
    return shifted


def half_away(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the nearest integers, halves away from zero, as C's `round`."""
    values = np.asarray(x, np.float64)
    rounded: npt.NDArray[np.float64] = np.copysign(np.floor(np.abs(values) + 0.5), values)
    return rounded
