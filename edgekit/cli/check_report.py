"""The report of `edgekit check`, for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekit.cli import truths
from edgekit.cli.console import bar, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.cli.console import Console
    from edgekit.errors import ModelError
    from edgekit.memory_plan import MemoryPlan
    from edgekit.model.compile import CompiledModel
    from edgekit.model.golden.golden import GoldenReport
    from edgekit.model.meaning.finding import Finding
    from edgekit.model.proof.proof import Proof


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that `check` found out about a model that may ship."""

    compiled: CompiledModel
    golden: GoldenReport
    findings: Sequence[Finding]
    notes: Sequence[str]
    plan: MemoryPlan


def facts(report: Report) -> dict[str, Any]:
    """Return the facts as one JSON object."""
    compiled = report.compiled
    return {
        **compiled.proof.to_json(),
        "unproven": compiled.unproven,
        "rewrites": list(compiled.rewrites),
        "archive": {"sha256": compiled.sha256, "size_bytes": len(compiled.archive)},
        "pipeline": report.golden.to_json(),
        "findings": [finding.to_json() for finding in report.findings],
        "notes": list(report.notes),
        "memory_plan": report.plan.to_json(),
    }


def refused_facts(refused: ModelError, kind: str) -> dict[str, Any]:
    """Return the same keys for a model that is not accepted; what was never measured is null. `kind`: of the input."""
    proof: Proof | None = getattr(refused, "proof", None)
    unknown = dict.fromkeys(
        (
            "reference",
            "engine",
            "inputs",
            "tolerance",
            "max_abs_error",
            "argmax_agreement",
            "codes",
            "decisions",
            "mode_reason",
            "cost",
            "speedup",
            "operators",
            "outputs",
            "where",
            "stream",
            "suspect",
            "memory",
        )
    )
    return {
        "verdict": "refused",
        "reason": refused.message,
        "mode": "window" if kind == "stream" else "tensor",
        **(proof.to_json() if proof is not None else unknown),
        "unproven": "",
        "hint": refused.hint,
        "rewrites": list(getattr(refused, "rewrites", ())),
        "archive": None,
        "pipeline": None,
        "findings": [],
        "notes": [],
        "memory_plan": None,
    }


def show_refused(proof: Proof, console: Console) -> None:
    """Print what was found out about a model that is not accepted."""
    word = (
        "only near the reference"
        if proof.verdict == "approximate"
        else "not equal to the reference"
    )
    console.say(f"engine: {console.style(word, 'red')}")
    console.say("pipeline: not checked")
    if not console.quiet:
        console.say()
        console.facts(_proof_rows(proof))


def show(report: Report, console: Console) -> None:
    """Print the report of a model that may ship."""
    compiled = report.compiled
    truths.show(compiled.proof, report.golden, console)
    if console.quiet:
        return
    if compiled.unproven:
        console.remark("unproven", "red", f"it ships all the same: {compiled.unproven}")
    console.say()
    rewrites = "\n".join(compiled.rewrites) or "none"
    console.facts(
        [
            *_proof_rows(compiled.proof),
            ("takes", _takes(compiled)),
            ("rewrites", rewrites),
            ("archive", size(len(compiled.archive))),
            ("on the board", _planned(report.plan)),
        ]
    )
    if console.verbose:
        _show_comparisons(compiled.proof, console)
    for finding in report.findings:
        colour = "yellow" if finding.severity == "warning" else "dim"
        console.say()
        console.remark(finding.severity, colour, finding.message)
        if finding.hint is not None:
            console.remark("hint", "yellow", finding.hint)
    for note in report.notes:
        console.note(f"note: {note}")


def _planned(plan: MemoryPlan) -> str:
    parts = ", ".join(f"{part.name} {size(part.size_bytes)}" for part in plan.parts)
    if plan.limit_bytes is None or plan.share is None:
        return f"{size(plan.total_bytes)} of memory, no limit in [budget]: {parts}"
    used = f"{size(plan.total_bytes)} of {size(plan.limit_bytes)}"
    return f"memory [{bar(plan.share)}] {plan.share:.0%} ({used}): {parts}"


def _takes(compiled: CompiledModel) -> str:
    spec = compiled.spec
    if spec is None:
        return "named tensors: " + ", ".join(map(str, compiled.source.inputs))
    size_text = f"{spec.window} × {spec.channels}"  # noqa: RUF001 (a product)
    return f"{size_text} raw samples (window × channels), every {compiled.hop}"  # noqa: RUF001 (as above)


def _show_comparisons(proof: Proof, console: Console) -> None:
    console.say()
    rows = [
        [
            item.output,
            item.kind,
            str(item.frames),
            f"{item.scale:.3g}",
            f"{item.noise:.2g}",
            f"{item.max_abs_error:.2g}",
            f"{item.tolerance:.2g}",
        ]
        for item in proof.comparisons
    ]
    console.table(["output", "inputs", "", "scale", "own noise", "error", "allowed"], rows)


def _proof_rows(proof: Proof) -> list[tuple[str, str]]:
    facts, worst = proof.to_json(), proof.worst
    inputs = {
        name: count for name, count in facts["inputs"].items() if name not in {"seed", "skipped"}
    }
    tried = ", ".join(f"{count} {name}" for name, count in inputs.items())
    skipped = f"; {proof.skipped} that the reference cannot run" if proof.skipped else ""
    place = f"{worst.kind} input {worst.frame}, output `{worst.output}`, element {worst.element}"
    rows = [
        ("verdict", proof.verdict + (f": {proof.reason}" if proof.reason else "")),
        ("reference", proof.reference),
        ("engine", proof.engine),
        ("inputs", f"{tried} (seed {proof.seed}){skipped}"),
        ("largest error", f"{worst.max_abs_error:.2g}, {worst.tolerance:.2g} allowed: {place}"),
    ]
    if proof.argmax_agreement is not None:
        rows.append(("same class", f"{proof.argmax_agreement:.1%} of inputs"))
    if proof.stream is not None:
        text = f"{proof.stream.windows} windows with hop {proof.stream.hop} differ by {proof.stream.max_abs_error:.2g}"
        rows.append(("as a stream", text))
    rows += [(f"codes of `{item.output}`", str(item)) for item in proof.codes]
    if proof.decisions is not None:
        rows.append(("decisions", truths.decisions(proof.decisions)))
    rows.append(("mode", _mode(proof)))
    if proof.profile:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in proof.profile)
        rows.append(("time goes to", f"{shares} (on this machine)"))
    if proof.suspect is not None:
        rows.append(("suspect", str(proof.suspect)))
    memory = [
        f"{size(count)} {name.removesuffix('_bytes')}" for name, count in proof.memory.items()
    ]
    return [*rows, ("memory", ", ".join(memory))]


def _mode(proof: Proof) -> str:
    """Say how the archive runs, what that saves, and why it is not incremental."""
    text: str = proof.mode
    cost = proof.cost or {}
    window, incremental = cost.get("window"), cost.get("incremental")
    if window and incremental:
        text += f": {incremental:,} operations a hop incrementally, {window:,} as a window"
    if proof.speedup is not None:
        text += f"; measured here: {proof.speedup:.1f} times as fast a hop"
    return f"{text} ({proof.mode_reason})" if proof.mode_reason else text
