"""The proof: the engine's outputs held against the reference's, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.model.proof import tolerance
from edgekit.model.proof.tolerance import Comparison, Nature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """Where the engine's numbers first leave the reference's."""

    tensor: str
    """First tensor, in the order of computation, that differs when the model ends there; empty: none was found."""
    operator: str
    after: tuple[str, ...]
    """Operators that made what this one takes."""
    note: str
    """Why nothing was found, or how far the search came."""

    def __str__(self) -> str:
        """Return a clause for the sentence, such as "from tensor `y` on (Softmax → QuantizeLinear)"."""
        return f"from tensor `{self.tensor}` on ({self.chain})" if self.tensor else self.note

    @property
    def chain(self) -> str:
        """The operator with those before it, such as `Softmax → QuantizeLinear`."""
        return f"{' and '.join(self.after)} → {self.operator}" if self.after else self.operator


@dataclass(frozen=True, kw_only=True)
class StreamComparison:
    """A stream against the same windows given one by one, both in the engine."""

    hop: int
    windows: int
    positions_equal: bool
    tolerance: float
    max_abs_error: float


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The evidence: what was tried, against what, how far apart, and the verdict."""

    verdict: str
    """`proven` or `refused`."""
    reason: str
    """One sentence; empty when proven."""
    reference: str
    engine: str
    seed: int
    comparisons: tuple[Comparison, ...]
    """One for each output and kind of input."""
    argmax_agreement: float | None
    """Least share over the outputs; None where no output has a clear largest value."""
    skipped: int
    """Inputs that the reference itself could not run."""
    stream: StreamComparison | None
    memory: Mapping[str, int]
    """Bytes that the engine's allocator counted: `live_bytes` of the loaded model, `peak_bytes` while it ran, `load_bytes` at most while it was loaded."""
    suspect: Suspect | None = None

    @property
    def worst(self) -> Comparison:
        """The comparison that came nearest to its tolerance, or furthest over it."""
        return max(self.comparisons, key=lambda comparison: comparison.ratio)

    @property
    def first_bad(self) -> Comparison | None:
        """The first output that is over its tolerance, where it says most: an ordinary input before a large one."""
        bad = [item for item in self.comparisons if not item.good]
        of_first = [item for item in bad if item.output == bad[0].output]
        return max(
            of_first,
            key=lambda item: (item.kind not in tolerance.OUTSIDE, item.ratio),
            default=None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the form of proof.json; `max_abs_error` and `tolerance` are those of the place in `where`."""
        worst = self.worst
        inputs = {item.kind: item.frames for item in self.comparisons}
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "reference": self.reference,
            "engine": self.engine,
            "inputs": {**inputs, "seed": self.seed, "skipped": self.skipped},
            "tolerance": _number(worst.tolerance),
            "max_abs_error": _number(worst.max_abs_error),
            "where": {
                "output": worst.output,
                "kind": worst.kind,
                "frame": worst.frame,
                "element": worst.element,
            },
            "argmax_agreement": self.argmax_agreement,
            "outputs": [
                {
                    "output": item.output,
                    "kind": item.kind,
                    "frames": item.frames,
                    "scale": item.scale,
                    "noise": _number(item.noise),
                    "tolerance": _number(item.tolerance),
                    "max_abs_error": _number(item.max_abs_error),
                    "frame": item.frame,
                    "element": item.element,
                }
                for item in self.comparisons
            ],
            "stream": None
            if self.stream is None
            else {
                "hop": self.stream.hop,
                "windows": self.stream.windows,
                "positions_equal": self.stream.positions_equal,
                "tolerance": self.stream.tolerance,
                "max_abs_error": _number(self.stream.max_abs_error),
            },
            "memory": dict(self.memory),
            "suspect": None
            if self.suspect is None
            else {
                "tensor": self.suspect.tensor,
                "operator": self.suspect.operator,
                "after": list(self.suspect.after),
                "note": self.suspect.note,
            },
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Proof:
        """Read what `to_json` gave."""
        inputs, stream, suspect = value["inputs"], value["stream"], value["suspect"]
        comparisons = [Comparison(**{**item, **_numbers(item)}) for item in value["outputs"]]
        if suspect is not None:
            suspect = Suspect(**{**suspect, "after": tuple(suspect["after"])})
        return cls(
            **{
                key: value[key]
                for key in (
                    "verdict",
                    "reason",
                    "reference",
                    "engine",
                    "argmax_agreement",
                    "memory",
                )
            },
            seed=inputs["seed"],
            skipped=inputs["skipped"],
            comparisons=tuple(comparisons),
            stream=None if stream is None else StreamComparison(**stream),
            suspect=suspect,
        )


@dataclass(frozen=True, kw_only=True)
class Results:
    """What the reference and the engine gave for the same frames, by output name."""

    kinds: Sequence[str]
    reference: Mapping[str, Array]
    optimised: Mapping[str, Array] | None
    engine: Mapping[str, Array]
    natures: Mapping[str, Nature]
    streamed: Mapping[str, Array] | None
    hop: int | None
    skipped: int


def prove(
    results: Results, *, reference: str, engine: str, seed: int, memory: Mapping[str, int]
) -> Proof:
    """Compare everything and return the verdict; `reference` and `engine` say what they were, with versions."""
    comparisons = [item for name in results.reference for item in _compare(results, name)]
    agreements = [_agreement(results, name, comparisons) for name in results.reference]
    stream = _compare_stream(results)
    proof = Proof(
        verdict="proven",
        reason="",
        reference=reference,
        engine=engine,
        seed=seed,
        comparisons=tuple(comparisons),
        argmax_agreement=min((share for share in agreements if share is not None), default=None),
        skipped=results.skipped,
        stream=stream,
        memory=memory,
    )
    reason = _why_not(proof, results)
    return replace(proof, verdict="refused", reason=reason) if reason else proof


def _compare(results: Results, name: str) -> list[Comparison]:
    optimised = None if results.optimised is None else results.optimised[name]
    return tolerance.compare(
        results.kinds,
        results.reference[name],
        results.engine[name],
        output=name,
        optimised=optimised,
        nature=results.natures[name],
    )


def _agreement(results: Results, name: str, comparisons: list[Comparison]) -> float | None:
    allowed = max(
        item.tolerance
        for item in comparisons
        if item.output == name and item.kind not in tolerance.OUTSIDE
    )
    rows = _ordinary(results)
    return tolerance.argmax_agreement(
        results.reference[name][rows], results.engine[name][rows], allowed
    )


def _compare_stream(results: Results) -> StreamComparison | None:
    if results.streamed is None or results.hop is None:
        return None
    streamed, alone = results.streamed["streamed"], results.streamed["alone"]
    finite = np.abs(alone[np.isfinite(alone)])
    scale = float(finite.max(initial=0.0))
    return StreamComparison(
        hop=results.hop,
        windows=len(alone),
        positions_equal=bool(
            np.array_equal(results.streamed["ends"], results.streamed["expected_ends"])
        ),
        tolerance=tolerance.bound(scale, 0.0),
        max_abs_error=float(tolerance.difference(alone, streamed).max(initial=0.0))
        if len(alone)
        else 0.0,
    )


def _why_not(proof: Proof, results: Results) -> str:
    """Return why the model is refused, or nothing."""
    never = _never_a_number(results)
    if never:
        return never
    if all(_is_constant(values) for values in results.reference.values()):
        return f"its output is the same for all {len(results.kinds)} inputs tried: it does not depend on its input"
    bad = proof.first_bad
    if bad is not None:
        return (
            f"output `{bad.output}` differs from {proof.reference.split(',')[0]} by {bad.max_abs_error:.3g} "
            f"(allowed: {bad.tolerance:.3g}) on {bad.kind} input {bad.frame}, element {bad.element}"
        )
    stream = proof.stream
    if stream is not None and not stream.positions_equal:
        return f"a stream with a hop of {stream.hop} makes its predictions at other samples than the windows end"
    if stream is not None and stream.max_abs_error > stream.tolerance:
        return (
            f"a stream with a hop of {stream.hop} differs from the same windows by {stream.max_abs_error:.3g} "
            f"(allowed: {stream.tolerance:.3g})"
        )
    return ""


def _ordinary(results: Results) -> npt.NDArray[np.bool_]:
    """Return which frames are of the range that the model was made for."""
    return np.array([kind not in tolerance.OUTSIDE for kind in results.kinds])


def _never_a_number(results: Results) -> str:
    """Return the sentence about an output value that is NaN or infinite on every ordinary input, or nothing."""
    for name, values in results.reference.items():
        ordinary = tolerance.rows(values)[_ordinary(results)]
        dead = ~np.isfinite(ordinary).any(axis=0)
        if len(ordinary) and dead.any():
            element = int(np.argmax(dead))
            seen = ordinary[0, element]
            what = "NaN" if np.isnan(seen) else f"{seen:g}"
            return (
                f"output `{name}`, element {element} is {what} on all {len(ordinary)} inputs of the usual range: "
                "do the weights hold NaN?"
            )
    return ""


def _is_constant(values: Array) -> bool:
    """Tell whether all frames give the same; NaN counts as nothing seen, not as another value."""
    rows = tolerance.rows(values)
    seen = ~np.isnan(rows)
    least = np.where(seen, rows, np.inf).min(axis=0)
    return bool((least >= np.where(seen, rows, -np.inf).max(axis=0)).all())


def _number(value: float) -> float | str:
    """Return a number that JSON has: infinite errors become a word."""
    return value if np.isfinite(value) else "inf"


def _numbers(item: dict[str, Any]) -> dict[str, float]:
    """Return the values of a comparison that `_number` may have made words."""
    return {key: float(item[key]) for key in ("noise", "tolerance", "max_abs_error")}
