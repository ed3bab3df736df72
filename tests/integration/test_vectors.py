"""Test vectors of compiled models: small, the same every time, reproduced by the engine that made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import edgekit
from edge_agent import model_facts, vectors
from edge_agent.reproduction import compared
from edgekit.model.vectors import LARGEST_BYTES, facts_of, vectors_of

if TYPE_CHECKING:
    from pathlib import Path

    from edge_agent.reproduction import Reproduction
    from edge_agent.vectors import Vectors
    from edgekit.model.compiled_model import CompiledModel
    from tests.conftest import MakeOnnx

pytestmark = pytest.mark.native

HEADER_BYTES = 64 << 10


@pytest.fixture
def recorded() -> Any:
    """Return 100 windows of 16 samples of three channels, one of them with a gap."""
    windows = np.random.default_rng(1).normal(size=(100, 16, 3)).astype(np.float32)
    windows[50, 3, 1] = np.nan
    return windows


def _reproduced(compiled: CompiledModel, known: Vectors, off: float = 0.0) -> Reproduction:
    """Run the vectors in the engine; `off` is added to its outputs."""
    facts, session = facts_of(compiled), compiled.session()

    def runs() -> Any:
        for vector in known.vectors:
            found = session.run({tensor.name: vector.input(tensor) for tensor in facts.inputs})
            outputs = []
            for tensor in facts.outputs:
                values = np.frombuffer(found[tensor.name], tensor.dtype)
                outputs.append((tensor, (values + off).astype(tensor.dtype).tobytes()))
            yield vector, outputs

    return compared(runs())


def test_a_stream_has_vectors_of_every_kind(classifier: Path, recorded: Any) -> None:
    """Recorded ones from the recording, spread over it; drawn ones in its range; the gap is left out."""
    compiled = edgekit.compile(classifier, window=16, channels=3, recorded=recorded)

    known = vectors_of(compiled, recorded)

    kinds = [vector.outline.kind for vector in known.vectors]
    assert {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)} == {
        "recorded": 48,
        "random": 8,
        "extreme": 3,
        "constant": 3,
    }
    given = np.array([vectors.unpacked(v.given["samples"], "f") for v in known.vectors[:48]])
    assert np.isfinite(given).all()
    tensor = facts_of(compiled).inputs[0]
    drawn = [vectors.unpacked(v.input(tensor), "f") for v in known.vectors[48:]]
    usual = recorded[np.isfinite(recorded).all(axis=(1, 2))]
    for row in np.array(drawn).reshape(-1, 3):
        assert (row >= usual.min(axis=(0, 1)) - 1e-5).all()
        assert (row <= usual.max(axis=(0, 1)) + 1e-5).all()


def test_the_file_is_small_and_the_same_every_time(
    classifier: Path, recorded: Any, tmp_path: Path
) -> None:
    """Seeds are fixed; what is written is what is read."""
    compiled = edgekit.compile(classifier, window=16, channels=3)
    first = vectors.write_vectors(vectors_of(compiled, recorded))
    second = vectors.write_vectors(vectors_of(compiled, recorded))

    (tmp_path / "vectors.bin").write_bytes(first)

    assert first == second
    assert len(first) < LARGEST_BYTES + HEADER_BYTES
    assert vectors.read_vectors(tmp_path / "vectors.bin") == vectors_of(compiled, recorded)


@pytest.mark.parametrize(("off", "good"), [(0.0, True), (5e-6, True), (1e-3, False)])
def test_the_engine_reproduces_its_own_vectors(
    classifier: Path, recorded: Any, *, off: float, good: bool
) -> None:
    """And one that is off by more than the tolerance does not."""
    compiled = edgekit.compile(classifier, window=16, channels=3)

    found = _reproduced(compiled, vectors_of(compiled, recorded), off)

    assert found.vectors == 62
    assert found.bad_vectors == (0 if good else 62)


def test_model_json_says_what_the_archive_is(classifier: Path, tmp_path: Path) -> None:
    """Shapes, stream, digest, tolerance and memory, read back by the agent."""
    compiled = edgekit.compile(classifier, window=16, channels=3, hop=4)
    path = tmp_path / "model.json"
    path.write_text(model_facts.to_text(facts_of(compiled)), encoding="utf-8")

    facts = model_facts.read_model_facts(path)

    assert facts == facts_of(compiled)
    assert facts.archive.sha256 == compiled.sha256
    assert facts.inputs == (model_facts.Tensor(name="samples", dtype="float32", shape=(16, 3)),)
    assert facts.stream == model_facts.StreamFacts(window=16, hop=4, channels=3)
    assert facts.outputs[0].shape == (4,)
    assert 0 < facts.outputs[0].tolerance <= 1e-5
    assert 0 < facts.plan.live_bytes <= facts.plan.peak_bytes


def test_a_large_model_has_small_vectors(make_onnx: MakeOnnx) -> None:
    """A camera frame is a line of the file, and of a million outputs some are kept, and the largest one's place."""
    shape = [1, 3, 256, 256]
    model = make_onnx(
        [helper.make_node("Relu", ["x"], ["y"])],
        inputs=[("x", TensorProto.FLOAT, shape)],
        outputs=[("y", TensorProto.FLOAT, shape)],
    )
    compiled = edgekit.compile(model)

    known = vectors_of(compiled)

    assert len(vectors.write_vectors(known)) < LARGEST_BYTES
    assert _reproduced(compiled, known).bad_vectors == 0
    outline = known.vectors[0].outline
    assert outline.outputs["y"].step > 1
    frame = known.vectors[0].input(facts_of(compiled).inputs[0])
    assert np.frombuffer(frame, np.float32).argmax() == outline.outputs["y"].argmax


def test_inputs_of_every_type_are_drawn_in_their_range(make_onnx: MakeOnnx) -> None:
    """Indices lead into their table: the engine would stop at others."""
    model = make_onnx(
        [
            helper.make_node("Gather", ["table", "index"], ["row"]),
            helper.make_node("Add", ["row", "x"], ["y"]),
        ],
        {"table": np.arange(40, dtype=np.float32).reshape(10, 4)},
        inputs=[("index", TensorProto.INT64, [1]), ("x", TensorProto.FLOAT, [1, 4])],
        outputs=[("y", TensorProto.FLOAT, [1, 4])],
    )
    compiled = edgekit.compile(model)

    known = vectors_of(compiled)

    found = _reproduced(compiled, known)
    assert found.vectors == len(known.vectors) == 14
    assert found.bad_vectors == found.ordered_otherwise == 0
