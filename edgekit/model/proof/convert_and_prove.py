"""Convert a model and prove it: the two children side by side, the comparison, the suspect if it fails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import edgekit_runtime
import numpy as np

from edgekit.errors import ConfigError, ModelError
from edgekit.model import convert, quantisation
from edgekit.model.child import Job
from edgekit.model.prepare import input_shapes
from edgekit.model.proof import codes, probes, prove, suspect, tolerance
from edgekit.model.proof.prove import Results
from edgekit.model.proof.reference import EXACT, OPTIMISED, Reference, outputs_of
from edgekit.model.stream_form import INPUT, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.options import ModelOptions
    from edgekit.model.proof.probes import Probes
    from edgekit.model.proof.proof import Proof, Suspect
    from edgekit.model.source import SourceModel

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model, and what it is to become."""

    source: SourceModel
    spec: GraphSpec | None
    """The stream form; None for named tensors."""
    options: ModelOptions
    hop: int | None
    logs: Path | None = None
    """Where the log of a crash is kept."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A converted model and what was found out about it; whether it may ship is decided elsewhere."""

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
def convert_and_prove(case: Case, recorded: npt.ArrayLike | None) -> Judged:
    """
    Return the archive, held against the source on every input that is worth trying.

    `recorded`: windows `[n, window, channels]` of raw samples. Raises ModelError if the model cannot be converted or run.
    """
    _check_foldable(case)
    spec = case.spec
    reference = Reference(case.source, spec, case.options, logs=case.logs)
    visible = reference.source
    if spec is None:
        tried = probes.for_tensors(visible, input_shapes(visible, spec))
    else:
        tried = probes.for_stream(visible, spec, recorded)
    attempt = _attempt(case, reference, tried)
    about, converted = edgekit_runtime.engine(), attempt.converted
    proof = prove.prove(
        attempt.results,
        reference=attempt.reference,
        engine=f"{about.name} {about.version}, {' '.join(about.registries)}",
        seed=probes.SEED,
        memory=converted["memory"],
    )
    proof = replace(
        proof,
        mode=converted.get("mode", "tensor" if spec is None else "window"),
        mode_reason=converted.get("mode_reason", ""),
        cost=converted.get("cost"),
        speedup=converted.get("speedup"),
        profile=tuple((name, share) for name, share in converted.get("profile", ())),
    )
    proof = replace(proof, suspect=_suspect(case, proof, attempt))
    return Judged(
        archive=attempt.archive,
        rewrites=tuple(converted["rewrites"]),
        proof=proof,
    )


def _attempt(case: Case, reference: Reference, tried: Probes) -> _Attempt:
    source, spec, logs = case.source, case.spec, case.logs
    resets = _resets(tried.kinds) if reference.state else None
    frames = tried.inputs if spec is None else reference.model_inputs(tried.inputs[INPUT])
    parameters = {
        "spec": None if spec is None else spec.to_json(),
        "hop": case.hop,
        "options": case.options.to_json(),
        "resets": resets,
    }
    inputs = {f"input_{name}": array for name, array in tried.inputs.items()}
    with (
        reference.job(frames, noise=True, resets=resets) as ours,
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
    _check_values(source, exact)
    litert = source.kind == "tflite"
    natures = {name: quantisation.nature_of(source.proto.graph, name) for name in exact}
    if litert:
        natures = {
            name: replace(nature, codes=codes.LITERT_CODES) for name, nature in natures.items()
        }
    if spec is not None:
        given = {name: array[kept] for name, array in frames.items()}
        own = natures[reference.output_names[0]]
        exact = {OUTPUT: reference.finish(given, exact)}
        natures = {OUTPUT: quantisation.nature_of_prediction(spec, own, exact[OUTPUT])}
        optimised = None if optimised is None else {OUTPUT: reference.finish(given, optimised)}
    quantised = quantisation.is_quantised(source.proto.graph)
    results = Results(
        kinds=[tried.kinds[index] for index in kept],
        reference=exact,
        optimised=optimised,
        engine={name: engine[name][kept] for name in exact},
        natures=natures,
        streamed=streamed,
        hop=case.hop,
        skipped=len(tried.kinds) - len(kept),
        quantised=quantised,
        folded=quantised and case.options.quantized == "fold",
        litert=litert,
    )
    return _Attempt(
        tried=tried,
        kept=kept,
        results=results,
        archive=archive,
        converted=converted,
        reference=f"LiteRT ({expected['version']}), reference kernels"
        if litert
        else f"ONNX Runtime {expected['version']}, optimisations off",
    )


def _resets(kinds: Sequence[str]) -> list[int]:
    """
    Return the frames before which state begins from zero.

    Ordinary frames are one sequence; one outside of the usual range would leave its state to all after it.
    """
    return [
        index
        for index, kind in enumerate(kinds)
        if index == 0 or kind in tolerance.OUTSIDE or kinds[index - 1] in tolerance.OUTSIDE
    ]


def _check_foldable(case: Case) -> None:
    if case.options.quantized == "fold" and case.source.kind == "tflite":
        raise ConfigError(
            '`quantized = "fold"` is for ONNX models: the integers of a TensorFlow Lite model are kept exactly',
            hint="remove `quantized` from [model], or convert the model to TensorFlow Lite without quantisation",
        )


def _check_values(source: SourceModel, outputs: Mapping[str, Array]) -> None:
    """Refuse an output without a single value."""
    for name, values in outputs.items():
        if not values[0].size:
            raise ModelError(
                f"output `{name}` of `{source.path}` has no values: its shape is {list(values.shape[1:])}",
                hint="export the model without it, or with an input that gives it values",
            )


def _check_all_ran(source: SourceModel, failed: Mapping[str, str], kept: list[int]) -> None:
    """Refuse a model on which the engine fails where the reference does not."""
    for frame, message in failed.items():
        if int(frame) in kept:
            raise ModelError(
                f"the engine cannot run `{source.path}`: {message}",
                hint="its reference can: export the model with another opset (13 to 17), or replace this operator",
            )


def _optional_outputs(job: Job) -> dict[str, Array] | None:
    """Return the outputs with optimisations on; None if ONNX Runtime cannot run the model that way."""
    try:
        return outputs_of(job, OPTIMISED)
    except FileNotFoundError:
        return None


def _suspect(case: Case, proof: Proof, attempt: _Attempt) -> Suspect | None:
    """Return where the numbers first leave the reference's, if they do and are not meant to."""
    bad = proof.first_bad
    if proof.verdict == "proven" or bad is None or attempt.results.folded:
        return None
    if proof.mode == "stateful" or case.source.kind == "tflite":
        return None  # its inputs depend on the runs before; a .tflite has no tensors that could be compared one by one
    tried = attempt.tried
    of_kind = [index for index in attempt.kept if tried.kinds[index] == bad.kind]
    frame = {name: array[[of_kind[bad.frame]]] for name, array in tried.inputs.items()}
    return suspect.find(case, frame)
