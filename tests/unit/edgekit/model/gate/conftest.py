"""Models that are judged, and the sentence that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.model import gate

Judge = Callable[[onnx.ModelProto | bytes], ModelError]

PATH = Path("folder/model.onnx")


@pytest.fixture
def model() -> onnx.ModelProto:
    """Return a small model that passes: `y` = relu(`x` · `w`)."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["m"], name="product"),
            helper.make_node("Relu", ["m"], ["y"], name="relu"),
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(np.ones((4, 3), np.float32), "w")],
    )
    opsets = [helper.make_opsetid("", 17)]
    made: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    gate.admit(made.SerializeToString(), PATH)  # else a test would not say why its model is refused
    return made


@pytest.fixture
def refused() -> Judge:
    """Return a function that has a model judged and returns the error: a sentence with a way out."""

    def judge(model: onnx.ModelProto | bytes) -> ModelError:
        data = model if isinstance(model, bytes) else model.SerializeToString()
        with pytest.raises(ModelError) as caught:
            gate.admit(data, PATH)
        assert str(PATH) in caught.value.message
        assert caught.value.hint
        return caught.value

    return judge
