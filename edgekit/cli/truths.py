"""The two truths that `check` and `eval` begin with: is the engine right, and is the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekit.errors import NotProven

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgekit.cli.console import Console
    from edgekit.cli.invocation import OpenProject
    from edgekit.model.compile import CompiledModel
    from edgekit.model.golden.golden import GoldenReport
    from edgekit.model.proof.proof import Proof


def compare(opened: OpenProject, compiled: CompiledModel) -> GoldenReport:
    """Hold the pipeline against the golden record, if the project has one."""
    from edgekit.model.golden.golden import GoldenReport, compare_golden

    project = opened.project
    if project.test is None or project.test.golden is None:
        return GoldenReport.not_checked()
    return compare_golden(compiled, opened.resolve(project.test.golden))


def differs(golden: GoldenReport) -> NotProven:
    """Return the error for a pipeline that is not the one in the golden record."""
    return NotProven(f"the pipeline differs from your golden: {golden.reason}", hint=golden.hint)


def show(proof: Proof, golden: GoldenReport, console: Console) -> None:
    """Print both lines."""
    if proof.verdict == "proven":
        console.say(
            _marked(f"engine: equal to the reference ({measured(proof)})", "green", console)
        )
    elif proof.verdict == "approximate":
        console.say(
            _marked(f"engine: approximate: {proof.reason} ({measured(proof)})", "yellow", console)
        )
    else:
        console.say(_marked(f"engine: not equal to the reference: {proof.reason}", "red", console))
    # of a record that differs, the error at the end says more
    hint = golden.hint if golden.verdict != "differs" else None
    colour = {"equal": "green", "differs": "red"}.get(golden.verdict, "yellow")
    console.say(_marked(golden.sentence, colour, console))
    if hint is not None and not console.quiet:
        console.remark("hint", "yellow", hint)


def measured(proof: Proof) -> str:
    """Say how near the engine came to the reference."""
    worst = proof.worst
    if proof.verdict == "approximate":
        agreement = proof.argmax_agreement
        same = "" if agreement is None else f", the same largest value on {agreement:.1%} of inputs"
        return f"largest error {worst.max_abs_error:.2g}{same}"
    return f"largest error {worst.max_abs_error:.2g}, {worst.tolerance:.2g} allowed"


def decisions(found: Mapping[str, Any]) -> str:
    """Say how the decisions of an approximate model agree with the reference's on the recording."""
    text = f"{found['windows']} windows of the recording"
    if found["same_label"] is not None:
        text = f"the same on {found['same_label']} of {text}"
    if found["events"] is not None:
        word = "the same events" if found["same_events"] else "other events"
        text += f"; {word} ({found['events']}, the reference {found['reference_events']})"
    return text


def _marked(line: str, colour: str, console: Console) -> str:
    name, colon, rest = line.partition(":")
    verdict, bracket, more = rest.partition(" (")
    return f"{name}{colon}{console.style(verdict, colour)}{bracket}{more}"
