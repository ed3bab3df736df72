"""Do two runs give the same numbers? The comparison of the self-test, as pure functions over numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_agent.vectors import largest, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_agent.model_facts import OutputTensor
    from edge_agent.vectors import Vector


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One value beside what it should be."""

    vector: int
    """Which vector, counted from 0."""
    kind: str
    output: str
    element: int
    expected: float
    got: float
    error: float
    tolerance: float

    @property
    def ratio(self) -> float:
        """The error in units of the tolerance."""
        if self.error == 0:
            return 0.0
        return self.error / self.tolerance if self.tolerance > 0 else math.inf

    @property
    def good(self) -> bool:
        """Whether the value is near enough."""
        return self.error <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object; what JSON has no number for is a word."""
        return {
            "vector": self.vector,
            "kind": self.kind,
            "output": self.output,
            "element": self.element,
            "expected": number(self.expected),
            "got": number(self.got),
        }


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What came of all vectors."""

    vectors: int
    values: int
    """Values that were compared."""
    worst: Difference | None
    """What came nearest to its tolerance, or furthest over it."""
    bad_vectors: int
    """Vectors with a value over its tolerance."""
    ordered: int
    """Outputs whose largest value stands out by more than the tolerance."""
    ordered_otherwise: int
    """Those of them that have another largest value here."""


def compared(
    results: Iterable[tuple[Vector, Iterable[tuple[OutputTensor, bytes]]]],
) -> Reproduction:
    """Compare each vector with the outputs that the engine gave for it."""
    vectors = values = bad = ordered = otherwise = 0
    worst: Difference | None = None
    for vector, outputs in results:
        found = []
        for tensor, data in outputs:
            got = unpacked(data, tensor.code)
            found.append(_difference(vectors, vector, tensor, got))
            values += vector.outline.outputs[tensor.name].size_bytes // (len(data) // tensor.count)
            order = _same_order(vector, tensor, got)
            ordered += order is not None
            otherwise += order is False
        vectors += 1
        bad += any(not item.good for item in found)
        worst = max((item for item in (worst, *found) if item), key=_severity, default=None)
    return Reproduction(
        vectors=vectors,
        values=values,
        worst=worst,
        bad_vectors=bad,
        ordered=ordered,
        ordered_otherwise=otherwise,
    )


def distance(expected: float, got: float) -> float:
    """Return |expected - got|; where one is not finite, 0 if they are the same (NaN and NaN), else infinity."""
    if math.isfinite(expected) and math.isfinite(got):
        return abs(expected - got)
    same = expected == got or (math.isnan(expected) and math.isnan(got))
    return 0.0 if same else math.inf


def number(value: float) -> float | str:
    """Return a number that JSON has: `nan` and `inf` become words."""
    return value if math.isfinite(value) else str(value)


def _difference(
    index: int, vector: Vector, tensor: OutputTensor, got: tuple[float, ...]
) -> Difference:
    """Return the value that is furthest from what it should be."""
    step = vector.outline.outputs[tensor.name].step
    expected = unpacked(vector.expected[tensor.name], tensor.code)
    chosen = got[::step]
    errors = [distance(*pair) for pair in zip(expected, chosen, strict=True)]
    element = max(range(len(errors)), key=errors.__getitem__)
    return Difference(
        vector=index,
        kind=vector.outline.kind,
        output=tensor.name,
        element=element * step,
        expected=expected[element],
        got=chosen[element],
        error=errors[element],
        tolerance=tensor.tolerance,
    )


def _same_order(vector: Vector, tensor: OutputTensor, got: tuple[float, ...]) -> bool | None:
    """Return whether the largest value is the same one; None where it does not stand out by more than the tolerance."""
    kept = vector.outline.outputs[tensor.name]
    if kept.margin is None or kept.margin <= tensor.tolerance:
        return None
    return largest(got)[0] == kept.argmax


def _severity(item: Difference) -> tuple[float, float]:
    return item.ratio, item.error
