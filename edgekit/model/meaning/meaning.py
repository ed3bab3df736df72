"""
Meaning: whether what goes in and what comes out looks like what the model means.

Numbers can be proven equal and still be nonsense: milli-g for g, logits for probabilities, a label list in another order.
What can be seen of that over a recording is said here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from edgekit.model.meaning.finding import Finding
from edgekit.model.meaning.input_range import TOO_MANY, input_findings, out_of_range
from edgekit.model.meaning.output_meaning import Outputs, check_labels, output_findings
from edgekit.model.quantisation import input_range
from edgekit.model.state_pairs import state_pairs, without_state
from edgekit.model.stream_form import the_input

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.model.compile import CompiledModel
    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.recorded import RecordedWindows
    from edgekit.model.source import SourceModel
    from edgekit.project import Project, StreamInput

RATE_TOLERANCE: Final = 0.05
"""A clock is wrong by far less; a sensor set to another rate by far more."""


def findings(
    compiled: CompiledModel, recorded: RecordedWindows, project: Project
) -> tuple[Finding, ...]:
    """
    Look at a model over a recording.

    Raises ConfigError if there are labels, but not one for each output; ModelError if the reference cannot run.
    Of a model with named tensors nothing is known: there are no findings.
    """
    spec, stream = compiled.spec, project.input
    if spec is None or stream.kind == "tensor":
        return ()
    return tuple(_findings(compiled, spec, recorded, project, stream))


def _findings(
    compiled: CompiledModel,
    spec: GraphSpec,
    recorded: RecordedWindows,
    project: Project,
    stream: StreamInput,
) -> Iterator[Finding]:
    yield from _rate(recorded, stream)
    yield from _bounds(recorded, stream)
    if not len(recorded.raw):
        return
    pairs = state_pairs(compiled.source, compiled.options)
    taken = the_input(without_state(compiled.source, pairs))
    yield from input_findings(
        recorded.raw, spec, stream.channels, input_range(compiled.source, taken.name)
    )
    values = compiled.reference().predict(recorded.raw)
    check_labels(spec, compiled.labels, values.shape[1])
    outputs = Outputs(
        values=values,
        logits=values if spec.activation == "none" else compiled.reference().logits(recorded.raw),
        quantised=_is_quantised(compiled.source),
        labels=compiled.labels or tuple(str(index) for index in range(values.shape[1])),
        labels_seen=frozenset(recorded.labels),
    )
    yield from output_findings(outputs, spec, has_threshold=project.decision.threshold is not None)


def _is_quantised(source: SourceModel) -> bool:
    return any(
        "Quantize" in node.op_type or node.op_type.startswith("QLinear")
        for node in source.proto.graph.node
    )


def _rate(recorded: RecordedWindows, stream: StreamInput) -> Iterator[Finding]:
    measured = recorded.rate_hz_measured
    if measured is not None and abs(measured / stream.rate_hz - 1) > RATE_TOLERANCE:
        yield Finding(
            severity="warning",
            message=f"the recording runs at {measured:.4g} Hz, the model expects {stream.rate_hz:g} Hz (`[input] rate_hz`)",
            hint="record at the model's rate, or resample the recording; "
            f"if the model was trained on such recordings, set `rate_hz = {measured:.4g}`",
        )


def _bounds(recorded: RecordedWindows, stream: StreamInput) -> Iterator[Finding]:
    low, high = np.array(stream.bounds()).T
    if len(recorded.unbounded):
        outside = ((recorded.unbounded < low) | (recorded.unbounded > high)).any(axis=2)
        share = float(outside.mean())
        if share > TOO_MANY:
            yield out_of_range(recorded.unbounded, share, low, high)
