"""Files made to do harm: each is refused with a sentence and a way out, or is harmless and proven."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import edgekit
from edgekit.errors import ConfigError, ModelError, NotProven
from edgekit.model.foresight import foreseen
from edgekit.model.outline import outline
from edgekit.model.source import SourceModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeOnnx = Callable[..., Path]

pytestmark = pytest.mark.native

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
SHORT = (("x", FLOAT, [1, 1, 8]),)
"""A signal of one channel, for convolutions."""
FREE = (("y", FLOAT, None),)
KERNEL = {"w": np.ones((1, 1, 3), np.float32)}


def node(op_type: str, *inputs: str, outputs: tuple[str, ...] = ("y",), **attributes: Any) -> Any:
    """Return a node over `x` and constants."""
    domain = "ai.onnx.ml" if op_type.startswith(("Tree", "SVM", "Linear", "Label")) else ""
    return helper.make_node(op_type, ["x", *inputs], list(outputs), domain=domain, **attributes)


def loop() -> Any:
    """Return a loop of 60 steps, each of which doubles its value."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Concat", ["v", "v"], ["next"], axis=0),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", INT64, []),
            helper.make_tensor_value_info("go", BOOL, []),
            helper.make_tensor_value_info("v", FLOAT, ["n", 4]),
        ],
        [
            helper.make_tensor_value_info("on", BOOL, []),
            helper.make_tensor_value_info("next", FLOAT, ["n", 4]),
        ],
    )
    return helper.make_node("Loop", ["times", "true", "x"], ["z"], body=body)


def tree(**changes: Any) -> Any:
    """Return a tree of one decision, with some of its lists changed."""
    lists: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.0, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
    }
    return node("TreeEnsembleRegressor", n_targets=1, **{**lists, **changes})


HOSTILE: dict[str, tuple[list[Any], dict[str, Any], dict[str, Any]]] = {
    "a loop that doubles its value": (
        [loop(), helper.make_node("ReduceMax", ["z"], ["y"], keepdims=0)],
        {"times": np.array(60), "true": np.array(True)},
        {},
    ),
    "an einsum of a page": ([node("Einsum", "x", equation="ij,jk->" + "i" * 999)], {}, {}),
    "a tree that is a circle": (
        [tree(nodes_modes=["BRANCH_LEQ"] * 3, nodes_truenodeids=[1, 0, 1])],
        {},
        {},
    ),
    "a feature that is not there": ([tree(nodes_featureids=[10**9, 0, 0])], {}, {}),
    "a feature before the first": ([tree(nodes_featureids=[-1, 0, 0])], {}, {}),
    "a leaf that is not there": ([tree(nodes_truenodeids=[-(2**62), 0, 0])], {}, {}),
    "lists of several lengths": ([tree(nodes_values=[0.0])], {}, {}),
    "vectors that are none": (
        [
            node(
                "SVMClassifier",
                outputs=("l", "y"),
                coefficients=[1.0],
                kernel_type="RBF",
                support_vectors=[1.0] * 4,
                vectors_per_class=[-1, 2**40],
                classlabels_ints=[0, 1],
            )
        ],
        {},
        {},
    ),
    "no groups": ([node("Conv", "w", group=0)], KERNEL, {"inputs": SHORT}),
    "no stride": ([node("Conv", "w", strides=[0])], KERNEL, {"inputs": SHORT}),
    "a negative border": ([node("Conv", "w", pads=[-9, -9])], KERNEL, {"inputs": SHORT}),
    "a huge dilation": ([node("Conv", "w", dilations=[2**62])], KERNEL, {"inputs": SHORT}),
    "a pool of nothing": ([node("MaxPool", kernel_shape=[0])], {}, {"inputs": SHORT}),
    "a pool that stands still": (
        [node("AveragePool", kernel_shape=[2], strides=[0])],
        {},
        {"inputs": SHORT},
    ),
    "an index far out": ([node("Gather", "i", axis=1)], {"i": np.array([2**62])}, {}),
    "a step of zero": (
        [node("Slice", "a", "b", "c", "d")],
        {"a": np.array([0]), "b": np.array([4]), "c": np.array([1]), "d": np.array([0])},
        {},
    ),
    "the least step there is": (
        [node("Slice", "a", "b", "c", "d")],
        {
            k: np.array([v])
            for k, v in {"a": -(2**63), "b": 2**63 - 1, "c": 1, "d": -(2**63)}.items()
        },
        {},
    ),
    "a shape below -1": ([node("Reshape", "s")], {"s": np.array([-2, -2])}, {}),
    "a shape whose product wraps": ([node("Reshape", "s")], {"s": np.array([2**62, 8, -1])}, {}),
    "parts that cancel out": (
        [node("Split", "s", outputs=("y", "z"), axis=1)],
        {"s": np.array([2**62, 4 - 2**62])},
        {},
    ),
    "an axis twice": ([node("Transpose", perm=[0, 0])], {}, {}),
    "axes that are not there": ([node("Transpose", perm=[5, -1, 9])], {}, {}),
    "the least axis there is": ([node("Softmax", axis=-(2**63))], {}, {}),
    "a new axis far out": ([node("Unsqueeze", "a")], {"a": np.array([2**40])}, {}),
    "more than there are": ([node("TopK", "k", outputs=("y", "i"))], {"k": np.array([2**40])}, {}),
    "blocks of nothing": (
        [node("DepthToSpace", blocksize=0)],
        {},
        {"inputs": (("x", FLOAT, [1, 4, 2, 2]),)},
    ),
    "a remainder of zero": (
        [node("Mod", "z")],
        {"z": np.array([0, -1, 1, 0])},
        {"inputs": (("x", INT64, [1, 4]),), "outputs": (("y", INT64, None),)},
    ),
    "a scale of zero": (
        [
            node("QuantizeLinear", "s", "z", outputs=("q",)),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
        ],
        {"s": np.float32(0), "z": np.int8(0)},
        {},
    ),
    "a scale that is no number": (
        [
            node("QuantizeLinear", "s", "z", outputs=("q",)),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
        ],
        {"s": np.float32("nan"), "z": np.int8(0)},
        {},
    ),
    "scales on an axis that is not there": (
        [
            node("QuantizeLinear", "s", "z", outputs=("q",), axis=9),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
        ],
        {"s": np.ones(7, np.float32), "z": np.zeros(7, np.int8)},
        {},
    ),
    "an input of 2^62": ([node("Relu")], {}, {"inputs": (("x", FLOAT, [1, 2**62, 4]),)}),
    "an input whose product wraps": (
        [node("Relu")],
        {},
        {"inputs": (("x", FLOAT, [2**31, 2**31, 4]),)},
    ),
    "numbers by chance": ([node("RandomNormalLike")], {}, {}),
    "a shape that depends on values": (
        [node("NonZero", outputs=("i",)), helper.make_node("Cast", ["i"], ["y"], to=FLOAT)],
        {},
        {},
    ),
    "a transform of nothing": (
        [node("DFT", "n")],
        {"n": np.array(0)},
        {"inputs": (("x", FLOAT, [1, 64, 1]),)},
    ),
    "boxes without end": (
        [
            node("NonMaxSuppression", "s", "k", outputs=("i",)),
            helper.make_node("Cast", ["i"], ["y"], to=FLOAT),
        ],
        {"s": np.ones((1, 1, 4), np.float32), "k": np.array([2**62])},
        {"inputs": (("x", FLOAT, [1, 4, 4]),)},
    ),
    "an update far out": (
        [node("ScatterND", "i", "u")],
        {"i": np.array([[2**40, 2**40]]), "u": np.ones(1, np.float32)},
        {},
    ),
    "more choices than numbers": ([node("Compress", "c")], {"c": np.ones(1000, bool)}, {}),
    "a sum along no axis": ([node("CumSum", "a")], {"a": np.array(77)}, {}),
    "a mirror wider than the picture": (
        [node("Pad", "p", mode="reflect")],
        {"p": np.array([100, 100, 100, 100])},
        {},
    ),
    "a size that is no number": (
        [node("Resize", "", "s")],
        {"s": np.array([1, np.nan], np.float32)},
        {},
    ),
    "a negative size": ([node("Resize", "", "s")], {"s": np.array([-1, 1e-30], np.float32)}, {}),
    "a range without steps": (
        [
            helper.make_node("Range", ["a", "b", "a"], ["r"]),
            helper.make_node("ReduceSum", ["r"], ["s"], keepdims=0),
            node("Add", "s"),
        ],
        {"a": np.float32(0), "b": np.float32(5)},
        {},
    ),
    "a large output": ([node("Expand", "s")], {"s": np.array([2**23, 4])}, {}),
    "weights that are no numbers": (
        [node("MatMul", "w")],
        {"w": np.full((4, 4), np.nan, np.float32)},
        {},
    ),
    "text": (
        [node("Cast", outputs=("s",), to=8), helper.make_node("Cast", ["s"], ["y"], to=FLOAT)],
        {},
        {},
    ),
    "more inputs than an operator has": ([node("Relu", "x", "x")], {}, {}),
}

HARMLESS: dict[str, tuple[str, dict[str, Any]]] = {
    "names that are paths": ("../../etc/x", {}),
    "a name that is an argument": ("allow_pickle", {}),
    "another name that is an argument": ("file", {}),
    "a name of EdgeKit's own": ("samples", {}),
    "a name of a page": ("x" * 1000, {}),
    "an axis that is an expression": ("x", {"symbol": "(" * 900 + "N"}),
    "an axis that cannot be computed": ("x", {"symbol": "N*N*99999999999999999999/0-M"}),
    "labels without end": ("x", {"labels": "[" * 100_000}),
    "labels that Python would choke on": ("x", {"labels": "-" * 90_000 + "1"}),
    "a label of 6,000 digits": ("x", {"labels": "[0x" + "f" * 6000 + "]"}),
    "labels with odd escapes": ("x", {"labels": r"['\d', '\q', '\w', '\z']"}),
}


def save(make_onnx: MakeOnnx, case: tuple[list[Any], dict[str, Any], dict[str, Any]]) -> Path:
    """Write a model of these nodes."""
    nodes, weights, ends = case
    path = make_onnx(nodes, weights, **{"outputs": FREE, "opset": 17, **ends})
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_made_to_do_harm_is_refused(name: str, make_onnx: MakeOnnx) -> None:
    """A sentence that names the file or what is wrong in it, and what to do."""
    path = save(make_onnx, HOSTILE[name])

    with pytest.raises((ModelError, NotProven, ConfigError)) as caught:
        edgekit.compile(path)

    assert caught.value.hint
    assert "crashed" not in caught.value.message


@pytest.mark.parametrize("name", HOSTILE)
def test_looking_at_it_does_no_harm(name: str, make_onnx: MakeOnnx) -> None:
    """As `init` does, in the parent alone: a refusal, or a description."""
    try:
        source = SourceModel.load(save(make_onnx, HOSTILE[name]))
    except ModelError as error:
        assert error.hint  # noqa: PT017 (both ways are right)
    else:
        outline(source)
        foreseen(source, None)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_odd_is_proven(name: str, make_onnx: MakeOnnx) -> None:
    """Odd names and texts are data: nothing opens, evaluates or formats them."""
    given, about = HARMLESS[name]
    path = make_onnx(
        [helper.make_node("Relu", [given], ["y"])],
        inputs=[(given, FLOAT, [about.get("symbol", 1), 4])],
    )
    model = onnx.load(path)
    model.metadata_props.add(key="labels", value=about.get("labels", ""))
    onnx.save(model, path)

    compiled = edgekit.compile(path)
    outline(compiled.source)

    assert compiled.proof.verdict == "proven"
