"""Nodes that their operator could not take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper

from edgekit.errors import ModelError
from edgekit.model.gate import nodes

Judge = Callable[[onnx.ModelProto | bytes], ModelError]
Change = Callable[[onnx.NodeProto], object]

NODE = helper.make_node

CHANGES: dict[str, tuple[onnx.NodeProto, Change, str]] = {
    "no input": (
        NODE("Relu", ["m"], ["y"]),
        lambda node: node.ClearField("input"),
        "has 0 inputs: it takes 1",
    ),
    "too many inputs": (
        NODE("Relu", ["m"], ["y"]),
        lambda node: node.input.append("m"),
        "has 2 inputs: it takes 1",
    ),
    "no output": (
        NODE("Relu", ["m"], ["y"]),
        lambda node: node.ClearField("output"),
        "has 0 outputs: it takes 1",
    ),
    "an empty input": (
        NODE("Relu", [""], ["y"]),
        lambda _: None,
        "lacks its input X",
    ),
    "an attribute of another operator": (
        NODE("Relu", ["m"], ["y"], axis=1),
        lambda _: None,
        "has the attribute `axis`, which this operator does not have",
    ),
    "an attribute of another type": (
        NODE("Softmax", ["m"], ["y"], axis="one"),
        lambda _: None,
        "has the attribute `axis` of another type",
    ),
    "an attribute twice": (
        NODE("Softmax", ["m"], ["y"], axis=1),
        lambda node: node.attribute.append(node.attribute[0]),
        "has an attribute twice",
    ),
    "an attribute with two values": (
        NODE("Softmax", ["m"], ["y"], axis=1),
        lambda node: node.attribute[0].ints.append(1),
        "has the attribute `axis` with two values",
    ),
    "an attribute without a value": (
        NODE("Softmax", ["m"], ["y"], axis=1),
        lambda node: node.attribute[0].ClearField("i"),
        "has the attribute `axis` without a value",
    ),
    "an attribute of no type": (
        NODE("Softmax", ["m"], ["y"], axis=1),
        lambda node: node.attribute[0].ClearField("type"),
        "has the attribute `axis` of no type",
    ),
    "an operator that is gone": (
        NODE("Upsample", ["m", "m"], ["y"]),
        lambda _: None,
        "was taken out of ONNX in opset 10",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_node_that_its_operator_cannot_take(
    model: onnx.ModelProto, refused: Judge, change: str
) -> None:
    """The operator is named, and what is wrong with it."""
    node, alter, says = CHANGES[change]
    model.graph.node[1].CopyFrom(node)
    alter(model.graph.node[1])

    message = refused(model).message

    assert f"operator `{node.op_type}`" in message
    assert says in message


@pytest.mark.parametrize("version", [0, -1, 2**31, 2**62])
@pytest.mark.parametrize("domain", ["", "ai.onnx.ml"])
def test_a_version_that_cannot_be(
    model: onnx.ModelProto, refused: Judge, version: int, domain: str
) -> None:
    """Native code that is asked for it takes it for another number, or raises what nobody expects."""
    model.graph.node[1].CopyFrom(NODE("Binarizer", ["m"], ["y"], domain="ai.onnx.ml"))
    del model.opset_import[:]
    for name in ("", "ai.onnx.ml"):
        model.opset_import.add(
            domain=name, version=version if name == domain else 3 if name else 17
        )

    assert f"opset {version}" in refused(model).message


@pytest.mark.parametrize("version", [-5, 2, 2**62])
def test_a_version_of_the_format_that_cannot_be(
    model: onnx.ModelProto, refused: Judge, version: int
) -> None:
    """Older than what says its opsets, or from the future."""
    model.ir_version = version

    assert f"is in version {version} of the ONNX format" in refused(model).message


def test_a_version_said_in_two_ways(model: onnx.ModelProto, refused: Judge) -> None:
    """`ai.onnx` and nothing are the same."""
    model.opset_import.add(domain="ai.onnx", version=13)

    assert "says in two ways which version" in refused(model).message


def test_the_same_version_said_twice(model: onnx.ModelProto) -> None:
    """As skl2onnx writes it for a forest."""
    model.opset_import.append(model.opset_import[0])

    nodes.check_versions(model, Path("model.onnx"))


def test_a_call_with_too_many_inputs(model: onnx.ModelProto, refused: Judge) -> None:
    """Functions that the model brings along have a schema too."""
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(
        helper.make_function("own", "F", ["a"], ["b"], [NODE("Relu", ["a"], ["b"])], opsets)
    )
    model.opset_import.add(domain="own", version=1)
    model.graph.node[1].CopyFrom(NODE("F", ["m", "m"], ["y"], domain="own"))

    assert "operator `F` (`y`) has 2 inputs: it takes 0 to 1" in refused(model).message


def test_a_graph_where_none_belongs(model: onnx.ModelProto, refused: Judge) -> None:
    """Engines do not look for it, and other code walks into it."""
    inner = helper.make_graph(
        [], "inner", [], [helper.make_tensor_value_info("q", TensorProto.FLOAT, [1])]
    )
    model.graph.node[1].attribute.add(name="body", type=AttributeProto.GRAPH).g.CopyFrom(inner)

    assert "has the attribute `body`" in refused(model).message
