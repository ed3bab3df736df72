"""`edgekit check`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli import truths
from edgekit.cli.console import bar, size
from edgekit.cli.invocation import Command, Invocation, OpenProject
from edgekit.errors import NotProven

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.cli.console import Console
    from edgekit.memory_plan import MemoryPlan
    from edgekit.model.compile import CompiledModel
    from edgekit.model.golden.golden import GoldenReport
    from edgekit.model.meaning.finding import Finding
    from edgekit.model.proof.prove import Proof
    from edgekit.model.recorded import RecordedWindows


@dataclass(frozen=True, kw_only=True)
class _Report:
    """All that `check` found out about a model that could be proven."""

    compiled: CompiledModel
    golden: GoldenReport
    findings: Sequence[Finding]
    notes: Sequence[str]
    plan: MemoryPlan


@click.command(cls=Command)
@click.pass_obj
def command(call: Invocation) -> None:
    """Prove that the model runs here as it was trained.

    The archive that would ship is compared, number by number, with your own file in ONNX Runtime, on windows of
    your recording and on made-up ones; the whole pipeline with your golden record, if there is one. Exit
    code 3 if either differs, 4 if it is more than [budget] allows.
    """
    from edgekit.state import State, check_fingerprint

    opened = call.open_project()
    state, fingerprint = State(opened.folder), check_fingerprint(opened.project, opened.folder)
    mode = "window" if opened.project.input.kind == "stream" else "tensor"
    try:
        report = _examine(call, opened)
    except NotProven as refused:
        state.remember(
            "check", fingerprint, {"summary": f"refused: {refused.message}", "good": False}
        )
        if call.as_json:
            call.console.json(_refused_facts(refused, mode))
        elif refused.proof is not None:
            _show_refused(refused.proof, call.console)
        raise
    proof, golden = report.compiled.proof, report.golden
    summary = f"{truths.measured(proof)}; {golden.sentence}"
    facts = {
        "summary": summary,
        "good": golden.verdict != "differs",
        "warnings": sum(finding.severity == "warning" for finding in report.findings),
    }
    state.remember("check", fingerprint, facts)
    if call.as_json:
        call.console.json(_facts(report, mode))
    else:
        _show(report, call.console)
    if golden.verdict == "differs":
        raise truths.differs(golden)
    report.plan.check()


def _examine(call: Invocation, opened: OpenProject) -> _Report:
    """Prove the model afresh, on the project's recording if it names one."""
    from edgekit.memory_plan import memory_plan
    from edgekit.model.compile import compile_project
    from edgekit.model.golden import samples
    from edgekit.model.meaning.meaning import findings

    project, folder = opened
    notes = _on_board(opened)
    recorded = _recorded(opened)
    with call.console.working(f"proving {project.model.path}"):
        compiled = compile_project(
            project,
            folder,
            recorded=recorded.raw if recorded is not None else None,
            use_cache=False,
        )
    with call.console.working("looking at what goes in and comes out"):
        golden = truths.compare(opened, compiled)
        found = findings(compiled, recorded, project) if recorded is not None else ()
        if recorded is not None and project.test is not None and project.test.golden is not None:
            record = opened.resolve(project.test.golden)
            found += samples.findings(record, recorded.raw, compiled.channels)
    notes += recorded.notes if recorded is not None else ()
    plan = memory_plan(project, compiled.proof.memory, len(compiled.archive))
    return _Report(compiled=compiled, golden=golden, findings=found, notes=notes, plan=plan)


def _on_board(opened: OpenProject) -> tuple[str, ...]:
    """Return what is to be said of the budget on the project's board. Raises OverBudget if it cannot be kept there."""
    from edgekit.board import find_board
    from edgekit.budget_check import check_budget

    name = opened.project.deploy.board
    if name is None:
        return ()
    return check_budget(opened.project.budget, find_board(name, opened.folder))


def _recorded(opened: OpenProject) -> RecordedWindows | None:
    from edgekit.model.recorded import recorded_windows
    from edgekit.project import StreamInput

    project = opened.project
    if project.recording is None or not isinstance(project.input, StreamInput):
        return None
    return recorded_windows(opened.resolve(project.recording), project.input, project.columns)


def _facts(report: _Report, mode: str) -> dict[str, Any]:
    compiled = report.compiled
    return {
        **compiled.proof.to_json(),
        "mode": mode,
        "rewrites": list(compiled.rewrites),
        "archive": {"sha256": compiled.sha256, "size_bytes": len(compiled.archive)},
        "pipeline": report.golden.to_json(),
        "findings": [finding.to_json() for finding in report.findings],
        "notes": list(report.notes),
        "memory_plan": report.plan.to_json(),
    }


def _refused_facts(refused: NotProven, mode: str) -> dict[str, Any]:
    """Return the same keys for a model that was refused; what was never measured is null."""
    proof: Proof | None = refused.proof
    unknown = dict.fromkeys(
        (
            "reference",
            "engine",
            "inputs",
            "tolerance",
            "max_abs_error",
            "argmax_agreement",
            "memory",
        )
    )
    return {
        "verdict": "refused",
        "reason": refused.message,
        **(proof.to_json() if proof is not None else unknown),
        "mode": mode,
        "rewrites": list(refused.rewrites),
        "archive": None,
        "pipeline": None,
        "findings": [],
        "notes": [],
        "memory_plan": None,
    }


def _show_refused(proof: Proof, console: Console) -> None:
    console.say(f"engine: {console.style('not equal to the reference', 'red')}")
    console.say("pipeline: not checked")
    if not console.quiet:
        console.say()
        console.facts(_proof_rows(proof))


def _show(report: _Report, console: Console) -> None:
    compiled = report.compiled
    truths.show(compiled.proof, report.golden, console)
    if console.quiet:
        return
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
    if proof.suspect is not None:
        rows.append(("suspect", str(proof.suspect)))
    memory = [
        f"{size(count)} {name.removesuffix('_bytes')}" for name, count in proof.memory.items()
    ]
    return [*rows, ("memory", ", ".join(memory))]
