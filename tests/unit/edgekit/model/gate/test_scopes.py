"""Names: each value is made once and before it is used."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.model import gate
from edgekit.model.gate import caps

Judge = Callable[[onnx.ModelProto | bytes], ModelError]
NODE = helper.make_node


def _nodes(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> onnx.ModelProto:
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def test_a_missing_value(model: onnx.ModelProto, refused: Judge) -> None:
    """It is named, with who wants it."""
    _nodes(model, NODE("Add", ["x", "nothing"], ["y"], name="sum"))

    assert "has no `nothing`, which operator `Add` (`sum`) takes" in refused(model).message


def test_a_circle(model: onnx.ModelProto, refused: Judge) -> None:
    """Engines follow it until they run out of stack."""
    _nodes(
        model, NODE("Add", ["x", "b"], ["a"]), NODE("Relu", ["a"], ["b"]), NODE("Neg", ["b"], ["y"])
    )

    assert "is a circle: operator `Add` (`a`) takes `b`" in refused(model).message


def test_a_node_that_takes_its_own_output(model: onnx.ModelProto, refused: Judge) -> None:
    """The smallest circle."""
    _nodes(model, NODE("Add", ["x", "y"], ["y"]))

    assert "is a circle" in refused(model).message


def test_nodes_out_of_order(model: onnx.ModelProto, refused: Judge) -> None:
    """Another thing than a circle, and another remedy."""
    _nodes(model, NODE("Relu", ["a"], ["y"]), NODE("Neg", ["x"], ["a"]))

    error = refused(model)

    assert "out of order" in error.message
    assert "toposort" in str(error.hint)


def test_a_value_made_twice(model: onnx.ModelProto, refused: Judge) -> None:
    """Two engines could mean two different ones."""
    _nodes(model, NODE("Relu", ["x"], ["y"]), NODE("Neg", ["x"], ["y"], name="again"))

    assert "makes `y` twice, the second time in operator `Neg` (`again`)" in refused(model).message


@pytest.mark.parametrize("name", ["x", "w"])
def test_an_input_or_constant_made_again(model: onnx.ModelProto, refused: Judge, name: str) -> None:
    """As above."""
    _nodes(model, NODE("Relu", ["x"], ["y"]), NODE("Neg", ["x"], [name]))

    assert f"makes `{name}` twice" in refused(model).message


def test_two_of_a_name(model: onnx.ModelProto, refused: Judge) -> None:
    """Inputs, constants, outputs."""
    for values, says in (
        (model.graph.output, "two outputs with the name `y`"),
        (model.graph.initializer, "two constants with the name `w`"),
        (model.graph.input, "two inputs with the name `x`"),
    ):
        values.append(values[0])
        assert says in refused(model).message


def test_an_output_that_nothing_makes(model: onnx.ModelProto, refused: Judge) -> None:
    """It is named."""
    model.graph.output[0].name = "other"

    assert "has the output `other`, which none of its operators makes" in refused(model).message


def test_a_constant_without_a_name(model: onnx.ModelProto, refused: Judge) -> None:
    """An empty name means that an input is left out."""
    model.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float32), ""))

    assert "without a name" in refused(model).message


def _branch(name: str, *nodes: onnx.NodeProto) -> onnx.GraphProto:
    value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    return helper.make_graph(nodes, "branch", [], [value])


def test_a_branch_sees_what_is_around_it(model: onnx.ModelProto) -> None:
    """And both branches may use the same names inside."""
    branch = _branch("z", NODE("Neg", ["m"], ["z"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    _nodes(
        model,
        NODE("MatMul", ["x", "w"], ["m"]),
        NODE("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    )

    gate.admit(model.SerializeToString(), Path("model.onnx"))


def test_a_branch_does_not_see_what_comes_later(model: onnx.ModelProto, refused: Judge) -> None:
    """A circle through a branch."""
    branch = _branch("z", NODE("Neg", ["y"], ["z"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    _nodes(model, NODE("If", ["c"], ["y"], then_branch=branch, else_branch=branch))

    assert "has no `y`, which operator `Neg` (`z`) takes" in refused(model).message


def test_graphs_nest_only_so_deep(model: onnx.ModelProto, refused: Judge) -> None:
    """Engines go into them by recursion."""
    graph = _branch("z", NODE("Neg", ["x"], ["z"]))
    for _ in range(caps.MOST_NESTED):
        graph = _branch("z", NODE("If", ["c"], ["z"], then_branch=graph, else_branch=graph))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    _nodes(model, NODE("If", ["c"], ["y"], then_branch=graph, else_branch=graph))

    assert "inside one another" in refused(model).message


def test_a_long_chain_is_refused(
    model: onnx.ModelProto, refused: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Engines follow it by recursion as well."""
    monkeypatch.setattr(caps, "LONGEST_CHAIN", 10)
    names = ["x", *(f"a{number}" for number in range(10)), "y"]
    _nodes(model, *(NODE("Neg", [a], [b]) for a, b in pairwise(names)))

    assert "one behind the other" in refused(model).message


def test_too_many_inputs_and_outputs_are_refused(model: onnx.ModelProto, refused: Judge) -> None:
    """Each would be drawn, run and compared."""
    more = [helper.make_tensor_value_info(f"o{n}", TensorProto.FLOAT, [1]) for n in range(300)]
    model.graph.output.extend(more)
    assert "301 outputs: the limit is 256" in refused(model).message

    model.graph.input.extend(more)
    assert "301 inputs: the limit is 256" in refused(model).message


def test_too_many_axes_are_refused(model: onnx.ModelProto, refused: Judge) -> None:
    """NumPy ends at 64, other code before."""
    model.graph.input[0].type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, [1] * 70))

    assert "`x` has 70 axes: the limit is 8" in refused(model).message


def test_too_many_nodes_are_refused(
    model: onnx.ModelProto, refused: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was unrolled says how to export it instead."""
    monkeypatch.setattr(caps, "MOST_NODES", 1)

    error = refused(model)

    assert "more than 1 operators" in error.message
    assert "not unrolled" in str(error.hint)
