"""The job `convert`: check, prepare, convert, load as a device does, run over the proof's inputs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import edgekit_runtime
import numpy as np
import onnx

from edgekit.errors import ModelError
from edgekit.model import refusal, stream_form, streaming
from edgekit.model.child import read_arrays
from edgekit.model.gate import activations
from edgekit.model.graph_spec import GraphSpec
from edgekit.model.options import ModelOptions
from edgekit.model.prepare import input_shapes, prepare
from edgekit.model.source import SourceModel
from edgekit.model.state_pairs import state_pairs, without_state
from edgekit.model.worker import step

if TYPE_CHECKING:
    from edgekit.model.state_pairs import Pairs

    Array = np.ndarray[Any, Any]

ARCHIVE: Final = "model.nnef.tar"
OUTPUTS: Final = "outputs.npz"
STREAMED: Final = "streamed.npz"

_PROFILED_RUNS: Final = 5
_PROFILED_OPERATORS: Final = 5


def job(folder: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """
    Convert `model.onnx` and run it over `inputs.npz`.

    Writes the archive, its outputs (`output_0` … `[inputs, *shape]`) and, for the stream form, what a stream over the
    inputs as one signal gives. `resets`: the frames before which state is zeroed; all of them unless given.
    """
    source = read_source(folder, parameters)
    spec = None if parameters["spec"] is None else GraphSpec.from_json(parameters["spec"])
    options = ModelOptions.from_json(parameters["options"])
    step(folder, "checking it")
    _check(source)
    visible = without_state(source, state_pairs(source, options))
    activations.check(source.proto, input_shapes(visible, spec), source.path)
    step(folder, "preparing it")
    try:
        prepared = prepare(source, spec, options)
    except UnicodeDecodeError as error:
        raise ModelError(
            f"`{source.path}` is not valid ONNX: text in it is no UTF-8", hint="export it again"
        ) from error
    step(folder, "converting it")
    readable, archive, folded = importable(prepared.onnx, folder, source.path, state=prepared.state)
    inputs = read_arrays(folder / "inputs.npz")
    try:
        streamed = None
        if spec is not None:
            step(folder, "looking for its incremental form")
            hop, windows = parameters["hop"], inputs[f"input_{stream_form.INPUT}"]
            wanted = streaming.Wanted(hop, options.mode, bool(prepared.state), len(windows))
            streamed = streaming.choose(readable, archive, wanted)
            step(folder, "streaming through what it converted")
            signal = windows.reshape(-1, windows.shape[2])
            streamed, found = streaming.prove(streamed, archive, wanted, signal)
            np.savez(folder / STREAMED, allow_pickle=False, **found)
            archive = streamed.archive
        measured = _run(folder, archive, inputs, parameters.get("resets"))
    except edgekit_runtime.EngineError as error:
        raise refusal.of_load(error, source.proto, source.path) from error
    (folder / ARCHIVE).write_bytes(archive)
    result = {"rewrites": [*prepared.rewrites, *folded], **measured}
    if streamed is None:
        return {**result, "mode": "stateful" if prepared.state else "tensor"}
    result["rewrites"] += streamed.rewrites
    return {
        **result,
        "mode": streamed.mode,
        "mode_reason": streamed.reason,
        "cost": streamed.cost,
        "speedup": streamed.speedup,
    }


def _run(
    folder: Path, archive: bytes, inputs: dict[str, Array], resets: list[int] | None
) -> dict[str, Any]:
    """Load an archive and run it over the inputs; return what that took, and what went wrong."""
    step(folder, "loading what it converted")
    idle = edgekit_runtime.memory().live_bytes
    edgekit_runtime.reset_peak()
    session = edgekit_runtime.Session(archive)
    loading = edgekit_runtime.memory().peak_bytes
    step(folder, "running what it converted")
    edgekit_runtime.reset_peak()
    outputs, failed = _run_all(session, inputs, resets)
    memory = edgekit_runtime.memory()
    np.savez(folder / OUTPUTS, allow_pickle=False, **outputs)
    return {
        "memory": {
            "live_bytes": memory.live_bytes - idle,
            "peak_bytes": memory.peak_bytes - idle,
            "load_bytes": loading - idle,
        },
        "failed": failed,
        "profile": _profile(session, archive, inputs),
    }


def _profile(
    session: edgekit_runtime.Session, archive: bytes, inputs: dict[str, Array]
) -> list[tuple[str, float]]:
    """Return the operators that take longest, each with its share of the time."""
    frame = {
        tensor.name: np.ascontiguousarray(inputs[f"input_{tensor.name}"][0]).tobytes()
        for tensor in session.inputs
    }
    try:
        times = edgekit_runtime.profile(archive, frame, _PROFILED_RUNS)
    except (
        edgekit_runtime.EngineError
    ):  # of all frames the first fails: it is among those that are told
        return []
    total = sum(seconds for _, seconds in times) or 1.0
    return [(name, seconds / total) for name, seconds in times[:_PROFILED_OPERATORS]]


def read_source(folder: Path, parameters: dict[str, Any]) -> SourceModel:
    """Return the model of a job, under the name that the user knows."""
    return dataclasses.replace(
        SourceModel.load(folder / "model.onnx"), path=Path(parameters["path"])
    )


def _check(source: SourceModel) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(source.proto)
    for (
        output
    ) in model.graph.output:  # the checker wants a shape there; ONNX Runtime finds it by itself
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.shape.SetInParent()
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ModelError(
            f"`{source.path}` is not valid ONNX: {str(error).strip().splitlines()[0]}",
            hint="export it again with a current exporter, or compare it with the original file",
        ) from error


def importable(
    prepared: bytes, folder: Path, path: Path, *, state: Pairs = ()
) -> tuple[bytes, bytes, list[str]]:
    """
    Return the ONNX that the converter reads, the archive, and lines for the report.

    `state`: inputs that the engine carries, and for each the output that is its value in the next run. What the converter refuses is tried once more with its constants folded by ONNX Runtime.
    """
    try:
        return prepared, edgekit_runtime.import_onnx(prepared, state=state), []
    except edgekit_runtime.EngineError as error:
        first = error
    step(folder, "folding its constants")
    model = onnx.ModelProto.FromString(prepared)
    # folded, a loop may keep the engine busy for minutes with its shapes
    if any(node.op_type == "Scan" for node in model.graph.node):
        raise refusal.of_import(first, model, path) from first
    try:
        folded = _folded(prepared, folder)
        archive = edgekit_runtime.import_onnx(folded, state=state)
    except Exception:  # noqa: BLE001 (ONNX Runtime has many; the converter's first word is the one to tell)
        raise refusal.of_import(first, model, path) from first
    return (
        folded,
        archive,
        ["constants folded by ONNX Runtime (the engine does not read the model otherwise)"],
    )


def _folded(prepared: bytes, folder: Path) -> bytes:
    import onnxruntime  # noqa: PLC0415 (for the few models that need it; the parent reads this module's names too)

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "folded.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(prepared, options, providers=["CPUExecutionProvider"])
    return (folder / "folded.onnx").read_bytes()


def _run_all(
    session: edgekit_runtime.Session, inputs: dict[str, Array], resets: list[int] | None
) -> tuple[dict[str, Array], dict[int, str]]:
    """
    Run over the frames, of which all inputs have the same number along their first axis.

    State is zeroed before the frames in `resets`; before each of them if that is None.

    Returns the outputs, zeros for the frames that failed, and why those did.
    """
    by_name = {name.removeprefix("input_"): array for name, array in inputs.items()}
    count = len(next(iter(by_name.values())))
    outputs = {
        f"output_{tensor.name}": np.zeros((count, *tensor.shape), tensor.dtype)
        for tensor in session.outputs
    }
    failed = {}
    for index in range(count):
        if resets is None or index in resets:
            session.reset()
        try:
            given = session.run(
                {tensor.name: by_name[tensor.name][index].tobytes() for tensor in session.inputs}
            )
        except edgekit_runtime.EngineError as error:
            failed[index] = str(error)
            continue
        for tensor in session.outputs:
            value = np.frombuffer(given[tensor.name], tensor.dtype)
            outputs[f"output_{tensor.name}"][index] = value.reshape(tensor.shape)
    return outputs, failed
