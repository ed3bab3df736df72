"""Tree ensembles: labels, scores and sums as ONNX Runtime gives them, for every comparison and kind of weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgekit.model.rewrites import learned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import onnx

    Array = np.ndarray[Any, Any]

TREES = 6
COMPARISONS = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT")


def _forest(classes: Sequence[int], *, negative: bool, what: str) -> dict[str, Any]:
    """Return nodes of trees of depth 2, in every leaf of which all `classes` have a weight."""
    rng = np.random.default_rng(len(classes))
    parts: dict[str, list[Any]] = {
        f"nodes_{name}": []
        for name in (
            "treeids",
            "nodeids",
            "featureids",
            "modes",
            "values",
            "truenodeids",
            "falsenodeids",
        )
    }
    leaves: dict[str, list[Any]] = {
        f"{what}_{name}": [] for name in ("treeids", "nodeids", "ids", "weights")
    }
    for tree in range(TREES):
        for node in range(7):
            inner = node < 3
            values = (
                tree,
                node,
                int(rng.integers(4)),
                COMPARISONS[tree % 4] if inner else "LEAF",
                float(np.float32(rng.normal())),
                2 * node + 1 if inner else 0,
                2 * node + 2 if inner else 0,
            )
            for name, value in zip(parts, values, strict=True):
                parts[name].append(value)
            for number in () if inner else classes:
                weight = rng.normal() if negative else rng.random() / TREES
                for name, value in zip(
                    leaves, (tree, node, number, float(np.float32(weight))), strict=True
                ):
                    leaves[name].append(value)
    return {**parts, **leaves}


def _model(
    one_node: Callable[..., onnx.ModelProto], op_type: str, **attributes: Any
) -> onnx.ModelProto:
    outputs = ["label", "y"] if op_type.endswith("Classifier") else ["y"]
    node = helper.make_node(op_type, ["x"], outputs, domain="ai.onnx.ml", **attributes)
    return one_node(node, {}, [1, 4], outputs={"label": TensorProto.INT64})


def _inputs() -> list[Array]:
    rng = np.random.default_rng(1)
    return [(rng.normal(size=(1, 4)) * 1.5).astype(np.float32) for _ in range(60)]


@pytest.mark.parametrize(
    ("classes", "negative", "labels", "transform", "base"),
    [
        ([0, 1, 2], False, [4, 7, 2], "NONE", None),
        ([0, 1, 2], True, [4, 7, 2], "SOFTMAX", None),
        ([0, 1, 2], True, [4, 7, 2], "LOGISTIC", [0.1, 0.5, -0.3]),
        ([0], False, [4, 7], "NONE", None),
        ([0], False, [4, 7], "NONE", [0.2]),
        ([0], True, [4, 7], "LOGISTIC", None),
        ([0], True, [4, 7], "NONE", [0.4]),
        ([1], False, [4, 7], "NONE", None),
        ([1], False, [4, 7], "LOGISTIC", None),
        ([0, 1], False, [0, 1], "NONE", None),
        ([0, 1], True, [0, 1], "SOFTMAX", None),
    ],
)
def test_a_classifier(  # noqa: PLR0913, PLR0917 (the kinds that exporters write)
    kept: Callable[..., None],
    one_node: Callable[..., onnx.ModelProto],
    classes: list[int],
    negative: bool,
    labels: list[int],
    transform: str,
    base: list[float] | None,
) -> None:
    """Forests and boosted trees, of two classes and of three; the label too, which the engine gets wrong."""
    more = {} if base is None else {"base_values": base}
    model = _model(
        one_node,
        "TreeEnsembleClassifier",
        **_forest(classes, negative=negative, what="class"),
        classlabels_int64s=labels,
        post_transform=transform,
        **more,
    )

    kept(model, learned.write_out, _inputs(), "1 TreeEnsembleClassifier")

    trees = next(node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier")
    modes = next(item.strings for item in trees.attribute if item.name == "nodes_modes")
    assert set(modes) == {b"BRANCH_LEQ", b"BRANCH_LT", b"LEAF"}


@pytest.mark.parametrize("targets", [1, 2, 3])
@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE"])
@pytest.mark.parametrize("base", [False, True])
def test_a_regressor(
    kept: Callable[..., None],
    one_node: Callable[..., onnx.ModelProto],
    targets: int,
    aggregate: str,
    base: bool,
) -> None:
    """Sums and averages over the trees, which the engine has for classes alone."""
    model = _model(
        one_node,
        "TreeEnsembleRegressor",
        **_forest(range(targets), negative=True, what="target"),
        n_targets=targets,
        aggregate_function=aggregate,
        **({"base_values": [0.5] * targets} if base else {}),
    )

    kept(model, learned.write_out, _inputs(), "1 TreeEnsembleRegressor")


@pytest.mark.parametrize(
    ("op_type", "changes"),
    [
        ("TreeEnsembleRegressor", {"aggregate_function": "MIN"}),
        ("TreeEnsembleRegressor", {"post_transform": "PROBIT"}),
    ],
)
def test_what_has_no_exact_form_stays(
    one_node: Callable[..., onnx.ModelProto], op_type: str, changes: dict[str, Any]
) -> None:
    """Left to the refusal."""
    model = _model(
        one_node, op_type, **_forest([0], negative=True, what="target"), n_targets=1, **changes
    )

    assert learned.write_out(model) is None
