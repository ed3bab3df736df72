"""A compiled model: the archive that ships, the proof that goes with it, and ways to run it here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import edgekit_runtime
import numpy as np

from edgekit.model.proof.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from edgekit.model.evaluation.evaluation import Evaluation
    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.options import Mode, ModelOptions
    from edgekit.model.proof.proof import Proof
    from edgekit.model.source import SourceModel

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True, repr=False)
class CompiledModel:
    """A model that was held against its reference: the archive that ships, and the evidence."""

    archive: bytes
    """NNEF archive, as it goes into the bundle."""
    sha256: str
    """Digest of the archive."""
    engine: str
    """Engine that wrote it, such as `tract 0.23.9`."""
    registries: tuple[str, ...]
    """Operator registries that it was proven with."""
    proof: Proof
    rewrites: tuple[str, ...]
    """What was changed on the way from the file to the archive, a line each."""
    source: SourceModel
    spec: GraphSpec | None
    """The stream form; None for a model that is called with named tensors."""
    labels: tuple[str, ...]
    channels: tuple[str, ...]
    """Names of the channels, in the model's order; empty where they have none."""
    options: ModelOptions
    hop: int | None
    """Stream form: samples from one window to the next."""
    unproven: str = ""
    """Why it ships although its proof is not accepted; empty where it is."""

    @property
    def mode(self) -> Mode:
        """How the archive runs: over whole windows, incrementally, with carried state, or on named tensors."""
        return self.proof.mode

    def __repr__(self) -> str:
        taken = "named tensors"
        if self.spec is not None:
            taken = f"windows [{self.spec.window}, {self.spec.channels}]"
        return f"<CompiledModel `{self.source.path}`: {self.proof.verdict}, takes {taken}, {len(self.archive):,} bytes>"

    def session(self) -> edgekit_runtime.Session:
        """Load the archive into the engine."""
        return edgekit_runtime.Session(self.archive)

    def stream(self, hop: int | None = None) -> edgekit_runtime.Stream:
        """Return a stream of samples over the model; `hop` is the project's unless given."""
        chosen = hop or self.hop
        if self.spec is None or chosen is None:
            raise TypeError("the model takes named tensors: there is no stream of samples")
        return self.session().stream(chosen)

    def predict(self, inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike]) -> Any:
        """
        Run the model in the engine.

        Stream form: raw samples `[n, window, channels]` give `[n, outputs]`, `[window, channels]` gives `[outputs]`.
        Named tensors: a dict of arrays gives a dict of arrays, for one call. ValueError if a shape is another.
        """
        if isinstance(inputs, dict):
            return self._predict_tensors(inputs)
        if self.spec is None:
            raise TypeError("the model takes named tensors: give a dict of arrays")
        windows = np.asarray(inputs, np.float32)
        shape = (self.spec.window, self.spec.channels)
        if windows.shape[-2:] != shape or windows.ndim not in (2, 3):
            raise ValueError(
                f"samples have shape {windows.shape}: expected {shape} or (n, {shape[0]}, {shape[1]})"
            )
        _check_finite("samples", windows)
        session = self._session
        name_in, name_out = session.inputs[0].name, session.outputs[0].name
        rows = [
            np.frombuffer(session.run({name_in: window.tobytes()})[name_out], np.float32)
            for window in windows.reshape(-1, *shape)
        ]
        if windows.ndim == 2:  # noqa: PLR2004 (one window)
            return rows[0].copy()
        return (
            np.stack(rows)
            if rows
            else np.empty((0, session.outputs[0].size_bytes // 4), np.float32)
        )

    def reset(self) -> None:
        """Forget the state that a model with state carries from one `predict` to the next."""
        self._session.reset()

    def evaluate(self, samples: Any, truth: Any) -> Evaluation:
        """
        Judge the model on windows `[n, window, channels]`, or a list of named tensors, whose truth is known.

        A model with state begins anew, whatever was predicted before, and carries its state through them in their order.
        `truth`: one entry each, a label's name or number, or a value. Raises DataError if the two do not go together.
        """
        from edgekit.model.evaluation.evaluate_arrays import evaluate_arrays  # noqa: PLC0415 (it knows this class)

        self.reset()
        try:
            return evaluate_arrays(self, samples, truth)
        finally:
            self.reset()

    def reference(self) -> Reference:
        """Return the model as it was given, in ONNX Runtime or LiteRT."""
        return Reference(self.source, self.spec, self.options)

    @cached_property
    def _session(self) -> edgekit_runtime.Session:
        return self.session()

    def _predict_tensors(self, inputs: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
        session = self._session
        given = {}
        shapes = {tensor.name: (tensor.shape, tensor.dtype) for tensor in session.inputs}
        for name, value in inputs.items():
            array = np.asarray(value)
            if name in shapes and (array.shape, array.dtype.name) != shapes[name]:
                shape, dtype = shapes[name]
                raise ValueError(
                    f"input `{name}` is {array.dtype.name} {array.shape}: expected {dtype} {shape}"
                )
            _check_finite(f"input `{name}`", array)
            given[name] = array.tobytes()
        outputs = session.run(given)
        return {
            tensor.name: np.frombuffer(outputs[tensor.name], tensor.dtype).reshape(tensor.shape)
            for tensor in session.outputs
        }


def _check_finite(what: str, array: Array) -> None:
    """Refuse NaN and infinity: the engine makes plausible numbers of them (its Relu gives 0 for NaN)."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return
    place = np.argwhere(~np.isfinite(array))[0].tolist()
    raise ValueError(
        f"{what} at {place} is {array[tuple(place)]:g}: the agent drops such samples, so drop or replace them"
    )
