"""`edgekit check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgekit.cli import check_report, truths
from edgekit.cli.invocation import Command, Invocation, OpenProject, unproven_option
from edgekit.errors import ModelError

if TYPE_CHECKING:
    from edgekit.model.recorded import RecordedWindows


@click.command(cls=Command)
@unproven_option
@click.pass_obj
def command(call: Invocation) -> None:
    """Prove that the model runs here as it was trained.

    The archive that would ship is compared, number by number, with your own file in ONNX Runtime or LiteRT, on windows
    of your recording and on made-up ones; the whole pipeline with your golden record, if there is one. Exit
    code 3 if either differs, 4 if it is more than [budget] allows.
    """
    from edgekit.state import State, check_fingerprint

    opened = call.open_project()
    state, fingerprint = State(opened.folder), check_fingerprint(opened.project, opened.folder)
    try:
        report = _examine(call, opened)
    except ModelError as refused:
        proof = getattr(refused, "proof", None)
        verdict = "refused" if proof is None else proof.verdict
        state.remember(
            "check", fingerprint, {"summary": f"{verdict}: {refused.message}", "good": False}
        )
        if call.as_json:
            call.console.json(check_report.refused_facts(refused, opened.project.input.kind))
        elif proof is not None:
            check_report.show_refused(proof, call.console)
        raise
    proof, golden = report.compiled.proof, report.golden
    summary = f"{truths.measured(proof)}; {golden.sentence}"
    facts = {
        "summary": summary,
        "good": golden.verdict != "differs" and not report.compiled.unproven,
        "warnings": sum(finding.severity == "warning" for finding in report.findings),
    }
    state.remember("check", fingerprint, facts)
    if call.as_json:
        call.console.json(check_report.facts(report))
    else:
        check_report.show(report, call.console)
    if golden.verdict == "differs":
        raise truths.differs(golden)
    report.plan.check()


def _examine(call: Invocation, opened: OpenProject) -> check_report.Report:
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
            allow_unproven=call.allow_unproven,
        )
    with call.console.working("looking at what goes in and comes out"):
        golden = truths.compare(opened, compiled)
        found = findings(compiled, recorded, project) if recorded is not None else ()
        if recorded is not None and project.test is not None and project.test.golden is not None:
            record = opened.resolve(project.test.golden)
            found += samples.findings(record, recorded.raw, compiled.channels)
    notes += recorded.notes if recorded is not None else ()
    plan = memory_plan(project, compiled.proof.memory, len(compiled.archive))
    return check_report.Report(
        compiled=compiled, golden=golden, findings=found, notes=notes, plan=plan
    )


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
