"""What the engine refuses, told by the operators of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import helper

from edgekit.model import refusal

MakeOnnx = Callable[..., Path]


def test_the_engines_own_words_stand_behind(make_onnx: MakeOnnx) -> None:
    """Where nothing else is known: the operator by its name in the file, and a short piece of the reason."""
    path = make_onnx([helper.make_node("Relu", ["x"], ["y"], name="head")])
    words = 'cannot import the model: Failed analyse for node #3 "head" ReluOp: ' + "why " * 200

    error = refusal.of_import(RuntimeError(words), onnx.load(path), path)

    assert f"cannot run `{path}`: its operator `Relu` cannot be converted (Failed" in error.message
    assert len(error.message) < len(str(path)) + 250
    assert "opset" in str(error.hint)


def test_words_that_name_nothing(make_onnx: MakeOnnx) -> None:
    """They are kept, and no operator is made up."""
    path = make_onnx([helper.make_node("Relu", ["x"], ["y"], name="head")])

    error = refusal.of_import(RuntimeError("out of luck"), onnx.load(path), path)

    assert error.message.endswith(": it cannot be converted (out of luck)")


def test_a_standard_operator_that_is_missing(make_onnx: MakeOnnx) -> None:
    """Named without the engine's own words around it."""
    path = make_onnx([helper.make_node("Relu", ["x"], ["y"])])
    words = 'Translating node #1 "" Unimplemented(Relu) ToTypedTranslator: no.'

    error = refusal.of_import(RuntimeError(words), onnx.load(path), path)

    assert error.message.endswith(": it does not have the operator `Relu`")
    assert "replace this operator" in str(error.hint)


def test_loops_are_named_where_loading_fails(make_onnx: MakeOnnx) -> None:
    """A nearest-neighbour classifier of scikit-learn is a loop, and fails only then."""
    body = helper.make_graph([], "body", [], [])
    loop = helper.make_node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1)
    looped, straight = (
        make_onnx([loop], name="loop.onnx"),
        make_onnx([helper.make_node("Relu", ["x"], ["y"])], name="straight.onnx"),
    )

    hints = [
        str(refusal.of_load(RuntimeError("no"), onnx.load(path), path).hint)
        for path in (looped, straight)
    ]

    assert "without its loops (`Scan`)" in hints[0]
    assert "loops" not in hints[1]
