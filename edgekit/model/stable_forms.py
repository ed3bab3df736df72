"""
Operators that the engine computes as their textbook formula, which overflows, written out in a form that does not.

ONNX Runtime computes the stable forms, so this brings the two together: exp(x) is infinite in float32 from x = 89 on.
Gelu and Erf are here too: the engine has an operator for the exact Gelu, makes it by itself of the steps that exporters
write for it, and then cannot put it into an archive.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from edgekit.model.rewrites.steps import Steps, counted, replace

if TYPE_CHECKING:
    import onnx

    from edgekit.model.rewrites.steps import Form

_SOFTMAX_OF_ONE_AXIS: Final = 13
"""First opset in which LogSoftmax is along one axis."""


def write_out(model: onnx.ModelProto) -> str | None:
    """Replace the operators in place, also in subgraphs; return a line for the report, None if there were none."""
    names = replace(model, {("", name): form for name, form in _FORMS.items()})
    if not names:
        return None
    return f"written out in steps that the engine computes as ONNX Runtime does: {counted(names)}"


def _log_softmax(steps: Steps) -> bool:
    """Take x - max - log(sum(exp(x - max)))."""
    x, axis = steps.x, steps.given.get("axis", -1)
    flattens = steps.opset < _SOFTMAX_OF_ONE_AXIS
    if flattens:  # all axes from the given one on are one
        x, axis = steps.add("Flatten", x, axis=steps.given.get("axis", 1)), 1
    shifted = steps.add("Sub", x, steps.reduce("ReduceMax", x, [axis], 1))
    total = steps.reduce("ReduceSum", steps.add("Exp", shifted), [axis], 1)
    result = steps.add("Sub", shifted, steps.add("Log", total))
    if flattens:
        result = steps.add("Reshape", result, steps.add("Shape", steps.x))
    steps.give(0, result)
    return True


def _softplus(steps: Steps) -> bool:
    """Take max(x, 0) - log(sigmoid(|x|)), which is max(x, 0) + log(1 + exp(-|x|))."""
    rest = steps.add("Log", steps.add("Sigmoid", steps.add("Abs", steps.x)))
    steps.give(0, steps.add("Sub", steps.add("Relu", steps.x), rest))
    return True


def _log_sum_exp(steps: Steps) -> bool:
    """Take max + log(sum(exp(x - max)))."""
    if steps.given.get("noop_with_empty_axes", 0):
        return False
    keep = steps.given.get("keepdims", 1)
    axes = steps.node.input[1] if len(steps.node.input) > 1 else steps.given.get("axes")
    axes = axes or None
    shifted = steps.add("Sub", steps.x, steps.reduce("ReduceMax", steps.x, axes, 1))
    total = steps.reduce("ReduceSum", steps.add("Exp", shifted), axes, keep)
    largest = steps.reduce("ReduceMax", steps.x, axes, keep)
    steps.give(0, steps.add("Add", largest, steps.add("Log", total)))
    return True


def _gelu(steps: Steps) -> bool:
    """Take x / 2 * (1 + erf(x / √2)); the approximation by the tangent is no trouble."""
    if steps.given.get("approximate", b"none") != b"none":
        return False
    scaled = steps.add("Mul", steps.x, steps.like_x(math.sqrt(0.5)))
    half = steps.add("Mul", steps.x, steps.like_x(0.5))
    above = steps.add("Add", _odd_erf(steps, scaled), steps.like_x(1.0))
    steps.give(0, steps.add("Mul", half, above))
    return True


def _erf(steps: Steps) -> bool:
    """Take -erf(-x): exactly the same, and the engine does not see a Gelu in it."""
    steps.give(0, _odd_erf(steps, steps.x))
    return True


def _odd_erf(steps: Steps, x: str) -> str:
    return steps.add("Neg", steps.add("Erf", steps.add("Neg", x)))


_FORMS: Final[dict[str, Form]] = {
    "LogSoftmax": _log_softmax,
    "Softplus": _softplus,
    "ReduceLogSumExp": _log_sum_exp,
    "Gelu": _gelu,
    "Erf": _erf,
}
