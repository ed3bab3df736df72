"""From a model file to a compiled model: converted, proven, ready to run or to ship."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edgekit_runtime
import numpy as np

from edgekit.errors import ConfigError, EdgeKitError
from edgekit.model import cache
from edgekit.model.cache import Entry
from edgekit.model.graph_spec import GraphSpec, per_channel
from edgekit.model.proof.convert_and_prove import convert_and_prove
from edgekit.model.proof.reference import Reference
from edgekit.model.source import SourceModel
from edgekit.project import FILE_NAME, Project
from edgekit.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from edgekit.model.evaluation.evaluation import Evaluation
    from edgekit.model.graph_spec import Activation, Layout, OutputKind
    from edgekit.model.proof.prove import Proof

    Array = np.ndarray[Any, Any]
    PerChannel = float | Sequence[float] | None


@dataclass(frozen=True, kw_only=True)
class CompiledModel:
    """A model that was proven equal to its reference: the archive that ships, and the evidence."""

    archive: bytes = field(repr=False)
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
    hop: int | None
    """Stream form: samples from one window to the next."""

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

    def evaluate(self, samples: Any, truth: Any) -> Evaluation:
        """
        Judge the model on windows `[n, window, channels]`, or a list of named tensors, whose truth is known.

        `truth`: one entry each, a label's name or number, or a value. Raises DataError if the two do not go together.
        """
        from edgekit.model.evaluation.evaluate_arrays import evaluate_arrays  # noqa: PLC0415 (it knows this class)

        return evaluate_arrays(self, samples, truth)

    def reference(self) -> Reference:
        """Return the model as it was given, in ONNX Runtime."""
        return Reference(self.source, self.spec)

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
            given[name] = array.tobytes()
        outputs = session.run(given)
        return {
            tensor.name: np.frombuffer(outputs[tensor.name], tensor.dtype).reshape(tensor.shape)
            for tensor in session.outputs
        }


def compile(  # noqa: A001, PLR0913 (the public verb; every argument is a key of edgekit.toml)
    path: Path | str,
    *,
    window: int | None = None,
    channels: int | None = None,
    hop: int | None = None,
    layout: Layout | None = None,
    scale: PerChannel = None,
    offset: PerChannel = None,
    mean: PerChannel = None,
    std: PerChannel = None,
    kind: OutputKind = "classes",
    activation: Activation = "none",
    output: str | None = None,
    labels: Sequence[str] = (),
    recorded: npt.ArrayLike | None = None,
) -> CompiledModel:
    """
    Compile and prove a model.

    `path` is an .onnx file, an edgekit.toml or the folder of one (then it says everything, and other arguments than
    `recorded` are refused). With `window` and `channels` the model takes a stream of samples; without, named tensors.
    `recorded`: windows `[n, window, channels]` of raw samples to prove it on. Raises NotProven, ModelError, ConfigError.
    """
    path = Path(path)
    values = {"scale": scale, "offset": offset, "mean": mean, "std": std}
    shape = {"window": window, "channels": channels, "hop": hop, "layout": layout}
    meaning = {"output": output, "kind": kind, "activation": activation}
    if path.suffix == ".toml" or (path / FILE_NAME).is_file():
        _refuse_in_project(path, {**shape, **values, **meaning, "labels": tuple(labels)})
        file = path / FILE_NAME if path.is_dir() else path
        windows = None if recorded is None else np.asarray(recorded, np.float32)
        return compile_project(Project.load(file), file.parent, recorded=windows)
    if window is None and channels is None:
        _refuse_without_stream({**shape, **values, **meaning, "recorded": recorded})
        source = SourceModel.load(path)
        found = _proven(source, None, None, None, cache_folder=None, logs=None)
        return _compiled(found, source, None, tuple(labels), None)
    if window is None or channels is None:
        raise ConfigError("`window` and `channels` go together: one of them is missing")
    if hop is not None and hop < 1:
        raise ConfigError(f"`hop` is {hop}: must be positive")
    spec = GraphSpec(
        window=window,
        channels=channels,
        layout=layout,
        **{name: per_channel(value, channels) for name, value in values.items()},
        output_kind=kind,
        activation=activation,
        output_name=output,
    )
    source = SourceModel.load(path)
    found = _proven(source, spec, hop or window, recorded, cache_folder=None, logs=None)
    return _compiled(found, source, spec, tuple(labels), hop or window)


def compile_project(
    project: Project,
    folder: Path,
    *,
    recorded: npt.NDArray[np.float32] | None = None,
    use_cache: bool = True,
) -> CompiledModel:
    """
    Compile and prove the model of a project in `folder`.

    `recorded`: windows `[n, window, channels]` of raw samples to prove it on. A proof that was made before is taken as
    it is (with `use_cache`) if it was made on the same windows, or if none are given now; a fresh one takes its place.
    Raises NotProven, ModelError, ConfigError.
    """
    spec = GraphSpec.of(project)
    hop = project.input.hop if project.input.kind == "stream" else None
    source = SourceModel.load(folder / project.model.path)
    state = State(folder)
    with contextlib.suppress(EdgeKitError):  # a read-only project can be compiled all the same
        state.hide()
    found = _proven(
        source,
        spec,
        hop,
        recorded,
        cache_folder=state.path / "cache",
        logs=state.path / "logs",
        fresh=not use_cache,
    )
    return _compiled(found, source, spec, project.model.labels, hop)


def _proven(  # noqa: PLR0913 (what is proven, and where things are kept)
    source: SourceModel,
    spec: GraphSpec | None,
    hop: int | None,
    recorded: npt.ArrayLike | None,
    *,
    cache_folder: Path | None,
    logs: Path | None,
    fresh: bool = False,
) -> Entry:
    """Return the proven model, from the cache if it has it and nothing `fresh` is wanted."""
    windows = None if recorded is None else np.ascontiguousarray(recorded, np.float32)
    if (
        windows is not None
        and spec is not None
        and windows.shape[1:] != (spec.window, spec.channels)
    ):
        raise ValueError(
            f"`recorded` has shape {windows.shape}: expected [n, {spec.window}, {spec.channels}]"
        )
    digest = "" if windows is None else hashlib.sha256(windows.tobytes()).hexdigest()
    name = cache.key(source.sha256, spec, hop)
    if cache_folder is not None and not fresh:
        known = cache.load(cache_folder, name)
        if known is not None and digest in ("", known.recorded):
            return known
    made = convert_and_prove(source, spec, hop=hop, recorded=windows, logs=logs)
    entry = Entry(archive=made.archive, rewrites=made.rewrites, proof=made.proof, recorded=digest)
    if cache_folder is not None:
        cache.store(cache_folder, name, entry)
    return entry


def _compiled(
    found: Entry,
    source: SourceModel,
    spec: GraphSpec | None,
    labels: tuple[str, ...],
    hop: int | None,
) -> CompiledModel:
    about = edgekit_runtime.engine()
    return CompiledModel(
        archive=found.archive,
        sha256=hashlib.sha256(found.archive).hexdigest(),
        engine=f"{about.name} {about.version}",
        registries=tuple(about.registries),
        proof=found.proof,
        rewrites=found.rewrites,
        source=source,
        spec=spec,
        labels=labels,
        hop=hop,
    )


def _first_given(arguments: Mapping[str, object]) -> str | None:
    """Return the name of the first argument that is not left at its default."""
    defaults = {"kind": "classes", "activation": "none", "labels": ()}
    for name, value in arguments.items():
        is_default = value is None or (
            isinstance(value, str | tuple) and value == defaults.get(name)
        )
        if not is_default:  # an array is never compared: it has no one truth value
            return name
    return None


def _refuse_in_project(path: Path, arguments: Mapping[str, object]) -> None:
    name = _first_given(arguments)
    if name is not None:
        raise ConfigError(
            f"`{path}` is a project, which says `{name}` itself",
            hint="change it there, or compile the model's file",
        )


def _refuse_without_stream(arguments: Mapping[str, object]) -> None:
    name = _first_given(arguments)
    if name is not None:
        raise ConfigError(
            f"`{name}` is for a stream of samples",
            hint="give `window` and `channels` too: then the model takes a stream; without them it takes named tensors",
        )
