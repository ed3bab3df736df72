"""Small ONNX models, made by the tests themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

MakeOnnx = Callable[..., Path]
Ends = Sequence[tuple[str, int, Sequence[int | str] | None]]

FLOAT = TensorProto.FLOAT


@pytest.fixture
def make_onnx(tmp_path: Path) -> MakeOnnx:
    """Return a function that writes an ONNX file from nodes, weights, inputs and outputs."""

    def make(  # noqa: PLR0913 (the parts of a model)
        nodes: Sequence[onnx.NodeProto],
        weights: Mapping[str, Any] | None = None,
        *,
        inputs: Ends = (("x", FLOAT, [1, 4]),),
        outputs: Ends = (("y", FLOAT, [1, 4]),),
        opset: int = 13,
        name: str = "model.onnx",
    ) -> Path:
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info(*end) for end in inputs],
            [helper.make_tensor_value_info(*end) for end in outputs],
            [
                numpy_helper.from_array(np.asarray(value), key)
                for key, value in (weights or {}).items()
            ],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return make


@pytest.fixture
def classifier(make_onnx: MakeOnnx) -> Path:
    """Return a convolutional classifier: `x` [N, 3, 16] (channels first) to softmax over 4 classes `y` [N, 4]."""
    rng = np.random.default_rng(0)
    node = helper.make_node
    return make_onnx(
        [
            node("Conv", ["x", "kernel", "bias"], ["convolved"], kernel_shape=[3], name="conv"),
            node("Relu", ["convolved"], ["rectified"], name="relu"),
            node("GlobalAveragePool", ["rectified"], ["pooled"], name="pool"),
            node("Flatten", ["pooled"], ["flat"], name="flatten"),
            node("Gemm", ["flat", "head", "head_bias"], ["logits"], name="head"),
            node("Softmax", ["logits"], ["y"], axis=1, name="softmax"),
        ],
        {
            "kernel": rng.normal(size=(5, 3, 3)).astype(np.float32),
            "bias": rng.normal(size=5).astype(np.float32),
            "head": rng.normal(size=(5, 4)).astype(np.float32),
            "head_bias": rng.normal(size=4).astype(np.float32),
        },
        inputs=[("x", FLOAT, ["N", 3, 16])],
        outputs=[("y", FLOAT, ["N", 4])],
        name="classifier.onnx",
    )
