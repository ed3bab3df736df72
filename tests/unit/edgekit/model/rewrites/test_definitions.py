"""Operators written out as the standard defines them: the numbers of the operator itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import helper

from edgekit.model.rewrites import definitions

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx

    Array = np.ndarray[Any, Any]

EIGHT = np.linspace(0.5, 2, 8, dtype=np.float32)


@pytest.mark.parametrize(
    ("op_type", "opset", "weights", "attributes"),
    [
        ("Celu", 17, {}, {"alpha": 1.5}),
        ("MeanVarianceNormalization", 13, {}, {"axes": [0, 2, 3]}),
        ("GroupNormalization", 21, {"scale": EIGHT, "bias": -EIGHT}, {"num_groups": 4}),
    ],
)
def test_the_numbers_stay(  # noqa: PLR0913, PLR0917 (a node has so many parts)
    kept: Callable[..., None],
    one_node: Callable[..., onnx.ModelProto],
    op_type: str,
    opset: int,
    weights: dict[str, Array],
    attributes: dict[str, Any],
) -> None:
    """One operator becomes several, all with a name for messages."""
    model = one_node(
        helper.make_node(op_type, ["x", *weights], ["y"], **attributes),
        weights,
        [1, 8, 3, 2],
        opset,
    )
    inputs = [np.random.default_rng(0).normal(size=(1, 8, 3, 2)).astype(np.float32)]

    kept(model, definitions.write_out, inputs, f"1 {op_type}")

    assert len(model.graph.node) > 1
    assert all(node.name for node in model.graph.node)


def test_one_without_a_definition_in_its_opset_stays(
    one_node: Callable[..., onnx.ModelProto],
) -> None:
    """SpaceToDepth got one late; before, the engine's own is right."""
    node = helper.make_node("SpaceToDepth", ["x"], ["y"], blocksize=2)
    model = one_node(node, {}, [1, 2, 4, 4], 13)

    assert definitions.write_out(model) is None
    assert [item.op_type for item in model.graph.node] == ["SpaceToDepth"]
