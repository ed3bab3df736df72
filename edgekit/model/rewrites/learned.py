"""
What scikit-learn's models are exported to (`ai.onnx.ml`), in standard operators: scalers, encoders, linear models, kernels.

Each formula is the one that ONNX Runtime computes; trees have a module of their own, `trees`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import TensorProto

from edgekit.model.operators import LEARN, walk
from edgekit.model.rewrites import labels, trees
from edgekit.model.rewrites.labels import transformed
from edgekit.model.rewrites.steps import Steps, counted, replace

if TYPE_CHECKING:
    import onnx

    from edgekit.model.rewrites.steps import Form

_MOST_KEYS: Final = 256
"""Of a LabelEncoder; each becomes a comparison."""

_CLASSIFIERS: Final = ("LinearClassifier", "TreeEnsembleClassifier", "SVMClassifier")


def write_out(model: onnx.ModelProto) -> str | None:
    """Replace the operators in place; those that have no exact form here stay."""
    _forget_unused_labels(model)
    left = {_first_output(node) for node in walk(model.graph.node) if node.domain == LEARN}
    forms = {(LEARN, name): _of_the_model(form, left) for name, form in _FORMS.items()}
    names = []
    # ONNX infers no types behind these operators: what comes after one is known when that is written out
    while made := replace(model, forms):
        names += made
    return f"scikit-learn's operators written in standard ones: {counted(names)}" if names else None


def _of_the_model(form: Form, left: set[str]) -> Form:
    """Return the form for nodes that are `left` of the model's own, not for those that a form has made."""

    def once(steps: Steps) -> bool:
        output = _first_output(steps.node)
        if output not in left or not form(steps):
            return False
        left.discard(output)
        return True

    return once


def _first_output(node: onnx.NodeProto) -> str:
    return next(filter(None, node.output), "")


def _forget_unused_labels(model: onnx.ModelProto) -> None:
    """Let a classifier not give what nobody takes: labels are texts at times, which the engine does not have."""
    taken = {name for node in walk(model.graph.node) for name in node.input}
    taken |= {value.name for value in model.graph.output}
    for node in model.graph.node:
        if node.domain == LEARN and node.op_type in _CLASSIFIERS:
            node.output[:] = [name if name in taken else "" for name in node.output]


def _as_float(steps: Steps) -> str | None:
    """Return the input as float32, as these operators compute; None if its type is not known, or too fine for that."""
    dtype = steps.dtype(0)
    if dtype is None or dtype == np.float64:
        return None
    return (
        steps.input(0)
        if dtype == np.float32
        else steps.add("Cast", steps.input(0), to=TensorProto.FLOAT)
    )


def _numbers(steps: Steps, name: str) -> np.ndarray[Any, Any]:
    return np.array(steps.given.get(name, ()), np.float32)


def _scaler(steps: Steps) -> bool:
    """(x - offset) * scale"""  # noqa: D400 (a formula)
    x = _as_float(steps)
    if x is None:
        return False
    shifted = steps.add("Sub", x, steps.constant(_numbers(steps, "offset")))
    steps.give(0, steps.add("Mul", shifted, steps.constant(_numbers(steps, "scale"))))
    return True


def _normalizer(steps: Steps) -> bool:
    """x by the largest value, the sum of the amounts, or the length, of its row; a row of zeros stays."""  # noqa: D403 (x is a name)
    x, kind = _as_float(steps), steps.text("norm", "MAX")
    shape = steps.shape(0)
    if x is None or shape is None or kind not in ("MAX", "L1", "L2"):
        return False
    axis = [len(shape) - 1]
    if kind == "MAX":
        size = steps.reduce("ReduceMax", x, axis, 1)
    elif kind == "L1":
        size = steps.reduce("ReduceSum", steps.add("Abs", x), axis, 1)
    else:
        size = steps.add("Sqrt", steps.reduce("ReduceSum", steps.add("Mul", x, x), axis, 1))
    nothing = steps.add("Equal", size, steps.constant(0.0))
    steps.give(0, steps.add("Div", x, steps.add("Where", nothing, steps.constant(1.0), size)))
    return True


def _imputer(steps: Steps) -> bool:
    """Put a value in the place of the one that stands for nothing."""
    whole = "imputed_value_int64s" in steps.given
    kind = np.int64 if whole else np.float32
    values = np.array(steps.given.get(f"imputed_value_{'int64s' if whole else 'floats'}", ()), kind)
    missing = steps.given.get(f"replaced_value_{'int64' if whole else 'float'}", 0)
    if steps.dtype(0) != kind or not len(values):
        return False
    x = steps.input(0)
    if np.isnan(missing):
        found = steps.add("IsNaN", x)
    else:
        found = steps.add("Equal", x, steps.constant(np.array(missing, kind)))
    steps.give(0, steps.add("Where", found, steps.constant(values), x))
    return True


def _binarizer(steps: Steps) -> bool:
    """1 where x is over the threshold."""
    x = _as_float(steps)
    if x is None or steps.dtype(0) != np.float32:
        return False
    over = steps.add("Greater", x, steps.constant(float(steps.given.get("threshold", 0.0))))
    steps.give(0, steps.add("Cast", over, to=TensorProto.FLOAT))
    return True


def _one_hot(steps: Steps) -> bool:
    """1 in the column of the category, which must be a known one unless `zeros` says otherwise."""
    dtype, categories = steps.dtype(0), steps.given.get("cats_int64s")
    shape = steps.shape(0)
    if dtype is None or dtype.kind not in "iuf" or categories is None or shape is None:
        return False
    if not steps.given.get("zeros", 1):
        return False
    whole = steps.add("Cast", steps.input(0), to=TensorProto.INT64)
    column = steps.reshape(whole, (*shape, 1))
    same = steps.add("Equal", column, steps.integers(categories))
    steps.give(0, steps.add("Cast", same, to=TensorProto.FLOAT))
    return True


def _feature_vectorizer(steps: Steps) -> bool:
    """Put the columns of all inputs side by side."""
    if not all(steps.dtype(position) == np.float32 for position in range(len(steps.node.input))):
        return False
    steps.give(0, steps.add("Concat", *steps.node.input, axis=1))
    return True


def _label_encoder(steps: Steps) -> bool:
    """Look numbers up in a list; texts are none."""
    keys = next((kind for kind in _KEYS if f"keys_{kind}" in steps.given), None)
    values = next((kind for kind in _KEYS if f"values_{kind}" in steps.given), None)
    if keys is None or values is None or steps.dtype(0) != _KEYS[keys]:
        return False
    table = dict(zip(steps.given[f"keys_{keys}"], steps.given[f"values_{values}"], strict=True))
    if len(table) > _MOST_KEYS or any(np.isnan(key) for key in table):
        return False
    default = steps.given.get(
        f"default_{values.removesuffix('s')}", -1 if values == "int64s" else 0.0
    )
    result = steps.constant(np.array(default, _KEYS[values]))
    for key, value in table.items():
        same = steps.add("Equal", steps.input(0), steps.constant(np.array(key, _KEYS[keys])))
        result = steps.add("Where", same, steps.constant(np.array(value, _KEYS[values])), result)
    steps.give(0, result)
    return bool(table)


_KEYS: Final = {"int64s": np.int64, "floats": np.float32}


def _linear_regressor(steps: Steps) -> bool:
    scores = _linear(steps, int(steps.given.get("targets", 1)))
    if scores is None or steps.text("post_transform", "NONE") != "NONE":
        return False
    steps.give(0, scores)
    return True


def _linear_classifier(steps: Steps) -> bool:
    """Give the class of the largest score, and the scores; with a single score two classes mean several things."""
    classes = steps.given.get("classlabels_ints") or steps.given.get("classlabels_strings") or ()
    rows = len(steps.given.get("intercepts", ()))
    if rows < 2 or rows != len(classes) or not labels.possible(steps, "classlabels_ints"):  # noqa: PLR2004 (see above)
        return False
    scores = _linear(steps, rows)
    result = (
        None if scores is None else transformed(steps, scores, steps.text("post_transform", "NONE"))
    )
    if scores is None or result is None:
        return False
    labels.give_largest(steps, scores, classes)
    steps.give(1, result)
    return True


def _linear(steps: Steps, rows: int) -> str | None:
    """Return x · coefficientsᵀ + intercepts."""
    x, weights = _as_float(steps), _numbers(steps, "coefficients")
    shape = steps.shape(0)
    if (
        x is None
        or shape is None
        or not rows
        or len(weights) % rows
        or len(weights) // rows != shape[-1]
    ):
        return None
    matrix = steps.constant(weights.reshape(rows, -1).T)
    if len(shape) == 1:
        x = steps.reshape(x, (1, shape[0]))
    product = steps.add("MatMul", x, matrix)
    intercepts = _numbers(steps, "intercepts")
    return steps.add("Add", product, steps.constant(intercepts)) if len(intercepts) else product


def _kernel(steps: Steps, x: str, columns: int, vectors: np.ndarray[Any, Any]) -> str | None:
    """Return [rows, vectors]: the kernel between the rows of x and the support vectors."""
    gamma, offset, degree = (
        *(float(value) for value in steps.given.get("kernel_params", ())),
        0.0,
        0.0,
        0.0,
    )[:3]
    kind = steps.text("kernel_type", "LINEAR")
    if kind == "RBF":
        apart = steps.add("Sub", steps.reshape(x, (-1, 1, columns)), steps.constant(vectors))
        square = steps.reduce("ReduceSum", steps.add("Mul", apart, apart), [2], 0)
        return steps.add("Exp", steps.add("Mul", square, steps.constant(-gamma)))
    product = steps.add("MatMul", x, steps.constant(vectors.T))
    if kind == "LINEAR":
        return product
    line = steps.add(
        "Add", steps.add("Mul", product, steps.constant(gamma)), steps.constant(offset)
    )
    if kind == "SIGMOID":
        return steps.add("Tanh", line)
    return steps.add("Pow", line, steps.constant(degree)) if kind == "POLY" else None


def _svm_regressor(steps: Steps) -> bool:
    """Sum of the kernels times their coefficients, and rho; for one class its sign."""
    x, shape = _as_float(steps), steps.shape(0)
    supports, rho = int(steps.given.get("n_supports", 0)), _numbers(steps, "rho")
    weights = _numbers(steps, "coefficients")
    if (
        x is None
        or shape is None
        or len(shape) != 2  # noqa: PLR2004 (rows and columns)
        or len(rho) != 1
        or steps.text("post_transform", "NONE") != "NONE"
    ):
        return False
    values: str | None = x
    if supports:
        values = _kernel(
            steps, x, shape[1], _numbers(steps, "support_vectors").reshape(supports, -1)
        )
    if values is None or len(weights) != (supports or shape[1]):
        return False
    total = steps.add("MatMul", values, steps.constant(weights.reshape(-1, 1)))
    result = steps.add("Add", total, steps.constant(rho))
    if steps.given.get("one_class", 0):
        inside = steps.add("Greater", result, steps.constant(0.0))
        result = steps.add("Where", inside, steps.constant(1.0), steps.constant(-1.0))
    steps.give(0, result)
    return True


_FORMS: Final[dict[str, Form]] = {
    "Scaler": _scaler,
    "Normalizer": _normalizer,
    "Imputer": _imputer,
    "Binarizer": _binarizer,
    "OneHotEncoder": _one_hot,
    "FeatureVectorizer": _feature_vectorizer,
    "LabelEncoder": _label_encoder,
    "LinearRegressor": _linear_regressor,
    "LinearClassifier": _linear_classifier,
    "SVMRegressor": _svm_regressor,
    "TreeEnsembleClassifier": trees.classifier,
    "TreeEnsembleRegressor": trees.regressor,
}
