"""Inputs around the thresholds of trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.model.prepare import input_shapes
from edgekit.model.proof import probes, tree_probes
from edgekit.model.source import SourceModel

if TYPE_CHECKING:
    from pathlib import Path

BRANCHES = {"nodes_featureids": [0, 0, 2], "nodes_modes": ["BRANCH_LEQ", "LEAF", "BRANCH_LEQ"]}
OLD = {**BRANCHES, "nodes_values": [50.0, 7.0, -3.0]}
DOUBLE = {
    **BRANCHES,
    "nodes_values_as_tensor": numpy_helper.from_array(np.array([50.0, 7.0, -3.0])),
}
NEW = {
    "nodes_featureids": [0, 2],
    "nodes_modes": numpy_helper.from_array(np.zeros(2, np.uint8)),
    "nodes_splits": numpy_helper.from_array(np.array([50.0, -3.0], np.float32)),
}


def _source(tmp_path: Path, kind: str, attributes: dict[str, Any]) -> SourceModel:
    """Return a model of two inputs; a tree sees the first, of three features, behind a cast."""
    value = helper.make_tensor_value_info
    made = ["label", "y"] if kind == "TreeEnsembleClassifier" else ["y"]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["cast"], to=TensorProto.FLOAT),
            helper.make_node(kind, ["cast"], made, domain="ai.onnx.ml", **attributes),
        ],
        "tree",
        [value("x", TensorProto.DOUBLE, ["N", 3]), value("other", TensorProto.FLOAT, [2])],
        [value("y", TensorProto.FLOAT, None)],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 5)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "tree.onnx")
    return SourceModel.load(tmp_path / "tree.onnx")


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("TreeEnsembleRegressor", OLD),
        ("TreeEnsembleRegressor", DOUBLE),
        ("TreeEnsembleClassifier", OLD),
        ("TreeEnsemble", NEW),
    ],
)
def test_every_threshold_is_met_from_both_sides(
    tmp_path: Path, kind: str, attributes: dict[str, Any]
) -> None:
    """The threshold itself, its neighbours, and a value well on each side; what stands in a leaf is none."""
    source = _source(tmp_path, kind, attributes)

    tried = probes.for_tensors(source, input_shapes(source, None))

    near = np.array(tried.kinds) == probes.THRESHOLD
    first, second, third = tried.inputs["x"][near, 0].T
    for values, threshold in ((first, np.float32(50)), (third, np.float32(-3))):
        beside = [np.nextafter(threshold, np.float32(end)) for end in (-np.inf, np.inf)]
        assert {threshold, *beside} <= set(values.tolist())
        assert values.min() < threshold - 0.5
        assert values.max() > threshold + 0.5
    assert 7.0 not in second
    assert len(tried.inputs["other"]) == len(tried.kinds)


@pytest.mark.parametrize(
    "damaged",
    [
        {"nodes_values": [1.0]},
        {"nodes_featureids": [-1, 99], "nodes_values": [1.0, float("nan")]},
    ],
)
def test_a_damaged_tree_is_for_others_to_refuse(tmp_path: Path, damaged: dict[str, Any]) -> None:
    """No traceback for what somebody else's exporter wrote."""
    source = _source(tmp_path, "TreeEnsembleRegressor", damaged)
    rng = np.random.default_rng(0)

    assert tree_probes.near_thresholds(source, source.inputs[0], 3, rng) is None


def test_a_forest_is_not_tried_for_ever(tmp_path: Path) -> None:
    """Ten thousand thresholds give as many inputs as anybody waits for."""
    count = 10_000
    many = {
        "nodes_featureids": [0] * count,
        "nodes_modes": ["BRANCH_LEQ"] * count,
        "nodes_values": np.linspace(0, 1000, count).tolist(),
    }
    source = _source(tmp_path, "TreeEnsembleRegressor", many)
    rng = np.random.default_rng(0)

    near = tree_probes.near_thresholds(source, source.inputs[0], 3, rng)

    assert near is not None
    assert near.shape == (tree_probes.MOST, 3)
    assert tree_probes.near_thresholds(source, source.inputs[1], 2, rng) is None
