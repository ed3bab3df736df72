"""Convert a model and prove it: the two children side by side, the comparison, the suspect if it fails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import edgekit_runtime
import numpy as np

from edgekit.errors import ModelError, NotProven
from edgekit.model import convert, quantisation
from edgekit.model.child import Job
from edgekit.model.prepare import input_shapes
from edgekit.model.proof import probes, prove, suspect
from edgekit.model.proof.prove import Results
from edgekit.model.proof.reference import EXACT, OPTIMISED, Reference, outputs_of
from edgekit.model.proof.tolerance import Nature
from edgekit.model.stream_form import INPUT, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.proof.probes import Probes
    from edgekit.model.proof.prove import Proof
    from edgekit.model.source import SourceModel

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Proven:
    """A converted model and its proof, whose verdict is `proven`."""

    archive: bytes
    rewrites: tuple[str, ...]
    proof: Proof


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """What was tried on a model and what came of it, in the reference and in the engine."""

    tried: Probes
    kept: list[int]
    """Frames of `tried` that the reference could run; `results` holds these."""
    results: Results
    archive: bytes
    converted: Mapping[str, Any]
    reference: str


@np.errstate(all="ignore")  # overflow and NaN are what the inputs and the comparison are about
def convert_and_prove(
    source: SourceModel,
    spec: GraphSpec | None,
    *,
    hop: int | None,
    recorded: npt.ArrayLike | None,
    logs: Path | None,
) -> Proven:
    """
    Return the archive that was proven equal to the source.

    `recorded`: windows `[n, window, channels]` of raw samples; `logs`: where the log of a crash is kept. Raises
    ModelError if the model cannot be converted or run, NotProven if its results are others than the reference's.
    """
    if spec is None:
        tried = probes.for_tensors(source, input_shapes(source, spec))
    else:
        tried = probes.for_stream(source, spec, recorded)
    attempt = _attempt(source, spec, tried, hop, logs)
    about = edgekit_runtime.engine()
    proof = prove.prove(
        attempt.results,
        reference=attempt.reference,
        engine=f"{about.name} {about.version}, {' '.join(about.registries)}",
        seed=probes.SEED,
        memory=attempt.converted["memory"],
    )
    if proof.verdict != "proven":
        raise _refused(source, spec, proof, attempt, logs)
    return Proven(
        archive=attempt.archive, rewrites=tuple(attempt.converted["rewrites"]), proof=proof
    )


def _attempt(
    source: SourceModel, spec: GraphSpec | None, tried: Probes, hop: int | None, logs: Path | None
) -> _Attempt:
    reference = Reference(source, spec, logs=logs)
    frames = tried.inputs if spec is None else reference.model_inputs(tried.inputs[INPUT])
    parameters = {"spec": None if spec is None else spec.to_json(), "hop": hop}
    inputs = {f"input_{name}": array for name, array in tried.inputs.items()}
    with (
        reference.job(frames, noise=True) as ours,
        Job("convert", source, parameters, inputs, logs=logs) as theirs,
    ):
        # the reference first: what is wrong with the file itself is said in its own words
        expected = ours.result()
        converted = theirs.result()
        exact, optimised = outputs_of(ours, EXACT), _optional_outputs(ours)
        engine = outputs_of(theirs, convert.OUTPUTS)
        streamed = None if spec is None else theirs.arrays(convert.STREAMED)
        archive = theirs.file(convert.ARCHIVE)
    kept = expected["frames"]
    _check_all_ran(source, converted["failed"], kept)
    natures = {name: quantisation.nature_of(source.proto.graph, name) for name in exact}
    if spec is not None:
        given = {name: array[kept] for name, array in frames.items()}
        natures = {OUTPUT: _nature(spec, natures[reference.output_names[0]])}
        exact = {OUTPUT: reference.finish(given, exact)}
        optimised = None if optimised is None else {OUTPUT: reference.finish(given, optimised)}
    results = Results(
        kinds=[tried.kinds[index] for index in kept],
        reference=exact,
        optimised=optimised,
        engine={name: engine[name][kept] for name in exact},
        natures=natures,
        streamed=streamed,
        hop=hop,
        skipped=len(tried.kinds) - len(kept),
    )
    return _Attempt(
        tried=tried,
        kept=kept,
        results=results,
        archive=archive,
        converted=converted,
        reference=f"ONNX Runtime {expected['version']}, optimisations off",
    )


def _check_all_ran(source: SourceModel, failed: Mapping[str, str], kept: list[int]) -> None:
    """Refuse a model on which the engine fails where the reference does not."""
    for frame, message in failed.items():
        if int(frame) in kept:
            raise ModelError(
                f"the engine cannot run `{source.path}`: {message}",
                hint="ONNX Runtime can: export the model with another opset (13 to 17), or replace this operator",
            )


def _optional_outputs(job: Job) -> dict[str, Array] | None:
    """Return the outputs with optimisations on; None if ONNX Runtime cannot run the model that way."""
    try:
        return outputs_of(job, OPTIMISED)
    except FileNotFoundError:
        return None


def _nature(spec: GraphSpec, own: Nature) -> Nature:
    """Return the nature of the prediction: not the output's own where the graph makes something else of it."""
    if spec.activation != "none":
        return Nature(probability=True)
    return Nature() if spec.output_kind == "anomaly" else own


def _refused(
    source: SourceModel, spec: GraphSpec | None, proof: Proof, attempt: _Attempt, logs: Path | None
) -> NotProven:
    """Return the error, with the suspected operator where there is a wrong number to look for."""
    message = f"`{source.path}` is refused: {proof.reason}"
    hint = "do not use this model as it is: what was tried and what came of it is in `edgekit check --json`"
    rewrites = tuple(attempt.converted["rewrites"])
    bad = proof.first_bad
    if bad is None:
        return NotProven(message, hint=hint, proof=proof, rewrites=rewrites)
    tried = attempt.tried
    of_kind = [index for index in attempt.kept if tried.kinds[index] == bad.kind]
    frame = {name: array[[of_kind[bad.frame]]] for name, array in tried.inputs.items()}
    found = suspect.find(source, spec, frame, logs)
    if any(nature.step for nature in attempt.results.natures.values()):
        hint = "export the model in float32, not quantised: then it can be proven"
    elif found.operator:
        hint = f"export the model without {found.chain}, which the engine computes differently"
    return NotProven(
        f"{message}; {found}", hint=hint, proof=replace(proof, suspect=found), rewrites=rewrites
    )
