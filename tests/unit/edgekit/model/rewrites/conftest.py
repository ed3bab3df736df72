"""Small models of one operator, and ONNX Runtime to run them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Array = np.ndarray[Any, Any]


def run(model: onnx.ModelProto, x: Array) -> list[Array]:
    """Run a model over its input `x`, optimisations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    outputs: list[Array] = session.run(None, {"x": x})
    return outputs


def one_node(
    node: onnx.NodeProto,
    weights: Mapping[str, Array],
    shape: Sequence[int],
    opset: int = 17,
    outputs: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """Return a model of one node over `x`; `outputs`: types of outputs that are not float32, by name."""
    kinds = outputs or {}
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), None)
            for name in node.output
            if name
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.fixture(name="run")
def run_fixture() -> Callable[[onnx.ModelProto, Array], list[Array]]:
    """Return `run`."""
    return run


@pytest.fixture(name="one_node")
def one_node_fixture() -> Callable[..., onnx.ModelProto]:
    """Return `one_node`."""
    return one_node


@pytest.fixture
def kept() -> Callable[..., None]:
    """Return a check: a rewrite changes the model, says so, and changes none of its numbers."""

    def check(
        model: onnx.ModelProto,
        rewrite: Callable[[onnx.ModelProto], str | None],
        inputs: Sequence[Array],
        says: str,
        *,
        atol: float = 1e-6,
    ) -> None:
        before = [run(model, x) for x in inputs]
        line = rewrite(model)
        assert line is not None
        assert says in line
        for x, wanted in zip(inputs, before, strict=True):
            for value, expected in zip(run(model, x), wanted, strict=True):
                assert value.dtype == expected.dtype
                np.testing.assert_allclose(value, expected, rtol=1e-6, atol=atol)

    return check
