"""
Fixed-point requantisation written as float64 operators that give the same integers.

TensorFlow Lite's rounding is a staircase: it grows with its argument and is known at every step. `floor(x * m + c)` in
float64 is one as well. The two are equal everywhere if they are equal on both sides of each step that the output's range
leaves, and that is checked here, step by step and channel by channel, with the very operations that are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import TensorProto

from edgekit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from edgekit.model.tflite.fixed_point import Factor
    from edgekit.model.tflite.writer import Writer

    Doubles = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]
    Reach = tuple[npt.NDArray[Any] | int, npt.NDArray[Any] | int]

_REACH: Final = 3
"""How far a step may be from where the real factor has it, in units of the argument."""
_MOST_STEPS: Final = 2**21
"""Steps, times channels, that are looked at together."""


@dataclass(frozen=True, kw_only=True)
class Staircase:
    """`floor(x * factor + offset + turn * sign(x))`, one of each a channel."""

    factor: Doubles
    offset: Doubles
    turn: Doubles
    """Zero where halves go the same way on both sides of zero, or only one side is ever seen."""

    def at(self, x: Integers) -> Doubles:
        """Return the values for `x` `[channels, …]`, with the operations that `write` writes."""
        axes = (-1,) + (1,) * (x.ndim - 1)
        value = x.astype(np.float64) * self.factor.reshape(axes) + self.offset.reshape(axes)
        if self.turn.any():
            value = value + np.sign(x) * self.turn.reshape(axes)
        floored: Doubles = np.floor(value)
        return floored


def staircase(factor: Factor, reach: Reach, kept: tuple[int, int]) -> Staircase:
    """
    Return the form that equals `factor.times` on all whole numbers of `reach` (least, largest; one or a channel each).

    Only the steps within `kept` (least and largest result that a later clamp leaves) have to agree. Raises ModelError
    if there is no such form.
    """
    channels = len(factor.multiplier)
    low, high = np.min(reach[0], keepdims=True), np.max(reach[1], keepdims=True)
    if channels > 1:
        low, high = (np.broadcast_to(np.asarray(end), (channels,)) for end in reach)
    low, high = low.reshape(-1).astype(np.int64), high.reshape(-1).astype(np.int64)
    together = max(1, _MOST_STEPS // max(1, kept[1] - kept[0]))
    parts = [
        _staircase(
            type(factor)(factor.multiplier[some], factor.shift[some], factor.rounding),
            (low[some], high[some]),
            kept,
        )
        for some in (slice(start, start + together) for start in range(0, channels, together))
    ]
    return Staircase(
        factor=np.concatenate([part.factor for part in parts]),
        offset=np.concatenate([part.offset for part in parts]),
        turn=np.concatenate([part.turn for part in parts]),
    )


def write(  # noqa: PLR0913 (the staircase, where it stands, what is kept of it)
    writer: Writer,
    x: str,
    form: Staircase,
    kept: tuple[int, int],
    *,
    shape: Sequence[int] = (-1,),
    is_double: bool = False,
) -> str:
    """Write the staircase over float32 whole numbers (or float64 ones); `shape`: the axes of a value a channel."""
    value = x if is_double else writer.add("Cast", x, to=TensorProto.DOUBLE)
    result = writer.add("Mul", value, _per_channel(writer, form.factor, shape))
    result = writer.add("Add", result, _per_channel(writer, form.offset, shape))
    if form.turn.any():
        sign = writer.add("Sign", value)
        turn = writer.add("Mul", sign, _per_channel(writer, form.turn, shape))
        result = writer.add("Add", result, turn)
    result = writer.add("Floor", result)
    return clip(writer, writer.add("Cast", result, to=TensorProto.FLOAT), kept)


def clip(writer: Writer, x: str, kept: tuple[float, float]) -> str:
    """Keep float32 numbers within two ends."""
    low, high = (writer.constant(end, np.float32) for end in kept)
    return writer.add("Clip", x, low, high)


def _per_channel(writer: Writer, values: Doubles, shape: Sequence[int]) -> str:
    if (values == values[0]).all():
        return writer.constant(values[0], np.float64)
    return writer.constant(values.reshape(shape))


def _staircase(
    factor: Factor, reach: tuple[Integers, Integers], kept: tuple[int, int]
) -> Staircase:
    real, steps = factor.real, np.arange(kept[0] + 1, kept[1] + 1, dtype=np.int64)
    first = _first_reaching(factor, real, steps, reach)
    low, high = reach[0][:, np.newaxis], reach[1][:, np.newaxis]
    # at `first` the form must reach the step, one before not: both bound the offset
    needed = np.where(
        (first >= low) & (first <= high), steps - first * real[:, np.newaxis], -np.inf
    )
    before = first - 1
    barred = np.where(
        (before >= low) & (before <= high), steps - before * real[:, np.newaxis], np.inf
    )
    positive = _interval(needed, first > 0, barred, before > 0)
    negative = _interval(needed, first < 0, barred, before < 0)
    zero = _interval(needed, first == 0, barred, before == 0)
    whole = [
        np.maximum.reduce([positive[0], negative[0], zero[0]]),
        np.minimum.reduce([positive[1], negative[1], zero[1]]),
    ]
    alike = whole[0] < whole[1]
    up = np.where(alike, _middle(*whole), _middle(*positive))
    down = np.where(alike, up, _middle(*negative))
    form = Staircase(factor=real, offset=(up + down) / 2, turn=(up - down) / 2)
    _check(form, factor, steps, first, (low, high))
    return form


def _first_reaching(
    factor: Factor, real: Doubles, steps: Integers, reach: tuple[Integers, Integers]
) -> Integers:
    """Return the least argument at which each step is reached `[channels, steps]`; beyond `reach` it only stays beyond."""
    with np.errstate(divide="ignore", over="ignore"):
        near = np.ceil((steps - 0.5) / real[:, np.newaxis])
    low, high = (end[:, np.newaxis] for end in reach)
    near = np.clip(np.nan_to_num(near), low - _REACH - 1, high + _REACH + 1).astype(np.int64)
    first: Integers = near - _REACH
    for distance in range(-_REACH, _REACH + 1):
        first = first + (factor.times(near + distance) < steps)
    return first


def _interval(
    needed: Doubles,
    has_needed: npt.NDArray[np.bool_],
    barred: Doubles,
    has_barred: npt.NDArray[np.bool_],
) -> tuple[Doubles, Doubles]:
    """Return the least offset and the one that is too large, a channel."""
    least: Doubles = np.where(has_needed, needed, -np.inf).max(axis=1, initial=-np.inf)
    too_large: Doubles = np.where(has_barred, barred, np.inf).min(axis=1, initial=np.inf)
    return least, too_large


def _middle(least: Doubles, too_large: Doubles) -> Doubles:
    """Return an offset well within the interval; one half where nothing bounds it."""
    least, too_large = (
        np.where(np.isinf(least), np.where(np.isinf(too_large), 0.0, too_large - 1.0), least),
        np.where(np.isinf(too_large), np.where(np.isinf(least), 1.0, least + 1.0), too_large),
    )
    middle: Doubles = (least + too_large) / 2
    return middle


def _check(
    form: Staircase,
    factor: Factor,
    steps: Integers,
    first: Integers,
    reach: tuple[Integers, Integers],
) -> None:
    """Raise ModelError unless the form is the staircase on both sides of every step, and about zero."""
    low, high = reach
    before = first - 1
    reached = (form.at(first) >= steps) | (first < low) | (first > high)
    not_yet = (form.at(before) < steps) | (before < low) | (before > high)
    about = np.clip(np.array([[-1, 0, 1]]), low, high)
    ends = (steps[0] - 1, steps[-1]) if steps.size else (0, 0)
    same = np.clip(form.at(about), *ends) == np.clip(factor.times(about), *ends)
    if not (reached.all() and not_yet.all() and same.all()):
        raise ModelError(
            "has a quantised operator whose rounding cannot be written in float64",
            hint="convert it again with scales that are not as extreme",
        )
