"""
Functions of 8-bit codes, computed for all of them when the model is converted.

With LiteRT's arithmetic: floats of 32 bits where its kernels fill a table by them, fixed point where they use that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.model.tflite.fixed_point import factor, half_away, rounded_shift

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from edgekit.model.tflite.graph import Operator

    Floats = npt.NDArray[np.float32]
    Codes = np.ndarray[Any, Any]

_ONE: Final = np.float32(1)


def of_codes(operator: Operator) -> Floats:
    """Return the output's codes minus zero point for all codes of the input, from the least on."""
    output = operator.outputs[0]
    with np.errstate(all="ignore"):  # logarithms of what is not positive
        values = FUNCTIONS[operator.name](operator)
    clipped: Floats = np.clip(values, *output.code_range).astype(np.float32)
    return clipped


def _by_float(formula: Callable[[Floats], Codes]) -> Callable[[Operator], Codes]:
    """Return the table of a formula over float32: dequantised, computed, divided by the scale, rounded."""

    def values(operator: Operator) -> Codes:
        output = operator.outputs[0]
        inverse = _ONE / np.float32(output.scale)
        scaled = np.asarray(formula(_reals(operator)), np.float32) * inverse
        finite = np.nan_to_num(scaled, nan=0.0, posinf=1e9, neginf=-1e9)
        return half_away(finite)

    return values


def _codes(operator: Operator) -> npt.NDArray[np.int64]:
    low, high = operator.input(0).code_range
    return np.arange(low, high + 1, dtype=np.int64)


def _reals(operator: Operator) -> Floats:
    return np.float32(operator.input(0).scale) * _codes(operator).astype(np.float32)


def _exp(x: Floats) -> Floats:
    """Return the correctly rounded exponential."""
    return np.exp(x.astype(np.float64)).astype(np.float32)


def _logistic(x: Floats) -> Codes:
    return _ONE / (_ONE + _exp(-x))


def _tanh(x: Floats) -> Codes:
    return np.tanh(x.astype(np.float64)).astype(np.float32)


def _elu(x: Floats) -> Codes:
    return np.where(x < 0, np.expm1(x.astype(np.float64)).astype(np.float32), x)


def _gelu(operator: Operator) -> Codes:
    if operator.options["approximate"]:
        return _by_float(_gelu_by_tangent)(operator)
    return _by_float(_gelu_by_erf)(operator)


def _gelu_by_tangent(x: Floats) -> Codes:
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x.astype(np.float64) ** 3)
    curved: Codes = 0.5 * x * (1 + np.tanh(inner))
    return curved


def _gelu_by_erf(x: Floats) -> Codes:
    return np.array([0.5 * value * (1 + math.erf(value * 0.5**0.5)) for value in x.tolist()])


def _leaky_relu(operator: Operator) -> Codes:
    x, output, codes = operator.input(0), operator.outputs[0], _codes(operator)
    ratio = np.float32(x.scale) / np.float32(output.scale)
    alpha = np.float32(x.scale) * np.float32(operator.options["alpha"]) / np.float32(output.scale)
    return np.where(codes >= 0, factor(float(ratio)).times(codes), _signed(float(alpha), codes))


def _signed(real: float, codes: npt.NDArray[np.int64]) -> Codes:
    """Return codes times a factor that may be negative."""
    return factor(abs(real)).times(codes if real >= 0 else -codes)


def _abs(operator: Operator) -> Codes:
    x, output = operator.input(0), operator.outputs[0]
    ratio = np.float32(x.scale) / np.float32(output.scale)
    codes = np.abs(_codes(operator))
    return codes if ratio == 1 else factor(float(ratio)).times(codes)


def _hard_swish(operator: Operator) -> Codes:
    """Return x * relu6(x + 3) / 6 in 16-bit fixed point, as the kernel computes it."""
    x, output = operator.input(0), operator.outputs[0]
    high_scale = np.float32(1 / 128) * np.float32(x.scale)
    fine = _codes(operator) << 7
    to_output = _Narrow(float(high_scale / np.float32(output.scale)))
    to_gate = _Narrow(float(high_scale / np.float32(3 / 32768)))
    pre_output = to_output.high(fine)
    gate = fine
    if to_gate.exponent > 0:
        gate = _saturated(gate << (to_gate.exponent - 1))
    gate = to_gate.high(gate)
    if to_gate.exponent > 0:
        gate = _saturated(gate << 1)
    if to_gate.exponent < 0:
        gate = rounded_shift(gate, -to_gate.exponent)
    gate = (gate + (1 << 15)) >> 1
    product = _saturated(_towards_zero(gate * pre_output, 15))
    if to_output.exponent > 0:
        return _saturated(product << to_output.exponent)
    return rounded_shift(product, -to_output.exponent)


class _Narrow:
    """A factor with a multiplier of 16 bits."""

    def __init__(self, real: float) -> None:
        exact = factor(real)
        self.exponent = int(exact.shift[0])
        self.multiplier = min((int(exact.multiplier[0]) + (1 << 15)) >> 16, 32767)

    def high(self, x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the upper half of the doubled product, rounded, halves upwards."""
        return (x * self.multiplier + (1 << 14)) >> 15


def _towards_zero(x: npt.NDArray[np.int64], exponent: int) -> npt.NDArray[np.int64]:
    """Return x / 2 ** exponent without its fraction."""
    shifted: npt.NDArray[np.int64] = np.sign(x) * (np.abs(x) >> exponent)
    return shifted


def _saturated(x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    clipped: npt.NDArray[np.int64] = np.clip(x, -32768, 32767)
    return clipped


FUNCTIONS: Final[dict[str, Callable[[Operator], Codes]]] = {
    "LOGISTIC": _by_float(_logistic),
    "TANH": _by_float(_tanh),
    "EXP": _by_float(_exp),
    "LOG": _by_float(lambda x: np.log(x.astype(np.float64)).astype(np.float32)),
    "ELU": _by_float(_elu),
    "RSQRT": _by_float(lambda x: (1 / np.sqrt(x.astype(np.float64))).astype(np.float32)),
    "GELU": _gelu,
    "LEAKY_RELU": _leaky_relu,
    "ABS": _abs,
    "HARD_SWISH": _hard_swish,
}
