"""Functions that a model brings along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest
from onnx import helper

from edgekit.errors import ModelError
from edgekit.model import gate

Judge = Callable[[onnx.ModelProto | bytes], ModelError]
NODE = helper.make_node


def _add(
    model: onnx.ModelProto, name: str, calls: Sequence[str], domain: str = "own", times: int = 1
) -> None:
    """Add a function that calls others in a row, or Relu, and call it at the end of the model."""
    steps = [(call, "own") for call in calls] * times or [("Relu", "")]
    names = ["a", *(f"v{number}" for number in range(len(steps) - 1)), "b"]
    nodes = [
        NODE(call, [names[number]], [names[number + 1]], domain=home)
        for number, (call, home) in enumerate(steps)
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model.functions.append(helper.make_function(domain, name, ["a"], ["b"], nodes, opsets))
    if not any(item.domain == "own" for item in model.opset_import):
        model.opset_import.add(domain="own", version=1)
    model.graph.node[1].CopyFrom(NODE(name, ["m"], ["y"], domain=domain))


def test_functions_pass(model: onnx.ModelProto) -> None:
    """PyTorch's newer exporter writes them."""
    _add(model, "F0", [])
    _add(model, "F1", ["F0", "F0"])

    gate.admit(model.SerializeToString(), Path("model.onnx"))


def test_a_small_file_that_is_a_billion_nodes(model: onnx.ModelProto, refused: Judge) -> None:
    """Each function calls the one before twice, thirty times over."""
    _add(model, "F0", [])
    for number in range(1, 31):
        _add(model, f"F{number}", [f"F{number - 1}"], times=2)

    assert "more than 65,536 operators" in refused(model).message


def test_a_function_that_calls_itself(model: onnx.ModelProto, refused: Judge) -> None:
    """By way of another one too."""
    _add(model, "F0", ["F1"])
    _add(model, "F1", ["F0"])

    assert "calls itself" in refused(model).message


def test_calls_nest_only_so_deep(model: onnx.ModelProto, refused: Judge) -> None:
    """They are written out by recursion."""
    _add(model, "F0", [])
    for number in range(1, 40):
        _add(model, f"F{number}", [f"F{number - 1}"])
    model.functions.reverse()

    assert "call one another" in refused(model).message


@pytest.mark.parametrize("domain", ["", "ai.onnx"])
def test_a_function_in_the_place_of_an_operator(
    model: onnx.ModelProto, refused: Judge, domain: str
) -> None:
    """One engine would run the function, the other one the operator."""
    _add(model, "Sigmoid", [], domain=domain)

    assert "under the name of ONNX's operators" in refused(model).message


def test_two_functions_of_a_name(model: onnx.ModelProto, refused: Judge) -> None:
    """As above."""
    _add(model, "F0", [])
    _add(model, "F0", [])

    assert "two functions `F0`" in refused(model).message
