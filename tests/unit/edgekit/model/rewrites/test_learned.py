"""scikit-learn's operators in standard ones: the numbers and labels that ONNX Runtime gives for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgekit.model.rewrites import learned

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx

    Array = np.ndarray[Any, Any]

_RNG = np.random.default_rng(0)


def _numbers(count: int) -> list[float]:
    return [float(value) for value in _RNG.normal(size=count).astype(np.float32)]


def _model(
    one_node: Callable[..., onnx.ModelProto], op_type: str, **attributes: Any
) -> onnx.ModelProto:
    outputs = ["label", "y"] if op_type.endswith("Classifier") else ["y"]
    node = helper.make_node(op_type, ["x"], outputs, domain="ai.onnx.ml", **attributes)
    return one_node(node, {}, [1, 4], outputs={"label": TensorProto.INT64})


def _inputs() -> list[Array]:
    rng = np.random.default_rng(1)
    rows = [rng.normal(size=(1, 4)).astype(np.float32) for _ in range(40)]
    return [*rows, np.zeros((1, 4), np.float32), np.array([[0, 2, 0, -1]], np.float32)]


_VECTORS = {
    "n_supports": 3,
    "support_vectors": _numbers(12),
    "coefficients": _numbers(3),
    "rho": [0.1],
    "kernel_params": [0.3, 0.1, 2.0],
}


@pytest.mark.parametrize(
    ("op_type", "attributes"),
    [
        ("Scaler", {"offset": [1.0, 2.0, 3.0, 4.0], "scale": [0.1, 0.2, 0.3, 0.4]}),
        ("Scaler", {"offset": [1.0], "scale": [0.1]}),
        ("Normalizer", {"norm": "MAX"}),
        ("Normalizer", {"norm": "L1"}),
        ("Normalizer", {"norm": "L2"}),
        ("Imputer", {"imputed_value_floats": [1.0, 2.0, 3.0, 4.0], "replaced_value_float": 0.0}),
        ("Binarizer", {"threshold": 0.2}),
        ("LinearRegressor", {"coefficients": _numbers(8), "intercepts": [0.1, 0.2], "targets": 2}),
        ("SVMRegressor", {**_VECTORS, "kernel_type": "LINEAR"}),
        ("SVMRegressor", {**_VECTORS, "kernel_type": "RBF"}),
        ("SVMRegressor", {**_VECTORS, "kernel_type": "POLY"}),
        ("SVMRegressor", {**_VECTORS, "kernel_type": "SIGMOID"}),
        ("SVMRegressor", {**_VECTORS, "kernel_type": "RBF", "one_class": 1}),
    ],
)
def test_numbers_stay(
    kept: Callable[..., None],
    one_node: Callable[..., onnx.ModelProto],
    op_type: str,
    attributes: dict[str, Any],
) -> None:
    """Scalers, encoders, linear models, kernels."""
    model = _model(one_node, op_type, **attributes)

    kept(model, learned.write_out, _inputs(), f"1 {op_type}", atol=1e-5)

    assert not [node for node in model.graph.node if node.domain == "ai.onnx.ml"]


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("classes", [[5, 1], [5, 1, 9]])
def test_a_linear_classifier(
    kept: Callable[..., None],
    one_node: Callable[..., onnx.ModelProto],
    transform: str,
    classes: list[int],
) -> None:
    """Labels by their numbers, and scores as the export wants them."""
    model = _model(
        one_node,
        "LinearClassifier",
        coefficients=_numbers(4 * len(classes)),
        intercepts=_numbers(len(classes)),
        classlabels_ints=classes,
        post_transform=transform,
    )

    kept(model, learned.write_out, _inputs(), "1 LinearClassifier")


@pytest.mark.parametrize("zeros", [True, False])
def test_names_of_classes_are_no_trouble_where_nobody_asks_for_them(
    run: Callable[..., list[Array]], one_node: Callable[..., onnx.ModelProto], zeros: bool
) -> None:
    """A stream takes the probabilities; the label's texts are left out with it."""
    model = _model(
        one_node,
        "LinearClassifier",
        coefficients=[0.0] * 8 if zeros else _numbers(8),
        intercepts=_numbers(2),
        classlabels_strings=["walk", "run"],
    )
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.STRING
    before = [run(model, x)[1] for x in _inputs()]
    del model.graph.output[0]

    assert learned.write_out(model) is not None

    for x, expected in zip(_inputs(), before, strict=True):
        np.testing.assert_allclose(run(model, x)[0], expected, atol=1e-6)


def test_texts_that_are_asked_for_stay(one_node: Callable[..., onnx.ModelProto]) -> None:
    """What has no exact form is left to the refusal."""
    model = _model(
        one_node,
        "LinearClassifier",
        coefficients=_numbers(8),
        intercepts=_numbers(2),
        classlabels_strings=["walk", "run"],
    )

    assert learned.write_out(model) is None
    assert [node.op_type for node in model.graph.node] == ["LinearClassifier"]


def test_one_behind_another(
    kept: Callable[..., None], one_node: Callable[..., onnx.ModelProto]
) -> None:
    """A pipeline: ONNX tells no type behind a Scaler, so it is written out first."""
    model = _model(one_node, "SVMRegressor", kernel_type="RBF", post_transform="NONE", **_VECTORS)
    scaler = helper.make_node(
        "Scaler", ["x"], ["scaled"], domain="ai.onnx.ml", offset=[1.0], scale=[0.1]
    )
    model.graph.node[0].input[0] = "scaled"
    model.graph.node.insert(0, scaler)

    kept(model, learned.write_out, _inputs(), "1 Scaler, 1 SVMRegressor", atol=1e-5)

    assert not [node for node in model.graph.node if node.domain == "ai.onnx.ml"]
