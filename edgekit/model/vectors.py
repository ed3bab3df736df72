"""
Test vectors and `model.json` of a compiled model: what its target must reproduce.

The outputs are those of the host's engine, which the proof has held against the reference.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import edgekit_runtime
import numpy as np

from edge_agent import model_facts
from edge_agent.config import Archive
from edge_agent.vectors import Drawn, Given, Kept, Outline, Vector, Vectors, drawn, largest
from edgekit.model.proof import probes, tolerance
from edgekit.model.stream_form import INPUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from edge_agent.model_facts import ModelFacts
    from edgekit.model.compiled_model import CompiledModel

    Floats = npt.NDArray[np.float32]

LARGEST_BYTES: Final = 256 << 10
"""Of the numbers in a file of vectors: half for recorded inputs, half for outputs."""
MOST_RECORDED: Final = 48
_ZOOMS: Final = (1.0, 0.3, 0.1, 0.03, 1.0, 0.3, 0.1, 0.03)
"""Random inputs also fill only part of the range, as in the proof: a saturated model hides an error."""
_EXTREMES: Final = 3
_LEVELS: Final = (0.0, 0.5, 1.0)
"""Constant inputs, as shares of the range."""


def facts_of(compiled: CompiledModel, *, archive: str = "model.nnef.tar") -> ModelFacts:
    """Return `model.json`; `archive` is the archive's file, relative to it."""
    session, spec = compiled.session(), compiled.spec
    stream = None
    if spec is not None and compiled.hop is not None:
        stream = model_facts.StreamFacts(
            window=spec.window, hop=compiled.hop, channels=spec.channels
        )
    return model_facts.ModelFacts(
        archive=Archive(
            path=archive,
            sha256=compiled.sha256,
            engine=compiled.engine,
            registries=compiled.registries,
            mode=compiled.mode,
            unproven=compiled.unproven,
        ),
        inputs=tuple(_tensor(info) for info in session.inputs),
        outputs=tuple(_output(info, compiled) for info in session.outputs),
        stream=stream,
        plan=model_facts.MemoryPlan(
            live_bytes=compiled.proof.memory["live_bytes"],
            peak_bytes=compiled.proof.memory["peak_bytes"],
        ),
    )


def vectors_of(compiled: CompiledModel, recorded: npt.ArrayLike | None = None) -> Vectors:
    """
    Return the vectors of a model: recorded windows, then random, extreme and constant inputs, always the same.

    `recorded`: windows `[n, window, channels]` of raw samples. An input that the engine cannot run (an index that
    leads out of a table) is left out.
    """
    session = compiled.session()
    tensors = [_tensor(info) for info in session.inputs]
    planned = [*_recorded(compiled, recorded), *_drawn(compiled, tensors, recorded)]
    found = []
    for kind, inputs in planned:
        given = {name: data for name, data in inputs.items() if isinstance(data, bytes)}
        recipes = {name: recipe for name, recipe in inputs.items() if isinstance(recipe, Drawn)}
        frame = {tensor.name: _bytes_of(inputs[tensor.name], tensor) for tensor in tensors}
        try:
            outputs = session.run(frame)
        except edgekit_runtime.EngineError:
            continue
        kept = {
            info.name: _kept(outputs[info.name], info, _room(session, len(planned)))
            for info in session.outputs
        }
        outline = Outline(
            kind=kind,
            inputs={name: Given(size_bytes=len(data)) for name, data in given.items()} | recipes,
            outputs={name: facts for name, (facts, _) in kept.items()},
        )
        expected = {name: data for name, (_, data) in kept.items()}
        found.append(Vector(outline=outline, given=given, expected=expected))
    return Vectors(model=compiled.sha256, vectors=tuple(found))


def _recorded(
    compiled: CompiledModel, recorded: npt.ArrayLike | None
) -> Iterator[tuple[str, Mapping[str, bytes | Drawn]]]:
    """Yield windows of the recording, as many as there is room for."""
    spec = compiled.spec
    if spec is None or recorded is None:
        return
    most = LARGEST_BYTES // 2 // (4 * spec.window * spec.channels)
    for window in probes.spread(np.asarray(recorded, np.float32), min(most, MOST_RECORDED)):
        yield "recorded", {INPUT: np.ascontiguousarray(window, "<f4").tobytes()}


def _drawn(
    compiled: CompiledModel,
    tensors: list[model_facts.Tensor],
    recorded: npt.ArrayLike | None,
) -> Iterator[tuple[str, Mapping[str, bytes | Drawn]]]:
    """Yield recipes; all inputs of a model are of one kind at once."""
    ends = _ranges(compiled, recorded)
    seed = probes.SEED

    def frame(levels: int, shares: tuple[float, float]) -> dict[str, bytes | Drawn]:
        nonlocal seed
        recipes: dict[str, bytes | Drawn] = {}
        for tensor in tensors:
            low, high = ends[tensor.name]
            seed += 1
            recipes[tensor.name] = Drawn(
                seed=seed,
                levels=levels,
                low=tuple(map(float, low + shares[0] * (high - low))),
                high=tuple(map(float, low + shares[1] * (high - low))),
            )
        return recipes

    for zoom in _ZOOMS:
        yield "random", frame(256, (0.5 - zoom / 2, 0.5 + zoom / 2))
    for _ in range(_EXTREMES):
        yield "extreme", frame(2, (0.0, 1.0))
    for level in _LEVELS:
        yield "constant", frame(1, (level, level))


def _ranges(
    compiled: CompiledModel, recorded: npt.ArrayLike | None
) -> dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Return least and largest usual value of each input, one a channel or a single one."""
    source, spec = compiled.source, compiled.spec
    if spec is None:
        ranges = {tensor.name: probes.tensor_range(source, tensor) for tensor in source.inputs}
        return {
            name: (np.array([low], np.float64), np.array([high], np.float64))
            for name, (low, high) in ranges.items()
        }
    windows = np.empty((0, spec.window, spec.channels), np.float32)
    if recorded is not None:
        windows = probes.spread(np.asarray(recorded, np.float32), probes.MOST_RECORDED)
    low, high = probes.stream_range(source, spec, windows)
    return {INPUT: (low.astype(np.float64), high.astype(np.float64))}


def _bytes_of(source: bytes | Drawn, tensor: model_facts.Tensor) -> bytes:
    return source if isinstance(source, bytes) else drawn(source, tensor)


def _room(session: edgekit_runtime.Session, vectors: int) -> float:
    """Return the share of its outputs that each vector may keep."""
    all_bytes = vectors * sum(info.size_bytes for info in session.outputs)
    return min(1.0, LARGEST_BYTES / 2 / all_bytes)


def _kept(data: bytes, info: edgekit_runtime.TensorInfo, share: float) -> tuple[Kept, bytes]:
    values = np.frombuffer(data, info.dtype)
    step = math.ceil(1 / share)
    part = values[::step].tobytes()
    argmax, margin = largest(tuple(values.tolist()))
    return Kept(step=step, size_bytes=len(part), argmax=argmax, margin=margin), part


def _tensor(info: edgekit_runtime.TensorInfo) -> model_facts.Tensor:
    dtype: Any = info.dtype
    return model_facts.Tensor(name=info.name, dtype=dtype, shape=tuple(info.shape))


def _output(info: edgekit_runtime.TensorInfo, compiled: CompiledModel) -> model_facts.OutputTensor:
    """Return an output with the tolerance that the proof held its usual inputs to."""
    allowed = max(
        item.tolerance
        for item in compiled.proof.comparisons
        if item.output == info.name and item.kind not in tolerance.OUTSIDE
    )
    dtype: Any = info.dtype
    return model_facts.OutputTensor(
        name=info.name, dtype=dtype, shape=tuple(info.shape), tolerance=allowed
    )
