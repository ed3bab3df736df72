"""
The self-test of an unpacked bundle: what was proven on the host, tried on this machine.

Digests by the manifest, the engine, every test vector, a stream against the same windows one by one, and the
allocator's peak against the plan.
"""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from edge_agent import model_facts, vectors
from edge_agent.errors import VerificationFailed
from edge_agent.release import verify_release
from edge_agent.reproduction import compared, distance
from edge_agent.selftest_report import Report, Streamed
from edge_agent.session import NativeEngine
from edge_agent.vectors import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edge_agent.model_facts import ModelFacts, OutputTensor
    from edge_agent.session import Engine, Model
    from edge_agent.vectors import Vector, Vectors

WINDOWS = 16
"""Windows of the stream that is compared with the same windows one by one."""
STREAMED_VECTORS = 4


def run(folder: Path, engine: Engine | None = None) -> Report:
    """
    Test the bundle that lies unpacked in `folder`; `engine` is the installed one unless given.

    Raises VerificationFailed for files that are not those of the manifest and vectors of another model, ToolError,
    ModelError and ConfigError where the bundle cannot be tried at all. Whatever differs is in the report.
    """
    release = verify_release(folder)
    facts = model_facts.read_model_facts(folder / model_facts.FILE_NAME)
    known = vectors.read_vectors(folder / vectors.FILE_NAME)
    _check_same_model(facts, known)
    engine = engine or NativeEngine()
    engine.load(facts.archive, folder)  # the engine makes tables of its own at the first load
    idle_bytes = engine.memory().live_bytes
    model = engine.load(facts.archive, folder)
    check_tensors(facts, model)
    engine.reset_peak()
    reproduction = compared(_runs(model, facts, known))
    memory = engine.memory()
    live_bytes, peak_bytes = memory.live_bytes - idle_bytes, memory.peak_bytes - idle_bytes
    return Report(
        release=release.id,
        files=len(release.manifest.files),
        engine=facts.archive.engine,
        kernels=engine.kernels().chosen,
        kernels_available=tuple(engine.kernels().available),
        vectors=reproduction,
        streamed=_streamed(model, facts, known),
        live_bytes=live_bytes,
        peak_bytes=peak_bytes,
        plan=facts.plan,
        python=platform.python_version(),
        glibc=_glibc(),
        machine=platform.machine(),
    )


def check_tensors(facts: ModelFacts, model: Model) -> None:
    """Raise VerificationFailed if the archive takes or gives something else than model.json says."""
    for side, told, found in (
        ("input", facts.inputs, model.inputs),
        ("output", facts.outputs, model.outputs),
    ):
        expected = [(item.name, item.dtype, item.shape) for item in told]
        got = [(item.name, item.dtype, tuple(item.shape)) for item in found]
        if expected != got:
            raise VerificationFailed(
                f"the {side}s of `{facts.archive.path}` are {got}, but model.json says {expected}",
                hint="build the bundle again",
            )


def _check_same_model(facts: ModelFacts, known: Vectors) -> None:
    if known.model != facts.archive.sha256:
        raise VerificationFailed(
            f"`{vectors.FILE_NAME}` is about another model ({known.model[:12]}…) than `{facts.archive.path}` "
            f"({facts.archive.sha256[:12]}…)",
            hint="build the bundle again",
        )
    names = {tensor.name for tensor in facts.outputs}
    for vector in known.vectors:
        if set(vector.outline.outputs) != names:
            raise VerificationFailed(
                f"a test vector is about the outputs {sorted(vector.outline.outputs)}, the model has {sorted(names)}",
                hint="build the bundle again",
            )


def _runs(
    model: Model, facts: ModelFacts, known: Vectors
) -> Iterator[tuple[Vector, list[tuple[OutputTensor, bytes]]]]:
    for vector in known.vectors:
        outputs = model.run({tensor.name: vector.input(tensor) for tensor in facts.inputs})
        yield vector, [(tensor, outputs[tensor.name]) for tensor in facts.outputs]


def _streamed(model: Model, facts: ModelFacts, known: Vectors) -> Streamed | None:
    """Push the samples of some vectors as one signal, in blocks of several sizes."""
    shape = facts.stream
    if shape is None:
        return None
    given, output = facts.inputs[0], facts.outputs[0]
    signal = b"".join(vector.input(given) for vector in _spread(known.vectors, STREAMED_VECTORS))
    size = 4 * shape.channels
    length = shape.window + (WINDOWS - 1) * shape.hop
    signal = (signal * (length * size // len(signal) + 1))[: length * size]
    ends = range(shape.window, length + 1, shape.hop)
    alone = [
        model.run({given.name: signal[(end - shape.window) * size : end * size]})[output.name]
        for end in ends
    ]
    blocks = sorted({length // 500 + 1, shape.hop, shape.window + 1, length})
    equal, largest_error = True, 0.0
    for block in blocks:
        stream = model.stream(shape.hop)
        found: list[tuple[int, bytes]] = []
        for start in range(0, length, block):
            found += stream.push(signal[start * size : (start + block) * size])
        equal &= [end for end, _ in found] == list(ends)
        for (_, values), one in zip(found, alone, strict=False):  # their number: see `equal`
            pairs = zip(unpacked(one, "f"), unpacked(values, "f"), strict=True)
            largest_error = max(largest_error, *(distance(*pair) for pair in pairs))
    return Streamed(
        windows=len(alone),
        blocks=tuple(blocks),
        positions_equal=equal,
        max_error=largest_error,
        tolerance=output.tolerance,
    )


def _spread(known: Sequence[Vector], most: int) -> Sequence[Vector]:
    step = max(1, len(known) // most)
    return known[::step][:most]


def _glibc() -> str:
    """Return the version of the C library, of the process itself."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):  # another C library
        return ""
    return version if name == "glibc" else ""
