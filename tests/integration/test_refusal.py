"""Models that the engine refuses: the operator of the file is named, and what to export instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
import pytest
from onnx import TensorProto, helper

import edgekit
from edgekit.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.native

FLOAT = TensorProto.FLOAT


def learn(op_type: str, outputs: list[str], **attributes: Any) -> onnx.NodeProto:
    """Return a node as scikit-learn's models are exported to."""
    return helper.make_node(op_type, ["x"], outputs, domain="ai.onnx.ml", **attributes)


def save(
    path: Path, node: onnx.NodeProto, outputs: list[tuple[str, int, list[int]]], columns: int = 3
) -> Path:
    """Write a model of one node over `x` [1, columns]."""
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, [1, columns])],
        [helper.make_tensor_value_info(*end) for end in outputs],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a path for a model."""
    return tmp_path / "model.onnx"


def refused(path: Path, **stream: Any) -> ModelError:
    """Return the error of compiling."""
    with pytest.raises(ModelError) as caught:
        edgekit.compile(path, **stream)
    assert "Typed" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("columns", "stream"),
    [
        (3, {"window": 1, "channels": 3}),
        (6, {"window": 2, "channels": 3, "layout": "time-channel"}),
        (3, {}),
    ],
)
def test_a_scaler_is_written_out(path: Path, columns: int, stream: dict[str, Any]) -> None:
    """A StandardScaler, with one number a channel or one a value."""
    node = learn("Scaler", ["y"], offset=[1.0] * columns, scale=[2.0] * columns)
    save(path, node, [("y", FLOAT, [1, columns])], columns)

    compiled = edgekit.compile(path, **stream)

    assert compiled.proof.verdict == "proven"
    assert any("1 Scaler" in line for line in compiled.rewrites)


def test_the_least_of_the_trees(path: Path) -> None:
    """Of the same library, those that convert are named."""
    node = learn(
        "TreeEnsembleRegressor",
        ["y"],
        n_targets=1,
        aggregate_function="MIN",
        nodes_treeids=[0],
        nodes_nodeids=[0],
        nodes_featureids=[0],
        nodes_modes=["LEAF"],
        nodes_values=[0.0],
        nodes_truenodeids=[0],
        nodes_falsenodeids=[0],
        target_treeids=[0],
        target_nodeids=[0],
        target_ids=[0],
        target_weights=[0.5],
    )

    error = refused(save(path, node, [("y", FLOAT, [1, 1])]))

    assert "`ai.onnx.ml.TreeEnsembleRegressor` has a form that is not supported" in error.message
    assert "LinearRegression, MLPRegressor" in str(error.hint)


def test_classes_with_names(path: Path) -> None:
    """A stream takes the scores, and the names are in the project; as named tensors the labels would be texts."""
    node = learn(
        "LinearClassifier",
        ["label", "scores"],
        coefficients=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        intercepts=[0.0, 0.0],
        classlabels_strings=["walk", "run"],
    )
    save(path, node, [("label", TensorProto.STRING, [1]), ("scores", FLOAT, [1, 2])])

    as_stream = edgekit.compile(path, window=1, channels=3, output="scores")
    as_tensors = refused(path)

    assert as_stream.proof.verdict == "proven"
    assert "class numbers in place of names" in str(as_tensors.hint)
