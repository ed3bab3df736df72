"""
Evaluate: EdgeKit's whole pipeline over a labelled recording, beside the reference pipeline.

EdgeKit's pipeline is the agent's: its reader, its engine fed block by block and restarted where the agent restarts, its
decision rule. The reference pipeline is the user's file in ONNX Runtime over the same raw windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from edge_agent.recording import RecordingReader
from edgekit.errors import ConfigError, DataError, ModelError
from edgekit.model.evaluation.agreement import AgreementCount
from edgekit.model.evaluation.anomaly_judge import AnomalyJudge
from edgekit.model.evaluation.class_judge import ClassJudge
from edgekit.model.evaluation.evaluation import Evaluation
from edgekit.model.evaluation.judge import Judge, NoJudge
from edgekit.model.evaluation.tally import Tally
from edgekit.model.evaluation.value_judge import ValueJudge
from edgekit.model.evaluation.windows import WindowCutter
from edgekit.model.meaning.output_meaning import check_labels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import edgekit_runtime
    from numpy.typing import NDArray

    from edge_agent.config import Decision
    from edge_agent.records import Block
    from edgekit.model.compile import CompiledModel
    from edgekit.model.evaluation.windows import Windows
    from edgekit.project import Project

    Floats = NDArray[np.float32]

NEW_RECORDING: Final = ("start", "group")
"""Restarts after which the agent's decision rule knows nothing of before."""


def evaluate(compiled: CompiledModel, path: Path, project: Project) -> Evaluation:
    """
    Run a recording through both pipelines and judge every window that has one true label.

    A recording of any length takes the memory of one batch. Raises DataError for a recording that cannot be
    used or has labels that are none of the model's, ConfigError for a project that asks for what makes no sense.
    """
    spec, stream = compiled.spec, project.input
    if spec is None or stream.kind == "tensor":
        raise ConfigError(
            "this model takes named tensors, and a recording is a stream of samples",
            hint="evaluate arrays from Python: `edgekit.compile(…).evaluate(X, y)`",
        )
    _check_accuracy(project)
    engine = compiled.stream(stream.hop)
    check_labels(spec, compiled.labels, engine.outputs)
    ignore = () if project.test is None else project.test.ignore
    judge = make_judge(spec.output_kind, compiled.labels, engine.outputs, ignore, project.decision)
    reader = RecordingReader(path, stream, project.columns)
    agreement = AgreementCount(spec.output_kind, compiled.labels, project.decision, sequence=True)
    reference = compiled.reference()
    restart = reference.restart if compiled.mode == "stateful" else None
    tally = Tally(reference.predict, judge, agreement, restart=restart)
    cutter = WindowCutter(
        window=stream.window, hop=stream.hop, channels=len(stream.channels), encode=judge.encode
    )
    for block in reader:
        windows = cutter.add(block)
        if not judge.unusable:  # else only to find all its labels
            if block.begin:
                tally.restart(new_recording=block.begin in NEW_RECORDING)
            tally.add(windows, _push(engine, block, windows))
    judge.check()
    labelled = reader.layout is not None and reader.layout.label is not None
    counts = tally.counts(labelled=labelled and not isinstance(judge, NoJudge))
    if not counts.total:
        raise DataError(
            f"`{path}` has no whole window: none of its segments is {stream.window} samples long",
            hint="see what is dropped, and why, with `edgekit run --replay`; or give a longer recording",
        )
    verdict = judge.verdict()
    judging = judging_notes(spec.output_kind, engine.outputs, labelled=labelled)
    return Evaluation(
        kind=spec.output_kind,
        windows=counts,
        agreement=agreement.result(),
        **{**vars(verdict), "notes": (*reader.notes, *judging, *verdict.notes)},
        nonfinite=tally.nonfinite,
        samples_read=reader.counts.read,
        samples_dropped=dict(reader.counts.dropped),
    )


def _check_accuracy(project: Project) -> None:
    kind, test = project.output.kind, project.test
    if test is None or test.min_accuracy is None:
        return
    if kind in ("value", "raw"):
        raise ConfigError(
            f'`[test] min_accuracy` needs right and wrong, and `[output] kind = "{kind}"` has neither',
            hint="remove `min_accuracy`",
        )
    if kind == "anomaly" and project.decision.threshold is None:
        raise ConfigError(
            "`[test] min_accuracy` of an anomaly score needs a threshold",
            hint="set `[decision] threshold`; `edgekit eval` without `min_accuracy` shows how the scores lie",
        )


def make_judge(
    kind: str, labels: tuple[str, ...], outputs: int, ignore: Sequence[str], decision: Decision
) -> Judge:
    """Return the judge for a kind of output."""
    threshold = decision.threshold
    if kind == "classes":
        if isinstance(threshold, dict):
            threshold = threshold.get(labels[0] if labels else "0")
        return ClassJudge(labels, outputs, ignore, threshold)
    if kind == "value" and outputs == 1:
        return ValueJudge(ignore)
    if kind == "anomaly":
        return AnomalyJudge(ignore, threshold if isinstance(threshold, float | int) else None)
    return NoJudge()


def judging_notes(kind: str, outputs: int, *, labelled: bool) -> tuple[str, ...]:
    """Return how windows were judged: sentences for the report."""
    if not labelled:
        return (
            "there is no label column: nothing can be right or wrong, only the two pipelines are compared",
        )
    if kind == "classes" and outputs > 1:
        return (
            "accuracy counts the largest output of each window of one label, whatever `[decision] threshold` is",
        )
    if kind == "classes":
        return (
            "accuracy counts the one output as its label from `[decision] threshold` on, 0.5 without one",
        )
    if kind == "value" and outputs == 1:
        return ("errors are to the label of each window's last sample",)
    if kind == "anomaly":
        return ()
    return (
        f'labels are not judged: `kind = "{kind}"` with {outputs} outputs is compared with the reference alone',
    )


def _push(engine: edgekit_runtime.Stream, block: Block, windows: Windows) -> Floats:
    """Feed the engine as the agent does; return its outputs `[n, outputs]` for the windows that end in this block."""
    if block.begin:
        engine.reset()
    try:
        predictions = engine.push(block.samples)
    except (
        Exception
    ) as error:  # the engine's own error class is in a module that need not be installed here
        last_row = block.first_row + block.count - 1
        raise ModelError(
            f"the engine failed between row {block.first_row} and {last_row}: {error}"
        ) from error
    if [end for end, _ in predictions] != windows.ends.tolist():
        raise ModelError(
            f"the engine's windows do not end where they should near row {block.first_row}"
        )
    return np.frombuffer(b"".join(values for _, values in predictions), "<f4").reshape(
        len(windows), engine.outputs
    )
