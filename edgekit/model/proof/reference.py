"""
The reference: the user's own file in ONNX Runtime or LiteRT, and plain NumPy for what EdgeKit adds around it.

Nothing here knows the graph that EdgeKit writes; the two meet only in the proof. ONNX Runtime runs in a child process
with its optimisations off, LiteRT with its reference kernels; a second run with the others tells the model's own noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.errors import ModelError
from edgekit.model import layout, stream_form
from edgekit.model.child import Job
from edgekit.model.options import DEFAULTS
from edgekit.model.proof import carried_state
from edgekit.model.proof.feature_reference import features_of
from edgekit.model.state_pairs import state_pairs, without_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.options import ModelOptions
    from edgekit.model.source import SourceModel

    Array = np.ndarray[Any, Any]
    Floats = npt.NDArray[np.float32]

EXACT: Final = "exact.npz"
OPTIMISED: Final = "optimised.npz"


class Reference:
    """What the model gives, computed without EdgeKit's engine and without EdgeKit's graph."""

    def __init__(
        self,
        source: SourceModel,
        spec: GraphSpec | None,
        options: ModelOptions = DEFAULTS,
        *,
        logs: Path | None = None,
    ) -> None:
        """
        Take the model and, for streams, what the project adds; `logs`: where the log of a crash is kept.

        Raises ModelError or ConfigError if the model and the project's input and output do not go together.
        """
        self.state = state_pairs(source, options)
        """Inputs that are no input of the project's, each with the output that gives it back."""
        self.source = source = without_state(source, self.state)
        self.spec = spec
        self._logs = logs
        self._carried: dict[str, Array] = {}
        if spec is not None:
            self._input = stream_form.the_input(source)
            self._output = stream_form.the_output(source, spec.output_name)
            self._fit = layout.fit(self._input, spec)

    def predict(self, windows: npt.ArrayLike) -> Floats:
        """
        Return the outputs `[n, outputs]` for raw samples `[n, window, channels]` (stream form).

        A model with state takes the windows as one sequence, which the next call goes on with until `restart`.
        Raises ModelError if the reference cannot run the model, or not on one of the windows.
        """
        frames = self.model_inputs(windows)
        return self.finish(frames, self._whole(frames))

    def restart(self) -> None:
        """Let the state begin from zero again."""
        self._carried = {}

    def logits(self, windows: npt.ArrayLike) -> Floats:
        """Return the model's own outputs `[n, values]`, before activation or reconstruction error."""
        values = self._whole(self.model_inputs(windows))[self._output.name]
        return values.reshape(len(values), -1).astype(np.float32)

    def run(self, frames: list[dict[str, Array]]) -> list[dict[str, Array]]:
        """Return the named outputs for each set of named inputs (tensor form)."""
        if not frames:
            return []
        stacked = {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}
        outputs = self._whole(stacked)
        return [
            {name: values[index] for name, values in outputs.items()}
            for index in range(len(frames))
        ]

    def model_inputs(self, windows: npt.ArrayLike) -> dict[str, Array]:
        """Return what the model itself is given for raw samples `[n, window, channels]`: `[n, *shape]` by name."""
        spec = self._stream_spec()
        x: Array = np.asarray(windows, np.float32)
        if x.ndim != 3 or x.shape[1:] != (spec.window, spec.channels):  # noqa: PLR2004 (axes)
            raise ValueError(
                f"windows have shape {x.shape}: expected [n, {spec.window}, {spec.channels}]"
            )
        with np.errstate(all="ignore"):  # overflow is what the model would see, too
            if spec.mean is not None and spec.std is not None:
                x = (x - np.asarray(spec.mean, np.float32)) / np.asarray(spec.std, np.float32)
            if spec.scale is not None:
                x = x * np.asarray(spec.scale, np.float32)
            if spec.offset is not None:
                x = x + np.asarray(spec.offset, np.float32)
            if spec.features is not None:
                x = features_of(x, spec.features, spec.rate_hz or 0.0)
            x = x.transpose(0, *(1 + axis for axis in self._fit.order))
            shaped: Array = np.ascontiguousarray(x).reshape(len(x), *self._fit.shape)
            if self._input.dtype in stream_form.INTEGERS:
                _, low, high = stream_form.INTEGERS[self._input.dtype]
                shaped = np.clip(np.rint(shaped), low, high)
            return {self._input.name: shaped.astype(self._input.dtype)}

    def finish(self, frames: Mapping[str, Array], outputs: Mapping[str, Array]) -> Floats:
        """Return what the project makes of the model's outputs, `[n, outputs]`; `frames` are its inputs."""
        spec = self._stream_spec()
        values = outputs[self._output.name]
        stream_form.check_output_shape(spec, self._fit.shape, values.shape[1:])
        flat = values.reshape(len(values), -1).astype(np.float64)
        with np.errstate(all="ignore"):
            if spec.output_kind == "anomaly":
                given = frames[self._input.name]
                difference = given.reshape(len(given), -1).astype(np.float64) - flat
                flat = np.square(difference).mean(axis=1, keepdims=True)
            elif spec.activation == "softmax":
                flat = np.exp(flat - flat.max(axis=1, keepdims=True))
                flat = flat / flat.sum(axis=1, keepdims=True)
            elif spec.activation == "sigmoid":
                flat = 1 / (1 + np.exp(-flat))
            return flat.astype(np.float32)

    @property
    def output_names(self) -> list[str]:
        """Names of the model's outputs that are asked for."""
        if self.spec is not None:
            return [self._output.name]
        return [tensor.name for tensor in self.source.outputs]

    def job(
        self, frames: Mapping[str, Array], *, noise: bool, resets: Sequence[int] | None = ()
    ) -> Job:
        """
        Start the reference over the model's own inputs; its outputs come as `outputs_of` reads them.

        `resets`: the frames before which state begins from zero.
        """
        parameters = {
            "outputs": self.output_names,
            "noise": noise,
            "state": self.state,
            "resets": resets,
        }
        arrays = {f"input_{name}": array for name, array in frames.items()}
        arrays |= self._carried
        kind = "litert" if self.source.kind == "tflite" else "reference"
        return Job(kind, self.source, parameters, arrays, logs=self._logs)

    def _whole(self, frames: Mapping[str, Array]) -> dict[str, Array]:
        count = len(next(iter(frames.values())))
        if count == 0:
            raise ValueError("no windows to run the model on")
        with self.job(frames, noise=False) as job:
            result = job.result()
            missing = count - len(result["frames"])
            if missing:
                raise ModelError(
                    f"the reference cannot run `{self.source.path}` on {missing} of {count} inputs: {result['last_error']}"
                )
            self._carried = job.arrays(carried_state.FILE)
            return outputs_of(job, EXACT)

    def _stream_spec(self) -> GraphSpec:
        if self.spec is None:
            raise TypeError("the model takes named tensors: use `run`")
        return self.spec


def outputs_of(job: Job, name: str) -> dict[str, Array]:
    """Read the arrays that a job wrote, by the names of the model's outputs."""
    return {key.removeprefix("output_"): array for key, array in job.arrays(name).items()}
