"""`edgekit eval`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli import truths
from edgekit.cli.invocation import Command, Invocation, OpenProject, shortest, unproven_option
from edgekit.cli.matrix import show_confusion
from edgekit.errors import ConfigError, EdgeKitError, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgekit.cli.console import Console
    from edgekit.junit import Case
    from edgekit.model.compile import CompiledModel
    from edgekit.model.evaluation.confusion import Confusion
    from edgekit.model.evaluation.evaluation import Evaluation
    from edgekit.model.golden.golden import GoldenReport
    from edgekit.model.proof.proof import Proof

_JUDGED = "the pipeline can be judged"
_ACCURACY = "accuracy"
_PIPELINE = "pipeline equals the golden record"
_DECISIONS = "decisions equal the reference pipeline's"
_MOST_DECIDED_OTHERWISE = 0.001
"""Share of windows: scores that are equal to five digits fall on both sides of a bound now and then, not more often."""
_MATTERS = re.compile(
    "dropped as |the recording runs at |samples with a value held|there is no label|"
    "no window has the label|all judged windows have the label"
)
"""Notes of the reader that put a judgement in doubt; the others are told by `check`, and here by `-v`."""


@click.command(cls=Command)
@click.argument("data", type=click.Path(path_type=Path), required=False)
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the verdicts as JUnit XML.",
)
@unproven_option
@click.pass_obj
def command(call: Invocation, *, data: Path | None, junit: Path | None) -> None:
    """Judge the whole pipeline on a labelled recording.

    DATA is a CSV, JSONL or WAV file; without it, `[test] data`. Every window of one label is judged, and every
    decision is compared with that of the reference pipeline. Exit code 5 if the accuracy is below
    `[test] min_accuracy`, 3 if the pipeline differs from your golden record.
    """
    from edgekit.junit import Case, write
    from edgekit.state import State, eval_fingerprint

    try:
        (project, folder), path, compiled, golden, result = _judge(call, data)
    except EdgeKitError as error:
        if junit is not None:  # an older file would look like this run's
            write(junit, "edgekit", [Case(name=_JUDGED, outcome="failed", message=error.message)])
        raise
    failures = _failures(
        result,
        project.test.min_accuracy if project.test is not None else None,
        proven=compiled.proof.verdict == "proven",
    )
    if golden.verdict == "differs":
        failures[_PIPELINE] = truths.differs(golden)
    if junit is not None:
        write(junit, project.project.name, _cases(compiled.proof, golden, result, failures))
    if data is None:
        usual = _usual_label(result)
        facts = {
            "summary": _headline(result) + (f", no better than always `{usual}`" if usual else ""),
            "good": not failures and usual is None,
        }
        State(folder).remember("eval", eval_fingerprint(project, folder), facts)
    if call.as_json:
        engine = compiled.proof.to_json()
        call.console.json(
            {"data": str(path), "engine": engine, "pipeline": golden.to_json(), **result.to_json()}
        )
    else:
        truths.show(compiled.proof, golden, call.console)
        _show(result, path, call.console)
    for failure in failures.values():
        raise failure


def _judge(
    call: Invocation, data: Path | None
) -> tuple[OpenProject, Path, CompiledModel, GoldenReport, Evaluation]:
    from edgekit.model.compile import compile_project
    from edgekit.model.evaluation.evaluate import evaluate

    opened = call.open_project()
    path = _recording(opened, data)
    with call.console.working(f"proving {opened.project.model.path}"):
        compiled = compile_project(*opened, allow_unproven=call.allow_unproven)
    with call.console.working(f"judging {path.name}"):
        golden = truths.compare(opened, compiled)
        result = evaluate(compiled, path, opened.project)
    return opened, path, compiled, golden, result


def _recording(opened: OpenProject, data: Path | None) -> Path:
    if data is not None:
        return data
    if opened.project.recording is None:
        raise ConfigError(
            "there is no recording to judge the pipeline on",
            hint="name one with `edgekit eval DATA`, or set `[test] data` in edgekit.toml",
        )
    return opened.resolve(opened.project.recording)


def _failures(
    result: Evaluation, min_accuracy: float | None, *, proven: bool
) -> dict[str, EdgeKitError]:
    """Return what is not as it should be, by the name of its case; of a model that is not `proven` other decisions are expected."""
    found: dict[str, EdgeKitError] = {}
    agreement = result.agreement
    most = _MOST_DECIDED_OTHERWISE
    if proven and agreement.share is not None and agreement.share < 1 - most:
        found[_DECISIONS] = VerificationFailed(
            f"{agreement.windows - (agreement.same_label or 0)} of {agreement.windows} windows are decided otherwise "
            f"than by the reference pipeline, the first is window {agreement.first_difference}",
            hint="run `edgekit check`: it compares the engine with the reference on this recording",
        )
    if min_accuracy is not None:
        try:
            result.require(min_accuracy)
        except VerificationFailed as error:
            found[_ACCURACY] = error
    return found


def _headline(result: Evaluation) -> str:
    if result.accuracy is not None:
        return f"{result.accuracy:.1%}: {result.right} of {result.windows.judged} windows are right"
    if result.value is not None:
        return f"mean error {result.value.mean_absolute:.4g} over {result.windows.judged} windows"
    if result.anomaly is not None and result.anomaly.area_under_curve is not None:
        return f"{result.anomaly.area_under_curve:.1%} area under the ROC curve, {result.windows.judged} windows"
    return f"{result.windows.total} windows compared with the reference"


def _show(result: Evaluation, path: Path, console: Console) -> None:
    console.say()
    console.say(f"{console.style(_headline(result), 'bold')} ({shortest(path)})")
    if console.quiet:
        return
    if result.confusion is not None:
        console.say()
        show_confusion(result.confusion, console)
    console.say()
    console.facts(_rows(result))
    if result.worst:
        console.say()
        console.say("worst windows:")
        rows = [
            [
                f"rows {at.first_row} to {at.last_row}",
                f"{at.time_s:.2f} s",
                at.true,
                at.predicted,
                f"{at.score:.3g}",
            ]
            for at in result.worst
        ]
        console.table(["where", "time", "true", "predicted", "score"], rows)
    if result.confusion is not None:
        _show_order(result.confusion, console)
    usual = _usual_label(result)
    if usual is not None:
        console.say()
        console.remark("warning", "yellow", f"the model is no better than always saying `{usual}`")
    for note in result.notes:
        if console.verbose or _MATTERS.match(note):
            console.note(f"note: {note}")


def _usual_label(result: Evaluation) -> str | None:
    """Return the most frequent of several labels if always saying that would be right as often."""
    scores = result.confusion.by_label if result.confusion is not None else ()
    most = max(scores, key=lambda score: score.windows, default=None)
    if most is None or (result.right or 0) > most.windows:
        return None
    return most.label if sum(score.windows > 0 for score in scores) > 1 else None


def _show_order(confusion: Confusion, console: Console) -> None:
    from edgekit.model.evaluation.label_order import better_order
    from edgekit.proposal import toml

    order = better_order(confusion)
    if order is not None:
        console.say()
        console.remark(
            "warning",
            "yellow",
            "the labels are probably listed in another order than the model's outputs: "
            f"{order.accuracy:.1%} of the windows would be right",
        )
        console.remark("hint", "yellow", f"set `[model] labels = {toml(list(order.labels))}`")


def _rows(result: Evaluation) -> list[tuple[str, str]]:
    windows, agreement = result.windows, result.agreement
    others = [
        (windows.mixed, "of several labels"),
        (windows.ignored, "ignored"),
        (windows.unlabelled, "without label"),
    ]
    parts = [f"{windows.judged} judged", *(f"{count} {why}" for count, why in others if count)]
    dropped = [
        f"{count} dropped: {why.replace('_', ' ')}" for why, count in result.samples_dropped.items()
    ]
    rows = [
        ("windows", f"{windows.total} = {' + '.join(parts)}"),
        ("samples", ", ".join([f"{result.samples_read} read", *dropped])),
        ("decisions", _agreement_text(result)),
        (
            "outputs",
            f"differ by {agreement.max_abs_difference:.2g} at most, the largest is {agreement.largest_output:.3g}",
        ),
    ]
    if result.nonfinite:
        rows.append(
            ("not finite", f"the outputs of {result.nonfinite} windows: no label, counted as wrong")
        )
    if result.value is not None:
        value = result.value
        fit = "" if value.r_squared is None else f", R² {value.r_squared:.3f}"
        text = f"mean {value.mean_absolute:.4g}, root mean square {value.root_mean_square:.4g}{fit}"
        rows.insert(0, ("errors", text))
    return rows


def _agreement_text(result: Evaluation) -> str:
    agreement = result.agreement
    parts = []
    if agreement.same_label is not None:
        parts.append(
            f"{agreement.same_label} of {agreement.windows} windows as the reference pipeline"
        )
    if agreement.events is not None:
        same = (
            "the same"
            if agreement.same_events
            else f"the reference makes {agreement.reference_events}, not the same"
        )
        parts.append(f"{agreement.events} events, {same}")
    if agreement.first_difference is not None:
        parts.append(f"first difference at window {agreement.first_difference}")
    return "; ".join(parts) or "none are made"


def _cases(
    proof: Proof, golden: GoldenReport, result: Evaluation, failures: Mapping[str, EdgeKitError]
) -> list[Case]:
    from edgekit.junit import Case

    def case(name: str, measured: str) -> Case:
        if name in failures:
            return Case(name=name, outcome="failed", message=failures[name].message)
        return Case(name=name, outcome="passed", message=measured)

    if golden.verdict == "not checked":
        pipeline = Case(name=_PIPELINE, outcome="skipped", message=golden.reason)
    else:
        pipeline = case(_PIPELINE, golden.sentence)
    return [
        case("engine equals the reference", truths.measured(proof)),
        pipeline,
        case(_DECISIONS, _agreement_text(result)),
        case(_ACCURACY, _headline(result)),
    ]
