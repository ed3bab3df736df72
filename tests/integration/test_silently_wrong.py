"""
Operators that the engine alone computes wrongly without a word: EdgeKit repairs each, or refuses it.

What is wrong only where a stream is computed step by step is in `test_streaming`'s hands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.reference
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgekit
from edgekit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Ends = Mapping[str, tuple[int, Sequence[int]]]

pytestmark = pytest.mark.native

FLOAT, HALF, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64
node = helper.make_node


def _save(  # noqa: PLR0913 (the parts of a model)
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, Any],
    inputs: Ends,
    outputs: Ends,
    *,
    opset: int = 17,
) -> Path:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, *end) for name, end in inputs.items()],
        [helper.make_tensor_value_info(name, *end) for name, end in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a path for a model."""
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("softmax", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("codes", [np.int8, np.uint8])
def test_a_quantised_softmax(path: Path, softmax: str, codes: Any) -> None:
    """The tail of every int8 classifier; the engine's table of codes saturates all outputs."""
    step = 1 / 256 if softmax == "Softmax" else 0.1
    limits = np.iinfo(codes)
    end = limits.min if softmax == "Softmax" else limits.max
    weights = {
        "wide": np.float32(0.3),
        "zero": codes(3),
        "fine": np.float32(step),
        "end": codes(end),
    }
    _save(
        path,
        [
            node("QuantizeLinear", ["x", "wide", "zero"], ["q"]),
            node("DequantizeLinear", ["q", "wide", "zero"], ["d"]),
            node(softmax, ["d"], ["p"], axis=1),
            node("QuantizeLinear", ["p", "fine", "end"], ["y"]),
        ],
        weights,
        {"x": (FLOAT, [1, 12])},
        {"y": (helper.np_dtype_to_tensor_dtype(np.dtype(codes)), [1, 12])},
    )

    compiled = edgekit.compile(path)

    x = np.linspace(-6, 6, 12, dtype=np.float32).reshape(1, 12)
    assert compiled.proof.verdict == "proven"
    assert len(set(compiled.predict({"x": x})["y"].ravel())) > 2


def test_a_scale_for_each_channel(path: Path) -> None:
    """Once every channel got the first one's scale."""
    scales = np.array([0.01, 0.1, 1.0], np.float32)
    _save(
        path,
        [
            node("QuantizeLinear", ["x", "scales", "zeros"], ["q"], axis=1),
            node("DequantizeLinear", ["q", "scales", "zeros"], ["y"], axis=1),
        ],
        {"scales": scales, "zeros": np.zeros(3, np.int8)},
        {"x": (FLOAT, [1, 3, 4])},
        {"y": (FLOAT, [1, 3, 4])},
    )

    assert edgekit.compile(path).proof.verdict == "proven"


def test_halves_are_rounded_to_even(path: Path) -> None:
    """The engine's own rounding goes away from zero, which moves a code."""
    _save(
        path,
        [node("QuantizeLinear", ["x", "scale", "zero"], ["y"])],
        {"scale": np.float32(1), "zero": np.int8(0)},
        {"x": (FLOAT, [1, 6])},
        {"y": (TensorProto.INT8, [1, 6])},
    )

    halves = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]], np.float32)
    given = edgekit.compile(path).predict({"x": halves})["y"]

    np.testing.assert_array_equal(given, [[-2, -2, 0, 0, 2, 2]])


def test_the_label_of_two_classes_of_trees(path: Path) -> None:
    """The engine answers 0 whatever the probabilities say."""
    trees: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "class_treeids": [0, 0],
        "class_nodeids": [1, 2],
        "class_ids": [0, 0],
        "class_weights": [0.1, 0.8],
        "classlabels_int64s": [0, 1],
        "post_transform": "NONE",
    }
    _save(
        path,
        [node("TreeEnsembleClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml", **trees)],
        {},
        {"x": (FLOAT, [1, 2])},
        {"label": (INT64, [1]), "p": (FLOAT, [1, 2])},
    )

    compiled = edgekit.compile(path)

    low, high = (compiled.predict({"x": np.array([[v, 0]], np.float32)}) for v in (0, 1))
    assert compiled.proof.verdict == "proven"
    assert (low["label"].item(), high["label"].item()) == (0, 1)
    np.testing.assert_allclose(high["p"], [[0.2, 0.8]], atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(
    "how", [{"direction": "reverse"}, {"activations": "unusual"}, {"clip": 0.5}]
)
def test_a_recurrence_with_attributes_that_the_engine_skips(
    path: Path, kind: str, how: dict[str, Any]
) -> None:
    """It reads neither direction nor activations nor clipping, and runs the ordinary one."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    if "activations" in how:
        unusual = {"LSTM": ["HardSigmoid", "Relu", "Relu"], "GRU": ["HardSigmoid", "Relu"]}
        how = {"activations": unusual.get(kind, ["Relu"])}
    rng = np.random.default_rng(0)
    _save(
        path,
        [node(kind, ["x", "w", "r"], ["y"], hidden_size=3, **how)],
        {
            "w": rng.normal(size=(1, gates * 3, 2)).astype(np.float32),
            "r": (rng.normal(size=(1, gates * 3, 3)) / 3).astype(np.float32),
        },
        {"x": (FLOAT, [6, 1, 2])},
        {"y": (FLOAT, [6, 1, 1, 3])},
    )

    assert edgekit.compile(path).proof.verdict == "proven"


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(path: Path, mode: str) -> None:
    """Both orders of the channels."""
    _save(
        path,
        [node("DepthToSpace", ["x"], ["y"], blocksize=2, mode=mode)],
        {},
        {"x": (FLOAT, [1, 8, 2, 3])},
        {"y": (FLOAT, [1, 2, 4, 6])},
    )

    assert edgekit.compile(path).proof.verdict == "proven"


def _cases() -> dict[str, tuple[onnx.NodeProto, dict[str, Any], Ends, Ends, int]]:
    """Return what no promise is made about but that it is never wrong."""
    half = {"x": (HALF, [1, 3, 4])}
    shift = {"x": (TensorProto.UINT8, [1, 4]), "by": (TensorProto.UINT8, [1, 4])}
    return {
        "Celu in float16": (
            node("Celu", ["x"], ["y"], alpha=2.0),
            {},
            half,
            {"y": (HALF, [1, 3, 4])},
            28,
        ),
        "SpaceToDepth CRD": (
            node("SpaceToDepth", ["x"], ["y"], blocksize=2, mode="CRD"),
            {},
            {"x": (FLOAT, [1, 2, 4, 4])},
            {"y": (FLOAT, [1, 8, 2, 2])},
            28,
        ),
        "BitShift": (
            node("BitShift", ["x", "by"], ["y"], direction="LEFT"),
            {},
            shift,
            {"y": (TensorProto.UINT8, [1, 4])},
            17,
        ),
    }


@pytest.mark.parametrize("name", _cases())
def test_it_is_proven_or_refused(path: Path, name: str) -> None:
    """Whatever is accepted gives ONNX's own numbers."""
    made, weights, inputs, outputs, opset = _cases()[name]
    _save(path, [made], weights, inputs, outputs, opset=opset)

    refusal = None
    try:
        compiled = edgekit.compile(path)
    except ModelError as error:
        refusal = error
    if refusal is not None:
        assert "`" in refusal.message
        assert refusal.hint
        return

    rng = np.random.default_rng(0)
    given = {
        key: (rng.uniform(0, 5, shape)).astype(helper.tensor_dtype_to_np_dtype(kind))
        for key, (kind, shape) in inputs.items()
    }
    expected: Any = onnx.reference.ReferenceEvaluator(onnx.load(path)).run(None, given)
    np.testing.assert_allclose(compiled.predict(given)["y"], expected[0], rtol=2e-3)


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
def test_a_pool_that_rounds_up(path: Path, op_type: str) -> None:
    """The engine alone gives a frame too few."""
    _save(
        path,
        [node(op_type, ["x"], ["y"], kernel_shape=[2], strides=[2], ceil_mode=1)],
        {},
        {"x": (FLOAT, [1, 3, 63])},
        {"y": (FLOAT, [1, 3, 32])},
    )

    assert edgekit.compile(path).proof.verdict == "proven"


def test_every_other_sample_behind_a_convolution(path: Path) -> None:
    """From the second one on: the engine alone takes others."""
    weights = {
        "w": np.random.default_rng(0).normal(size=(5, 3, 3)).astype(np.float32),
        "first": np.array([1]),
        "end": np.array([99]),
        "axis": np.array([2]),
        "step": np.array([2]),
    }
    _save(
        path,
        [
            node("Conv", ["x", "w"], ["c"]),
            node("Slice", ["c", "first", "end", "axis", "step"], ["y"]),
        ],
        weights,
        {"x": (FLOAT, [1, 3, 48])},
        {"y": (FLOAT, [1, 5, 23])},
    )

    assert edgekit.compile(path).proof.verdict == "proven"


def test_a_normalisation_over_time_is_not_judged_by_constants(path: Path) -> None:
    """Of a large constant it leaves the reference's rounding, divided by next to nothing."""
    _save(
        path,
        [node("InstanceNormalization", ["x", "s", "b"], ["y"])],
        {"s": np.ones(4, np.float32), "b": np.zeros(4, np.float32)},
        {"x": (FLOAT, [1, 4, 101])},
        {"y": (FLOAT, [1, 4, 101])},
    )

    assert edgekit.compile(path).proof.verdict == "proven"
