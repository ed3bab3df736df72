"""
The job `litert`: the .tflite as it was given, in LiteRT, over named inputs.

LiteRT has three sets of kernels that do not give the same integers: the reference kernels, its optimised ones, and XNNPACK,
which it takes by default. The reference kernels follow TensorFlow Lite's quantisation specification and are what
microcontrollers are held to, so they are the truth here; the default tells how far LiteRT is from itself.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.errors import ModelError
from edgekit.model.child import read_arrays
from edgekit.model.proof.carried_state import CarriedState, split
from edgekit.model.proof.reference import EXACT, OPTIMISED
from edgekit.model.tflite import flatbuffer
from edgekit.model.worker import is_out_of_memory, step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    from edgekit.model.tflite.graph import Tensor

    Array = np.ndarray[Any, Any]

_PACKAGE: Final = "ai-edge-litert"


def job(folder: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """
    Run `model.tflite` over `inputs.npz` (`input_<name>` `[frames, *shape]`), reference kernels; with `noise` also the default ones.

    Writes the outputs as arrays `output_<name>` `[frames, *shape]` of the frames that the model could run, and
    returns which they were.
    """
    data = (folder / "model.tflite").read_bytes()
    inputs, start = split(read_arrays(folder / "inputs.npz"))
    step(folder, "running it")
    reference = _Model(data, parameters["path"], reference=True)
    state = reference.state(parameters, start)
    exact, good, error = reference.run_all(inputs, parameters["outputs"], state)
    if not good:
        raise ModelError(
            f"LiteRT cannot run `{parameters['path']}`, so there is nothing to prove it against: {error}",
            hint="run it in LiteRT where it was converted; convert it again if it fails there too",
        )
    np.savez(folder / EXACT, allow_pickle=False, **exact)
    state.write(folder)
    if parameters["noise"]:
        step(folder, "running it with its default kernels")
        default = _Model(data, parameters["path"], reference=False)
        state = default.state(parameters, start)
        optimised, same, _ = default.run_all(inputs, parameters["outputs"], state)
        if same == good:
            np.savez(folder / OPTIMISED, allow_pickle=False, **optimised)
    version = importlib.metadata.version(_PACKAGE)
    return {"frames": good, "last_error": error, "version": f"{_PACKAGE} {version}"}


class _Model:
    """One interpreter, on one thread."""

    def __init__(self, data: bytes, path: str, *, reference: bool) -> None:
        litert = _litert(path)
        kinds = litert.OpResolverType
        # a few operators have optimised kernels only
        order = (
            [kinds.BUILTIN_REF, kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES]
            if reference
            else [kinds.AUTO]
        )
        self.graph = graph = flatbuffer.read(data)
        self.interpreter = _opened(litert, data, path, order)
        self.inputs = _places(graph.inputs, self.interpreter.get_input_details())
        self.outputs = _places(graph.outputs, self.interpreter.get_output_details())

    def state(self, parameters: dict[str, Any], start: dict[str, Array]) -> CarriedState:
        """Return the model's state at the beginning: zeros of the shapes that it says."""
        zeros = {tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in self.graph.inputs}
        return CarriedState(parameters["state"], zeros, parameters["resets"], start)

    def run_all(
        self, inputs: dict[str, Array], names: Sequence[str], state: CarriedState
    ) -> tuple[dict[str, Array], list[int], str]:
        """Return the outputs of the frames that ran, which these were, and the last error."""
        count = len(next(iter(inputs.values())))
        collected: dict[str, list[Array]] = {name: [] for name in names}
        good, message = list[int](), ""
        for index in range(count):
            try:
                frame = {name: array[index] for name, array in inputs.items()}
                given = self._run({**frame, **state.before(index)}, [*names, *state.outputs])
            except (RuntimeError, ValueError) as error:
                if is_out_of_memory(str(error)):
                    raise MemoryError from error
                message = _short(error)
                state.reset()
                continue
            good.append(index)
            state.after(given)
            for name in names:
                collected[name].append(given[name])
        outputs = {
            f"output_{name}": np.stack(arrays) for name, arrays in collected.items() if arrays
        }
        return outputs, good, message

    def _run(self, frame: dict[str, Array], names: Sequence[str]) -> dict[str, Array]:
        for name, array in frame.items():
            self.interpreter.set_tensor(self.inputs[name], array)
        self.interpreter.invoke()
        return {name: self.interpreter.get_tensor(self.outputs[name]) for name in names}


def _litert(path: str) -> ModuleType:
    try:
        from ai_edge_litert import interpreter  # noqa: PLC0415 (an extra: only who has a .tflite needs it)
    except ImportError as error:
        raise ModelError(
            f"`{path}` is a TensorFlow Lite model, and its reference, LiteRT, is missing",
            hint=flatbuffer.MISSING,
        ) from error
    return interpreter  # type: ignore[no-any-return]


def _opened(litert: ModuleType, data: bytes, path: str, order: Sequence[Any]) -> Any:
    """Return an interpreter with the first kernels that have all of the model's operators."""
    last: Exception | None = None
    for kernels in order:
        try:
            interpreter = litert.Interpreter(
                model_content=data, experimental_op_resolver_type=kernels, num_threads=1
            )
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            last = last or error
        else:
            return interpreter
    reason = _short(last) if last is not None else ""
    raise ModelError(
        f"LiteRT cannot load `{path}`, so there is nothing to prove it against: {reason}",
        hint="the file is invalid or uses what LiteRT lacks: convert it again",
    ) from last


def _places(tensors: Sequence[Tensor], details: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return LiteRT's number of each input or output, by the name that it has here: both are in the file's order."""
    return {
        tensor.name: int(detail["index"]) for tensor, detail in zip(tensors, details, strict=True)
    }


def _short(error: Exception) -> str:
    """Return the first line of the message."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
