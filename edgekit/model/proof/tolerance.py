"""How far two results may be apart: the table of the proof, as pure functions over arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]

RELATIVE: Final = 1e-5
"""Of the scale (the largest |reference| of that output): what float32 loses in an honest net."""
NOISE: Final = 4.0
"""Times the model's own noise: the difference between the reference with optimisations on and off."""
LARGEST_RELATIVE: Final = 1e-3
"""However noisy a model is, more than this is another result."""
LARGE: Final = "large"
"""Inputs far outside of what the model was made for: they show overflow, saturation and NaN."""
WIDE: Final = "wide"
"""Inputs between the usual range and `LARGE`: a branch may begin anywhere."""
OUTSIDE: Final = (WIDE, LARGE)
"""
Results of these lose digits in any float32 arithmetic (differences of large numbers), so each input is held to
`LARGEST_RELATIVE` alone, of its own scale.
"""
ROUNDING: Final = 4 * 2.0**-23
"""
Of a probability: four times what float32 loses next to 1. ONNX Runtime's Sigmoid adds to 0.5, so a voice detector that says
1e-5 has no more digits than this.
"""
SMALLEST: Final = 1e-30
"""Below this nothing is told apart: the engine flushes float32's subnormal numbers (under 1.2e-38) to zero."""


@dataclass(frozen=True, kw_only=True)
class Nature:
    """What the operator that makes an output says of its numbers."""

    step: float = 0.0
    """Difference of two neighbouring values (codes) of a quantised output; 0 if it is not quantised."""
    codes: float = 1.0
    """How many codes a quantised output may be off."""
    probability: bool = False
    """Made by Sigmoid or Softmax: it cannot leave 0 … 1, and an error counts from there, however small what was seen."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One output over the inputs of one kind."""

    output: str
    kind: str
    frames: int
    scale: float
    noise: float
    tolerance: float
    max_abs_error: float
    frame: int
    """Where the largest error is: which input of this kind, counted from 0."""
    element: int
    """Which value of the output, counted from 0 in row-major order."""

    @property
    def good(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.max_abs_error <= self.tolerance

    @property
    def ratio(self) -> float:
        """The error in units of the tolerance."""
        if self.max_abs_error == 0:
            return 0.0
        return self.max_abs_error / self.tolerance if self.tolerance > 0 else float("inf")


def bound(scale: float, noise: float, *, natural: float = 0.0) -> float:
    """
    Return the largest error allowed to a float32 output.

    `natural`: the scale that an output has by its nature, whatever was seen of it: 1 for a probability.
    """
    wanted = max(RELATIVE * max(scale, natural), NOISE * noise)
    return max(min(wanted, LARGEST_RELATIVE * scale), ROUNDING * natural, SMALLEST)


def compare(  # noqa: PLR0913 (what is compared, and what is known of it)
    kinds: Sequence[str],
    reference: Array,
    engine: Array,
    *,
    output: str,
    optimised: Array | None,
    nature: Nature,
) -> list[Comparison]:
    """
    Compare one output `[frames, …]` of the engine with the reference.

    All kinds of input share scale and noise but those of `OUTSIDE`, whose scale would make the others' bound
    meaningless. `optimised`: the reference with its optimisations on, for the noise. Integers must be equal, but for
    some codes where they are quantised: those of its nature, or more where the reference is further from itself.
    """
    floats = reference.dtype.kind == "f"
    errors = difference(reference, engine)
    noises = np.zeros_like(errors) if optimised is None else difference(reference, optimised)
    values = rows(reference)
    magnitudes = np.abs(np.where(np.isfinite(values), values, 0.0))
    outside = np.array([kind in OUTSIDE for kind in kinds])
    # a probability is not blown up by large inputs: all that was seen of it makes its scale
    scale = float(magnitudes[~outside | nature.probability].max(initial=0.0))
    noise = float(noises[~outside].max(initial=0.0)) if floats or nature.step else 0.0
    found = []
    for kind in dict.fromkeys(kinds):
        chosen = np.array([name == kind for name in kinds])
        scales = np.full(int(chosen.sum()), scale)
        if kind in OUTSIDE:
            scales = np.maximum(scale, magnitudes[chosen].max(axis=1, initial=0.0))
            allowed = np.maximum(LARGEST_RELATIVE * scales, SMALLEST)
        else:
            allowed = np.full_like(scales, bound(scale, noise, natural=float(nature.probability)))
        step = _step_allowed(nature, noise, floats=floats)
        allowed = np.maximum(allowed, step) if floats else np.full_like(scales, step)
        over = errors[chosen] / np.where(allowed > 0, allowed, 1.0)[:, np.newaxis]
        frame, element = np.unravel_index(np.argmax(over), over.shape)
        found.append(
            Comparison(
                output=output,
                kind=kind,
                frames=len(scales),
                scale=float(scales[frame]),
                noise=noise,
                tolerance=float(allowed[frame]),
                max_abs_error=float(errors[chosen][frame, element]),
                frame=int(frame),
                element=int(element),
            )
        )
    return found


def _step_allowed(nature: Nature, noise: float, *, floats: bool) -> float:
    """Return what a quantised output may be off in its own unit; 0 if it is not quantised."""
    step = nature.codes * nature.step
    if step and noise > step:  # its own kernels cannot agree on the codes either
        step = NOISE * noise
    # a step is a float32 number too: comparing with it exactly would refuse the last bit
    return step * (1 + RELATIVE) if floats else step


def difference(reference: Array, other: Array) -> Array:
    """
    Return |reference - other| as `[frames, values]`.

    Where one of the two is not finite, it is 0 if they are the same (NaN and NaN, ∞ and ∞), else infinite.
    """
    if reference.shape != other.shape:
        return np.full((len(reference), max(1, reference[0].size)), np.inf)
    a, b = rows(reference), rows(other)
    finite = np.isfinite(a) & np.isfinite(b)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        errors: Array = np.where(finite, np.abs(a - b), np.where(same, 0.0, np.inf))
    return errors


def argmax_agreement(reference: Array, engine: Array, tolerance: float) -> float | None:
    """
    Return the share of inputs whose largest output is the same in both.

    Counted are those whose two largest are further apart than twice the tolerance: nearer ones may change places.
    None if there are none.
    """
    a, b = rows(reference), rows(engine)
    if a.shape[1] < 2 or a.shape != b.shape:  # noqa: PLR2004 (one value has no order)
        return None
    finite = np.isfinite(a).all(axis=1)
    a, b = a[finite], b[finite]
    ranked = np.sort(a, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > 2 * tolerance
    if not clear.any():
        return None
    return float((a.argmax(axis=1) == b.argmax(axis=1))[clear].mean())


def rows(values: Array) -> Array:
    """Return one row of float64 for each frame."""
    flat: Array = values.reshape(len(values), -1).astype(np.float64)
    return flat
