"""Inputs whose value never changes: given in the project, gone from the graph, the same for the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.errors import ConfigError
from edgekit.model.constants import give
from edgekit.model.prepare import prepare
from edgekit.model.source import SourceModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeOnnx = Callable[..., Path]


@pytest.fixture
def source(make_onnx: MakeOnnx) -> SourceModel:
    """Return a model that computes one thing for a sample rate of 16 kHz and another for all others."""

    def branch(op_type: str) -> onnx.GraphProto:
        return helper.make_graph(
            [helper.make_node(op_type, ["x"], [f"{op_type}_y"])],
            op_type,
            [],
            [helper.make_tensor_value_info(f"{op_type}_y", TensorProto.FLOAT, None)],
        )

    path = make_onnx(
        [
            helper.make_node("Equal", ["sr", "wide"], ["is_wide"]),
            helper.make_node(
                "If", ["is_wide"], ["z"], then_branch=branch("Relu"), else_branch=branch("Neg")
            ),
            helper.make_node("Mul", ["z", "gain"], ["y"]),
        ],
        {"wide": np.array(16000, np.int64)},
        inputs=[
            ("x", TensorProto.FLOAT, ["n", 4]),
            ("sr", TensorProto.INT64, []),
            ("gain", TensorProto.FLOAT, [1, 4]),
        ],
        opset=17,
    )
    return SourceModel.load(path)


def test_a_constant_is_no_input_any_more(source: SourceModel) -> None:
    """The branch that is taken stands in the graph, and the digest is another: so is the proof in the cache."""
    given = give(source, {"sr": 16000, "gain": 2.0})

    prepared = prepare(given, None)
    model = onnx.ModelProto.FromString(prepared.onnx)

    assert [tensor.name for tensor in given.inputs] == ["x"]
    assert [value.name for value in model.graph.input] == ["x"]
    assert [node.op_type for node in model.graph.node if node.op_type != "Constant"] == [
        "Relu",
        "Mul",
    ]
    assert "2 inputs with default values made constants" in prepared.rewrites
    assert given.sha256 != source.sha256
    assert given.sha256 != give(source, {"sr": 8000, "gain": 2.0}).sha256


def test_nothing_given_is_the_model_itself(source: SourceModel) -> None:
    """No copy, no other digest."""
    assert give(source, {}) is source


@pytest.mark.parametrize(
    ("constants", "says"),
    [
        ({"sri": 16000}, "gives a value to `sri`"),
        ({"sr": 16000.5}, "which its type cannot hold"),
        ({"sr": [1, 2]}, r"a value of shape \[2\]"),
        ({"gain": [[1.0, 2.0]]}, r"a value of shape \[1, 2\]"),
        ({"gain": "loud"}, "no numbers"),
        ({"gain": [[1.0], [1.0, 2.0]]}, "no tensor"),
        ({"x": 0.0, "sr": 16000, "gain": 1.0}, "nothing is left for the samples"),
    ],
)
def test_what_does_not_fit_is_told(
    source: SourceModel, constants: dict[str, Any], says: str
) -> None:
    """The input is named, and the value."""
    with pytest.raises(ConfigError, match=says):
        give(source, constants)
