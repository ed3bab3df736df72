"""The job `reference`: the model as it was given, in ONNX Runtime, over named inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
import onnxruntime

from edgekit.errors import ModelError
from edgekit.model.child import read_arrays
from edgekit.model.gate import activations
from edgekit.model.proof.carried_state import CarriedState, split
from edgekit.model.proof.reference import EXACT, OPTIMISED
from edgekit.model.worker import is_out_of_memory, step

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]


_TYPES: Final = {"float": "float32", "double": "float64"}
"""Element types that ONNX Runtime calls otherwise than NumPy."""


def job(folder: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """
    Run `model.onnx` over `inputs.npz` (`input_<name>` `[frames, *shape]`), optimisations off; with `noise` also on.

    Writes the outputs as arrays `output_<name>` `[frames, *shape]` of the frames that the model could run, and
    returns which they were. `state`: pairs of an input and the output that is its value for the next frame, but for
    those in `resets`.
    """
    model = (folder / "model.onnx").read_bytes()
    inputs, start = split(read_arrays(folder / "inputs.npz"))
    names = parameters["outputs"]
    step(folder, "checking it")
    shapes = {name: array.shape[1:] for name, array in inputs.items()}
    activations.check(onnx.ModelProto.FromString(model), shapes, Path(parameters["path"]))
    step(folder, "running it")
    session = _open(model, parameters["path"], optimise=False)
    state = _state(session, parameters, start)
    exact, good, error = _run_all(session, inputs, names, state)
    if not good:
        raise ModelError(
            f"ONNX Runtime cannot run `{parameters['path']}`, so there is nothing to prove it against: {error}",
            hint="run it in ONNX Runtime where it was trained; export it again if it fails there too",
        )
    np.savez(folder / EXACT, allow_pickle=False, **exact)
    state.write(folder)
    if parameters["noise"]:
        step(folder, "running it with optimisations")
        session = _open(model, parameters["path"], optimise=True)
        optimised, same, _ = _run_all(session, inputs, names, _state(session, parameters, start))
        if same == good:
            np.savez(folder / OPTIMISED, allow_pickle=False, **optimised)
    return {"frames": good, "last_error": error, "version": onnxruntime.__version__}


def open_session(model: bytes, *, optimise: bool) -> onnxruntime.InferenceSession:
    """Open a model on one thread, silent, with all optimisations or none."""
    level = onnxruntime.GraphOptimizationLevel
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _state(
    session: onnxruntime.InferenceSession, parameters: dict[str, Any], start: dict[str, Array]
) -> CarriedState:
    """Return the model's state at the beginning: zeros of the shapes that it says, with batches of 1."""
    zeros = {
        tensor.name: np.zeros(
            [size if isinstance(size, int) else 1 for size in tensor.shape],
            _TYPES.get(name := tensor.type[len("tensor(") : -1], name),
        )
        for tensor in session.get_inputs()
        if tensor.name in dict(parameters["state"])
    }
    return CarriedState(parameters["state"], zeros, parameters["resets"], start)


def _open(model: bytes, path: str, *, optimise: bool) -> onnxruntime.InferenceSession:
    try:
        return open_session(model, optimise=optimise)
    except MemoryError:
        raise
    except Exception as error:
        raise ModelError(
            f"ONNX Runtime cannot load `{path}`, so there is nothing to prove it against: {_short(error)}",
            hint="the file is invalid or uses what ONNX Runtime lacks: export it again",
        ) from error


def _run_all(
    session: onnxruntime.InferenceSession,
    inputs: dict[str, Array],
    names: list[str],
    state: CarriedState,
) -> tuple[dict[str, Array], list[int], str]:
    """Return the outputs of the frames that ran, which these were, and the last error."""
    count = len(next(iter(inputs.values())))
    collected: list[list[Array]] = [[] for _ in names]
    good, message = [], ""
    for index in range(count):
        frame = {name: np.asarray(array[index]) for name, array in inputs.items()}
        try:
            given = session.run([*names, *state.outputs], {**frame, **state.before(index)})
        except MemoryError:
            raise
        except Exception as error:
            if is_out_of_memory(str(error)):
                raise MemoryError from error
            message = _short(error)
            state.reset()
            continue
        good.append(index)
        state.after(dict(zip(state.outputs, given[len(names) :], strict=True)))
        for values, array in zip(collected, given[: len(names)], strict=True):
            values.append(np.asarray(array))
    shapes = {tuple(array.shape for array in arrays) for arrays in zip(*collected, strict=True)}
    if len(shapes) > 1:
        raise ModelError(
            f"the shape of the model's outputs depends on its input: {' or '.join(map(str, sorted(shapes)[:2]))}",
            hint="export the model up to the outputs of fixed shape (a detector: without its non-maximum suppression)",
        )
    outputs = {
        f"output_{name}": np.stack(values)
        for name, values in zip(names, collected, strict=True)
        if values
    }
    return outputs, good, message


def _short(error: Exception) -> str:
    """Return the message without ONNX Runtime's code and source line."""
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return line.rsplit("[ONNXRuntimeError] : ", 1)[-1].split(" : ", 2)[-1]
