"""From a model file to a compiled model: converted, proven, ready to run or to ship."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import edgekit_runtime
import numpy as np

from edgekit.errors import ConfigError, EdgeKitError
from edgekit.model import cache
from edgekit.model.cache import Entry
from edgekit.model.compiled_model import CompiledModel
from edgekit.model.constants import give
from edgekit.model.evaluation.evaluate import evaluate
from edgekit.model.graph_spec import GraphSpec, per_channel
from edgekit.model.options import ModelOptions
from edgekit.model.proof.acceptance import Acceptance
from edgekit.model.proof.convert_and_prove import Case, convert_and_prove
from edgekit.model.source import SourceModel
from edgekit.project import FILE_NAME, Project, read_features
from edgekit.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from edgekit.model.graph_spec import Activation, Layout, OutputKind
    from edgekit.model.options import Quantised, WantedMode

    PerChannel = float | Sequence[float] | None

__all__ = ["CompiledModel", "compile", "compile_project"]


def compile(  # noqa: A001, PLR0913 (the public verb; every argument is a key of edgekit.toml)
    path: Path | str,
    *,
    window: int | None = None,
    channels: int | Iterable[str] | None = None,
    hop: int | None = None,
    layout: Layout | None = None,
    scale: PerChannel = None,
    offset: PerChannel = None,
    mean: PerChannel = None,
    std: PerChannel = None,
    rate_hz: float | None = None,
    features: Mapping[str, Any] | None = None,
    kind: OutputKind = "classes",
    activation: Activation = "none",
    output: str | None = None,
    labels: Sequence[str] = (),
    mode: WantedMode = "auto",
    quantized: Quantised = "exact",
    state: Mapping[str, str] | None = None,
    constants: Mapping[str, npt.ArrayLike] | None = None,
    accept: Literal["proven", "approximate"] = "proven",
    allow_unproven: str | None = None,
    recorded: npt.ArrayLike | None = None,
) -> CompiledModel:
    """
    Compile and prove a model.

    `path` is an .onnx or .tflite file, an edgekit.toml or the folder of one (then it says everything, and other arguments
    than `recorded` and `allow_unproven` are refused). With `window` and `channels` (how many, or their names in the
    model's order) the model takes a stream of samples; without, named tensors. `features`: a table as [input] has it, for
    which `rate_hz` is needed.
    `recorded`: windows `[n, window, channels]` of raw samples to prove it on. `allow_unproven`: why a model is wanted that
    is not accepted; it is stamped on all that it says. Raises NotProven, ModelError, ConfigError.
    """
    path = Path(path)
    values = {"scale": scale, "offset": offset, "mean": mean, "std": std}
    shape: dict[str, object] = {"window": window, "channels": channels, "hop": hop}
    shape |= {"layout": layout, "rate_hz": rate_hz, "features": features}
    meaning = {"output": output, "kind": kind, "activation": activation}
    wanted: dict[str, object] = {"mode": mode, "quantized": quantized, "state": state}
    wanted |= {"constants": constants, "accept": accept}
    if path.suffix == ".toml" or (path / FILE_NAME).is_file():
        _refuse_in_project(path, {**shape, **values, **meaning, **wanted, "labels": tuple(labels)})
        file = path / FILE_NAME if path.is_dir() else path
        windows = None if recorded is None else np.asarray(recorded, np.float32)
        return compile_project(
            Project.load(file), file.parent, recorded=windows, allow_unproven=allow_unproven
        )
    options = ModelOptions(mode=mode, quantized=quantized, state=tuple((state or {}).items()))
    accepted = Acceptance(accept=accept, allow_unproven=allow_unproven)
    names, count = _names_and_count(channels)
    if window is None and count is None:
        _refuse_without_stream({**shape, **values, **meaning, "recorded": recorded})
        source = give(SourceModel.load(path), constants or {})
        case = Case(source=source, spec=None, options=options, hop=None)
        found = _judged(case, None)
        return _compiled(found, case, accepted, labels=tuple(labels), channels=())
    if window is None or count is None:
        raise ConfigError("`window` and `channels` go together: one of them is missing")
    if hop is not None and hop < 1:
        raise ConfigError(f"`hop` is {hop}: must be positive")
    spec = GraphSpec(
        window=window,
        channels=count,
        layout=layout,
        **{name: per_channel(value, count) for name, value in values.items()},
        output_kind=kind,
        activation=activation,
        output_name=output,
        features=None if features is None else read_features(features),
        rate_hz=None if features is None else rate_hz,
    )
    source = give(SourceModel.load(path), constants or {})
    case = Case(source=source, spec=spec, options=options, hop=hop or window)
    found = _judged(case, recorded)
    return _compiled(found, case, accepted, labels=tuple(labels), channels=names)


def compile_project(
    project: Project,
    folder: Path,
    *,
    recorded: npt.NDArray[np.float32] | None = None,
    use_cache: bool = True,
    allow_unproven: str | None = None,
) -> CompiledModel:
    """
    Compile and prove the model of a project in `folder`.

    `recorded`: windows `[n, window, channels]` of raw samples to prove it on. A proof that was made before is taken as
    it is (with `use_cache`) if it was made on the same windows, or if none are given now; a fresh one takes its place.
    `allow_unproven`: why it is to ship even if it is not accepted. Raises NotProven, ModelError, ConfigError.
    """
    accepted = Acceptance(accept=project.proof.accept, allow_unproven=allow_unproven)
    spec = GraphSpec.of(project)
    stream = project.input if project.input.kind == "stream" else None
    hop = None if stream is None else stream.hop
    source = give(SourceModel.load(folder / project.model.path), project.model.constants)
    state = State(folder)
    with contextlib.suppress(EdgeKitError):  # a read-only project can be compiled all the same
        state.hide()
    case = Case(
        source=source,
        spec=spec,
        options=ModelOptions.of(project),
        hop=hop,
        logs=state.path / "logs",
    )
    found = _judged(case, recorded, cache_folder=state.path / "cache", fresh=not use_cache)
    channels = () if stream is None else stream.channels
    labels = project.model.labels
    compiled = _compiled(found, case, accepted, labels=labels, channels=channels)
    if compiled.proof.verdict == "approximate" and recorded is not None:
        return _with_decisions(compiled, project, folder)
    return compiled


def _with_decisions(compiled: CompiledModel, project: Project, folder: Path) -> CompiledModel:
    """Add how its decisions agree with the reference's on the project's recording, if there is one."""
    if project.recording is None:
        return compiled
    found = evaluate(compiled, folder / project.recording, project).agreement
    return replace(compiled, proof=replace(compiled.proof, decisions=asdict(found)))


def _judged(
    case: Case,
    recorded: npt.ArrayLike | None,
    *,
    cache_folder: Path | None = None,
    fresh: bool = False,
) -> Entry:
    """Return the model with its proof, from the cache if it has it and nothing `fresh` is wanted."""
    spec = case.spec
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
    name = cache.key(case.source.sha256, spec, case.options, case.hop)
    if cache_folder is not None and not fresh:
        known = cache.load(cache_folder, name)
        if known is not None and digest in ("", known.recorded):
            return known
    made = convert_and_prove(case, windows)
    entry = Entry(archive=made.archive, rewrites=made.rewrites, proof=made.proof, recorded=digest)
    if cache_folder is not None:
        cache.store(cache_folder, name, entry)
    return entry


def _names_and_count(
    channels: int | Iterable[str] | None,
) -> tuple[tuple[str, ...], int | None]:
    """Return names of channels, where they are given, and how many there are."""
    if not isinstance(channels, Iterable):
        return (), channels
    if isinstance(channels, str):
        raise ConfigError(
            f"`channels` is the text `{channels}`",
            hint='give a list: `channels=["ax", "ay", "az"]`',
        )
    names = tuple(map(str, channels))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"`channels` names `{twice}` twice")
    return names, len(names)


def _compiled(
    found: Entry,
    case: Case,
    accepted: Acceptance,
    *,
    labels: tuple[str, ...],
    channels: tuple[str, ...],
) -> CompiledModel:
    """Return the model, if it is accepted or allowed. Raises NotProven."""
    unproven = accepted.stamp(case.source.path, found.proof, found.rewrites)
    about = edgekit_runtime.engine()
    return CompiledModel(
        archive=found.archive,
        sha256=hashlib.sha256(found.archive).hexdigest(),
        engine=f"{about.name} {about.version}",
        registries=tuple(about.registries),
        proof=found.proof,
        rewrites=found.rewrites,
        source=case.source,
        spec=case.spec,
        options=case.options,
        labels=labels,
        channels=channels,
        hop=case.hop,
        unproven=unproven,
    )


def _first_given(arguments: Mapping[str, object]) -> str | None:
    """Return the name of the first argument that is not left at its default."""
    defaults = {
        "kind": "classes",
        "activation": "none",
        "labels": (),
        "mode": "auto",
        "quantized": "exact",
        "accept": "proven",
    }
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
