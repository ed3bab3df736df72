"""The job `suspect`: find the tensor at which the engine's numbers first leave the reference's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import edgekit_runtime
import numpy as np
import onnx

from edgekit.model import operators, quantisation
from edgekit.model.child import read_arrays
from edgekit.model.convert import importable, read_source
from edgekit.model.graph_spec import GraphSpec
from edgekit.model.options import ModelOptions
from edgekit.model.prepare import prepare
from edgekit.model.proof import tolerance
from edgekit.model.proof.reference_job import open_session
from edgekit.model.worker import step

if TYPE_CHECKING:
    from pathlib import Path

    Array = np.ndarray[Any, Any]

_RELATIVE: Final = 1e-4
"""Looser than the proof: small errors add up, and this looks for the operator that is wrong, not for the noise."""


def job(folder: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """
    End the model at one tensor after the other and compare it there, on the one input in `inputs.npz`.

    Returns the first tensor that differs with its operator, or a note saying that none was found, within `seconds`.
    """
    deadline = time.monotonic() + parameters["seconds"]
    source = read_source(folder, parameters)
    spec = None if parameters["spec"] is None else GraphSpec.from_json(parameters["spec"])
    step(folder, "preparing it")
    prepared = prepare(source, spec, ModelOptions.from_json(parameters["options"])).onnx
    readable, _, _ = importable(prepared, folder, source.path)
    model = onnx.ModelProto.FromString(readable)
    inputs = {
        name.removeprefix("input_"): array[0]
        for name, array in read_arrays(folder / "inputs.npz").items()
    }
    nodes = _computed(model)
    step(folder, "computing every tensor")
    expected = _every_tensor(model, nodes, inputs)
    step(folder, "ending the model at one tensor after the other")
    skipped = 0
    for number, node in enumerate(nodes):
        for name in filter(None, node.output):
            if time.monotonic() > deadline:
                return _nothing(
                    f"where it starts was not found in {parameters['seconds']} s ({number} of {len(nodes)} operators)"
                )
            step_size = quantisation.nature_of(model.graph, name).step
            differs = _differs(readable, name, inputs, expected[name], step_size)
            skipped += differs is None
            if differs:
                return {
                    "tensor": name,
                    "operator": node.op_type,
                    "after": _makers(model, node),
                    "note": "",
                }
    note = "no operator is wrong where the model ends with it: only together they are"
    return _nothing(note + (f" ({skipped} could not be tried)" if skipped else ""))


def _nothing(note: str) -> dict[str, Any]:
    return {"tensor": "", "operator": "", "after": [], "note": note}


def _computed(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the nodes that depend on an input, in the order of computation."""
    known = {value.name for value in model.graph.input}
    nodes = []
    for node in model.graph.node:
        used = {name for inner in operators.walk([node]) for name in inner.input}
        if used & known:
            known.update(node.output)
            nodes.append(node)
    return nodes


def _every_tensor(
    model: onnx.ModelProto, nodes: list[onnx.NodeProto], inputs: dict[str, Array]
) -> dict[str, Array]:
    open_model = onnx.ModelProto()
    open_model.CopyFrom(model)
    names = list(dict.fromkeys(name for node in nodes for name in node.output if name))
    already = {value.name for value in open_model.graph.output}
    open_model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in names if name not in already
    )
    session = open_session(open_model.SerializeToString(), optimise=False)
    return dict(zip(names, session.run(names, inputs), strict=True))


def _differs(
    model: bytes, name: str, inputs: dict[str, Array], expected: Array, step_size: float
) -> bool | None:
    """Tell whether the model, ended at this tensor, gives something else; None if it cannot end there."""
    try:
        session = edgekit_runtime.Session(edgekit_runtime.import_onnx(model, [name]))
        given = session.run(
            {tensor.name: inputs[tensor.name].tobytes() for tensor in session.inputs}
        )
    except edgekit_runtime.EngineError:
        return None
    tensor = session.outputs[0]
    value = np.frombuffer(given[tensor.name], tensor.dtype).reshape(1, *tensor.shape)
    scale = (
        float(np.abs(expected[np.isfinite(expected)]).max(initial=0))
        if expected.dtype.kind == "f"
        else 0.0
    )
    allowed = max(_RELATIVE * scale, step_size * (1 + _RELATIVE), tolerance.SMALLEST)
    return bool(tolerance.difference(expected[np.newaxis], value).max(initial=0.0) > allowed)


def _makers(model: onnx.ModelProto, node: onnx.NodeProto) -> list[str]:
    makers = {name: other.op_type for other in model.graph.node for name in other.output}
    return list(dict.fromkeys(makers[name] for name in node.input if name in makers))
