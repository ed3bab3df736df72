"""Models in the shape in which PyTorch exports them: dynamic batch, states made from it, weights in a file beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgekit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.native

TIME, CHANNELS, HIDDEN, CLASSES = 24, 6, 8, 3
FLOAT = TensorProto.FLOAT
GATES = {"LSTM": 4, "GRU": 3}


class Export:
    """A model being written as the exporter does; its weights go into `.onnx.data`."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(5)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self.result = ""
        """The logits."""

    def weight(self, *shape: int) -> str:
        """Add a trained weight."""
        values = (self._rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)
        self._weights.append(numpy_helper.from_array(values, f"w{len(self._weights)}"))
        return f"w{len(self._weights) - 1}"

    def integers(self, values: Sequence[int] | int) -> str:
        """Add a constant that the exporter writes as a node."""
        return self.add("Constant", value=numpy_helper.from_array(np.array(values, np.int64)))

    def add(self, op_type: str, *inputs: str, count: int = 1, **attributes: Any) -> str:
        """Add a node; return its first output."""
        names = [f"/{op_type}_{len(self._nodes)}_{number}" for number in range(count)]
        self._nodes.append(helper.make_node(op_type, inputs, names, name=names[0], **attributes))
        return names[0]

    def save(self, path: Path, given: Sequence[int | str]) -> Path:
        """Write the model and its `.data`."""
        self._nodes.append(helper.make_node("Identity", [self.result], ["logits"]))
        graph = helper.make_graph(
            self._nodes,
            "main_graph",
            [helper.make_tensor_value_info("x", FLOAT, given)],
            [helper.make_tensor_value_info("logits", FLOAT, ["batch", CLASSES])],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(
            model,
            path,
            save_as_external_data=True,
            location=f"{path.name}.data",
            size_threshold=0,
        )
        return path

    def zeros(self, directions: int) -> str:
        """Add the initial state [directions, batch, hidden], whose batch is looked up in the input."""
        batch = self.add("Gather", self.add("Shape", "x"), self.integers(0), axis=0)
        axes = [
            self.integers([directions]),
            self.add("Unsqueeze", batch, self.integers([0])),
            self.integers([HIDDEN]),
        ]
        value = helper.make_tensor("value", FLOAT, [1], [0.0])
        return self.add("ConstantOfShape", self.add("Concat", *axes, axis=0), value=value)


def recurrent(kind: str, *, both: bool) -> Export:
    """Return a classifier over the whole sequence's last step, batch first as most PyTorch code has it."""
    export, directions = Export(), 2 if both else 1
    time_first = export.add("Transpose", "x", perm=[1, 0, 2])
    states = [export.zeros(directions) for _ in range(2 if kind == "LSTM" else 1)]
    more = {} if kind == "LSTM" else {"linear_before_reset": 1}
    rows = GATES[kind] * HIDDEN
    y = export.add(
        kind,
        time_first,
        export.weight(directions, rows, CHANNELS),
        export.weight(directions, rows, HIDDEN),
        export.weight(directions, 2 * rows),
        "",
        *states,
        count=2 + (kind == "LSTM"),
        hidden_size=HIDDEN,
        direction="bidirectional" if both else "forward",
        **more,
    )
    if both:
        turned = export.add("Transpose", y, perm=[0, 2, 1, 3])
        flat = export.add("Reshape", turned, export.integers([0, 0, -1]))
    else:
        flat = export.add("Squeeze", y, export.integers([1]))
    batch_first = export.add("Transpose", flat, perm=[1, 0, 2])
    last = export.add("Gather", batch_first, export.integers(-1), axis=1)
    weight, bias = export.weight(CLASSES, directions * HIDDEN), export.weight(CLASSES)
    export.result = export.add("Gemm", last, weight, bias, transB=1)
    return export


def convolutional() -> Export:
    """Return a temporal convolutional network: dilated causal blocks with a way around each, a mean over time."""
    export = Export()
    x, width = export.add("Transpose", "x", perm=[0, 2, 1]), CHANNELS
    for dilation in (1, 2, 4):
        pads = export.integers([0, 0, 2 * dilation, 0, 0, 0])
        padded = export.add("Pad", x, pads, mode="constant")
        convolved = export.add(
            "Conv",
            padded,
            export.weight(HIDDEN, width, 3),
            export.weight(HIDDEN),
            dilations=[dilation],
            kernel_shape=[3],
        )
        around = x
        if width != HIDDEN:
            around = export.add("Conv", x, export.weight(HIDDEN, width, 1), kernel_shape=[1])
        x, width = (
            export.add("Relu", export.add("Add", export.add("Relu", convolved), around)),
            HIDDEN,
        )
    mean = export.add("ReduceMean", x, axes=[2], keepdims=0)
    weight, bias = export.weight(CLASSES, HIDDEN), export.weight(CLASSES)
    export.result = export.add("Gemm", mean, weight, bias, transB=1)
    return export


EXPORTS = {
    "lstm": lambda: recurrent("LSTM", both=False),
    "gru": lambda: recurrent("GRU", both=False),
    "bidirectional lstm": lambda: recurrent("LSTM", both=True),
    "bidirectional gru": lambda: recurrent("GRU", both=True),
    "tcn": convolutional,
}


@pytest.mark.parametrize("name", EXPORTS)
def test_it_is_proven_over_windows(tmp_path: Path, name: str) -> None:
    """With named tensors the batch becomes 1; every output is the reference's."""
    export = EXPORTS[name]()
    path = export.save(tmp_path / "model.onnx", ["batch", TIME, CHANNELS])

    compiled = edgekit.compile(path)

    assert (tmp_path / "model.onnx.data").stat().st_size > 1000
    assert compiled.proof.verdict == "proven"
    assert "open axes fixed: `x` [1, 24, 6]" in compiled.rewrites


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("mode", ["auto", "window"])
def test_it_is_proven_as_a_stream(tmp_path: Path, name: str, mode: Any) -> None:
    """With a dynamic length as well: the window says it; however the stream is computed, it is the same model."""
    export = EXPORTS[name]()
    path = export.save(tmp_path / "model.onnx", ["batch", "time", CHANNELS])
    samples = np.random.default_rng(0).normal(size=(5, TIME, CHANNELS)).astype(np.float32)

    compiled = edgekit.compile(path, window=TIME, channels=CHANNELS, hop=4, mode=mode)

    assert compiled.proof.verdict == "proven"
    np.testing.assert_allclose(
        compiled.predict(samples), compiled.reference().predict(samples), atol=1e-5
    )


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_a_gru_over_one_channel(tmp_path: Path, direction: str) -> None:
    """The engine alone stumbles over it."""
    export, directions = Export(), 2 if direction == "bidirectional" else 1
    y = export.add(
        "GRU",
        export.add("Transpose", "x", perm=[1, 0, 2]),
        export.weight(directions, 3 * HIDDEN, 1),
        export.weight(directions, 3 * HIDDEN, HIDDEN),
        hidden_size=HIDDEN,
        direction=direction,
        linear_before_reset=1,
    )
    last = export.add("Gather", y, export.integers(-1), axis=0)
    flat = export.add("Reshape", last, export.integers([1, -1]))
    export.result = export.add("MatMul", flat, export.weight(directions * HIDDEN, CLASSES))
    path = export.save(tmp_path / "model.onnx", ["batch", TIME, 1])

    assert edgekit.compile(path).proof.verdict == "proven"
