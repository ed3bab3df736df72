"""The job `convert`: check, prepare, convert, load as a device does, run over the proof's inputs."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import edgekit_runtime
import numpy as np
import onnx

from edgekit.errors import ModelError
from edgekit.model import refusal, stream_form
from edgekit.model.child import read_arrays
from edgekit.model.graph_spec import GraphSpec
from edgekit.model.prepare import prepare
from edgekit.model.source import SourceModel
from edgekit.model.worker import step

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

ARCHIVE: Final = "model.nnef.tar"
OUTPUTS: Final = "outputs.npz"
STREAMED: Final = "streamed.npz"

_BLOCKS: Final = (1, 7, 64, 1009)
"""Samples that are pushed at once, in turn: one, few, many, more than most windows."""

_POSITIONS: Final = 256
"""Windows that are compared in a stream; a hop of 1 over all inputs could be a million."""


def job(folder: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """
    Convert `model.onnx` and run it over `inputs.npz`.

    Writes the archive, its outputs (`output_0` … `[inputs, *shape]`) and, for the stream form, what a stream over the
    inputs as one signal gives.
    """
    source = read_source(folder, parameters)
    spec = None if parameters["spec"] is None else GraphSpec.from_json(parameters["spec"])
    step(folder, "checking it")
    _check(source)
    step(folder, "preparing it")
    try:
        prepared = prepare(source, spec)
    except UnicodeDecodeError as error:
        raise ModelError(
            f"`{source.path}` is not valid ONNX: text in it is no UTF-8", hint="export it again"
        ) from error
    step(folder, "converting it")
    _, archive, folded = importable(prepared.onnx, folder, source.path, spec)
    (folder / ARCHIVE).write_bytes(archive)
    step(folder, "loading what it converted")
    idle = edgekit_runtime.memory().live_bytes
    edgekit_runtime.reset_peak()
    try:
        session = edgekit_runtime.Session(archive)
        loading = edgekit_runtime.memory().peak_bytes
        step(folder, "running what it converted")
        edgekit_runtime.reset_peak()
        outputs, failed = _run_all(session, read_arrays(folder / "inputs.npz"))
        memory = edgekit_runtime.memory()
        if spec is not None:
            step(folder, "streaming through what it converted")
            signal = read_arrays(folder / "inputs.npz")[f"input_{stream_form.INPUT}"]
            np.savez(
                folder / STREAMED, allow_pickle=False, **_stream(session, signal, parameters["hop"])
            )
    except edgekit_runtime.EngineError as error:
        raise refusal.of_load(error, source.proto, source.path) from error
    np.savez(folder / OUTPUTS, allow_pickle=False, **outputs)
    return {
        "rewrites": [*prepared.rewrites, *folded],
        "memory": {
            "live_bytes": memory.live_bytes - idle,
            "peak_bytes": memory.peak_bytes - idle,
            "load_bytes": loading - idle,
        },
        "failed": failed,
    }


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
    prepared: bytes, folder: Path, path: Path, spec: GraphSpec | None
) -> tuple[bytes, bytes, list[str]]:
    """
    Return the ONNX that the converter reads, the archive, and lines for the report.

    What the converter refuses is tried once more with its constants folded by ONNX Runtime.
    """
    try:
        return prepared, edgekit_runtime.import_onnx(prepared), []
    except edgekit_runtime.EngineError as error:
        first = error
    step(folder, "folding its constants")
    try:
        folded = _folded(prepared, folder)
        archive = edgekit_runtime.import_onnx(folded)
    except Exception:  # noqa: BLE001 (ONNX Runtime has many; the converter's first word is the one to tell)
        raise refusal.of_import(first, onnx.ModelProto.FromString(prepared), path, spec) from first
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
    session: edgekit_runtime.Session, inputs: dict[str, Array]
) -> tuple[dict[str, Array], dict[int, str]]:
    """
    Run over the frames, of which all inputs have the same number along their first axis.

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


def _stream(session: edgekit_runtime.Session, windows: Array, hop: int) -> dict[str, Array]:
    """
    Push windows as one signal, in blocks of several sizes.

    Returns where predictions ended, their values, and the values of the same windows given to the session.
    """
    window = windows.shape[1]
    signal = windows.reshape(-1, windows.shape[2])[: window + (_POSITIONS - 1) * hop]
    stream = session.stream(hop)
    predictions: list[tuple[int, bytes]] = []
    start = 0
    for size in itertools.cycle(_BLOCKS):
        if start >= len(signal):
            break
        predictions += stream.push(signal[start : start + size].tobytes())
        start += size
    ends = [end for end, _ in predictions]
    alone = [
        session.run({stream_form.INPUT: signal[end - window : end].tobytes()})[stream_form.OUTPUT]
        for end in ends
    ]
    streamed = b"".join(values for _, values in predictions)
    return {
        "expected_ends": np.arange(window, len(signal) + 1, hop),
        "ends": np.array(ends, np.int64),
        "streamed": np.frombuffer(streamed, np.float32).reshape(len(ends), -1),
        "alone": np.frombuffer(b"".join(alone), np.float32).reshape(len(ends), -1),
    }
