"""The judgement: the engine's outputs held against the reference's, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.model.proof import codes, tolerance
from edgekit.model.proof.proof import Proof, StreamComparison

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from edgekit.model.proof.codes import CodeDifferences
    from edgekit.model.proof.proof import Verdict
    from edgekit.model.proof.tolerance import Comparison, Nature

    Array = np.ndarray[Any, Any]

MOST_MEAN_ERROR: Final = 0.05
"""Of the scale: a model that is further away on average is another one, not an approximation."""
LEAST_AGREEMENT: Final = 0.9
"""Share of inputs on which an approximation names the same class, where its output is probabilities."""


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
    quantised: bool = False
    """The model rounds to codes somewhere inside: what is off may be rounding, not a wrong operator."""
    folded: bool = False
    """Those roundings were taken out, as the project asks: the numbers are others by intention."""
    litert: bool = False
    """The reference rounds in fixed point, as LiteRT does."""


def prove(
    results: Results, *, reference: str, engine: str, seed: int, memory: Mapping[str, int]
) -> Proof:
    """Compare everything and return the verdict; `reference` and `engine` say what they were, with versions."""
    comparisons = [item for name in results.reference for item in _compare(results, name)]
    counted = [_count(results, name) for name in results.reference]
    proof = Proof(
        verdict="proven",
        reason="",
        reference=reference,
        engine=engine,
        seed=seed,
        comparisons=tuple(comparisons),
        argmax_agreement=None,
        skipped=results.skipped,
        stream=_compare_stream(results),
        memory=memory,
        codes=tuple(item for item in counted if item is not None),
    )
    verdict, reason = _judge(proof, results)
    agreement = _agreement(results, comparisons, all_inputs=verdict == "approximate")
    return replace(proof, verdict=verdict, reason=reason, argmax_agreement=agreement)


def _judge(proof: Proof, results: Results) -> tuple[Verdict, str]:
    """Return the verdict, and the sentence that says why it is not `proven`."""
    broken = _why_broken(proof, results)
    if broken:
        return "refused", broken
    different = _why_different(proof, results)
    if not different and not results.folded:
        return "proven", ""
    if not results.quantised:
        return "refused", different
    far = _why_another(proof, results)
    if far:
        return "refused", far
    if results.folded:
        return "approximate", "its quantisation is folded to float32, so its numbers are others"
    return "approximate", different


def _compare(results: Results, name: str) -> list[Comparison]:
    return tolerance.compare(
        results.kinds,
        results.reference[name],
        results.engine[name],
        output=name,
        optimised=_own_noise(results, name),
        nature=results.natures[name],
    )


def _own_noise(results: Results, name: str) -> Array | None:
    """Return what the reference gave with other kernels; LiteRT's codes have a bound of their own."""
    if results.optimised is None or (results.litert and results.natures[name].step):
        return None
    return results.optimised[name]


def _count(results: Results, name: str) -> CodeDifferences | None:
    optimised = None if results.optimised is None else results.optimised[name]
    return codes.measure(
        name, results.reference[name], results.engine[name], optimised, results.natures[name]
    )


def _agreement(
    results: Results, comparisons: Sequence[Comparison], *, all_inputs: bool
) -> float | None:
    """Return the least share of ordinary inputs with the same largest value, of those where that is clear or of `all_inputs`."""
    rows = _ordinary(results)
    shares = []
    for name in results.reference:
        allowed = max(
            item.tolerance
            for item in comparisons
            if item.output == name and item.kind not in tolerance.OUTSIDE
        )
        shares.append(
            tolerance.argmax_agreement(
                results.reference[name][rows],
                results.engine[name][rows],
                0.0 if all_inputs else allowed,
            )
        )
    return min((share for share in shares if share is not None), default=None)


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


def _why_broken(proof: Proof, results: Results) -> str:
    """Return what is wrong whatever the arithmetic: no numbers, no dependence, a stream that is not its windows."""
    never = _never_a_number(results)
    if never:
        return never
    if all(_is_constant(values) for values in results.reference.values()):
        return f"its output is the same for all {len(results.kinds)} inputs tried: it does not depend on its input"
    stream = proof.stream
    if stream is not None and not stream.positions_equal:
        return f"a stream with a hop of {stream.hop} makes its predictions at other samples than the windows end"
    if stream is not None and stream.max_abs_error > stream.tolerance:
        return (
            f"a stream with a hop of {stream.hop} differs from the same windows by {stream.max_abs_error:.3g} "
            f"(allowed: {stream.tolerance:.3g})"
        )
    return ""


def _why_different(proof: Proof, results: Results) -> str:
    """Return which number is further from the reference than the table allows, or nothing."""
    reference = proof.reference.split(",")[0]
    bad = proof.first_bad
    if bad is not None:
        return (
            f"output `{bad.output}` differs from {reference} by {bad.max_abs_error:.3g} "
            f"(allowed: {bad.tolerance:.3g}) on {bad.kind} input {bad.frame}, element {bad.element}"
        )
    reasons = (codes.why_not(item, reference, litert=results.litert) for item in proof.codes)
    return next(filter(None, reasons), "")


def _why_another(proof: Proof, results: Results) -> str:
    """Return why the engine's model is another one, not an approximation of the reference; or nothing."""
    rows = _ordinary(results)
    for name, values in results.reference.items():
        errors = tolerance.difference(values[rows], results.engine[name][rows])
        spread = tolerance.rows(values[rows])
        scale = float(np.abs(spread[np.isfinite(spread)]).max(initial=0.0))
        mean = float(errors.mean()) if errors.size else 0.0
        if mean > MOST_MEAN_ERROR * scale:
            return (
                f"output `{name}` differs from {proof.reference.split(',')[0]} by {mean:.3g} on average, "
                f"of {scale:.3g}: that is another model"
            )
        agreement = tolerance.argmax_agreement(values[rows], results.engine[name][rows], 0.0)
        if (
            results.natures[name].probability
            and agreement is not None
            and agreement < LEAST_AGREEMENT
        ):
            return f"the largest value of output `{name}` is the reference's on only {agreement:.1%} of inputs"
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
