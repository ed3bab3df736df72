"""
Quantised outputs: how many codes the engine is from the reference, and how many it may be.

Float arithmetic between two roundings decides a tie now this way, now that: ONNX Runtime's own integer and float kernels end
codes apart on deep nets. So one code is the bound, unless the reference is further from itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from edgekit.model.proof import tolerance

if TYPE_CHECKING:
    from edgekit.model.proof.tolerance import Nature

    Array = np.ndarray[Any, Any]

EXACT_CODES: Final = 1.0
"""Against the same graph in ONNX Runtime."""
LITERT_CODES: Final = 4.0
"""Against LiteRT, which rounds in fixed point: the largest difference of a model that is proven."""
LITERT_MEAN: Final = 1.0
"""And the mean difference."""


@dataclass(frozen=True, kw_only=True)
class CodeDifferences:
    """One quantised output over all inputs tried, in codes of its quantisation."""

    output: str
    step: float
    """One code in the output's own unit."""
    values: int
    """Numbers compared."""
    mean: float
    largest: float
    counts: dict[str, int]
    """How many numbers are how many whole codes off, by the difference: `{"0": 990, "1": 10}`."""
    own_mean: float | None
    """The same between the reference's own kernels (its optimisations on and off); None where it has no others."""
    own_largest: float | None
    argmax_agreement: float | None
    """Share of inputs with the same largest value, of those whose two largest are further apart than `largest`."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` gave."""
        return cls(**value)

    def __str__(self) -> str:
        """Return a clause, such as "99.2 % of 640 values equal, mean 0.01, largest 2 codes"."""
        equal = self.counts.get("0", 0) / max(1, self.values)
        codes = "code" if self.largest == 1 else "codes"
        return f"{equal:.1%} of {self.values:,} values equal, mean {self.mean:.2g}, largest {self.largest:.3g} {codes}"


def measure(
    output: str, reference: Array, engine: Array, optimised: Array | None, nature: Nature
) -> CodeDifferences | None:
    """Count the differences of one output `[frames, …]`; None if it is not quantised, or has another shape."""
    if not nature.step or reference.shape != engine.shape:
        return None
    apart = tolerance.difference(reference, engine) / nature.step
    finite = apart[np.isfinite(apart)]
    if not finite.size:
        return None
    own = None if optimised is None else tolerance.difference(reference, optimised) / nature.step
    whole, counts = np.unique(np.rint(finite).astype(np.int64), return_counts=True)
    largest = float(finite.max())
    agreement = tolerance.argmax_agreement(reference, engine, largest * nature.step / 2)
    return CodeDifferences(
        output=output,
        step=nature.step,
        values=int(apart.size),
        mean=float(finite.mean()),
        largest=largest,
        counts=dict(zip(map(str, whole.tolist()), counts.tolist(), strict=True)),
        own_mean=None if own is None else float(own.mean()),
        own_largest=None if own is None else float(own.max()),
        argmax_agreement=agreement,
    )


def why_not(found: CodeDifferences, reference: str, *, litert: bool) -> str:
    """Return why the differences, each of them within its bound, are too many all the same; or nothing."""
    allowed = LITERT_MEAN if litert else EXACT_CODES
    if not litert and found.largest > EXACT_CODES and found.own_mean is not None:
        allowed = tolerance.NOISE * found.own_mean
    if found.mean > allowed:
        return (
            f"output `{found.output}` differs from {reference} by {found.mean:.2g} codes on average "
            f"(allowed: {allowed:.2g})"
        )
    if found.largest > EXACT_CODES and found.argmax_agreement not in (None, 1.0):
        return f"the largest value of output `{found.output}` is another than in {reference} on inputs where it is clear"
    return ""
