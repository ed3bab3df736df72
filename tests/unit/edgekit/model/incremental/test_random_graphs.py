"""The incremental form of graphs that nobody has thought of: what it predicts is what the windows say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekit.model.incremental.form import IncrementalForm

    Array = np.ndarray[Any, Any]
    Make = Callable[..., bytes]
    Check = Callable[[bytes, int], IncrementalForm]


FLOAT = TensorProto.FLOAT


class Drawn:
    """A graph that grows node by node; `at` is its end, of shape `[1, features, length]` (or 4 axes) most of the time."""

    def __init__(self, draw: Callable[..., Any], window: int, channels: int) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, Array] = {}
        self.at = "samples"
        self.window, self.channels = window, channels
        self.features, self.length = channels, window
        self.node("Transpose", perm=[1, 0])
        self.node("Unsqueeze", self.constant(np.array([0], np.int64)))

    def node(self, operator: str, *more: str, **attributes: Any) -> None:
        """Put an operator behind what is there."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, [self.at, *more], [name], name, **attributes))
        self.at = name

    def measure(self) -> None:
        """Find out how long the end is now."""
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info("samples", FLOAT, [self.window, self.channels])],
            [helper.make_tensor_value_info(self.at, FLOAT, None)],
            [numpy_helper.from_array(values, name) for name, values in self.weights.items()],
        )
        opsets = [helper.make_opsetid("", 17)]
        model = onnx.shape_inference.infer_shapes(
            helper.make_model(graph, opset_imports=opsets), data_prop=True
        )
        axes = model.graph.output[0].type.tensor_type.shape.dim
        self.features, self.length = axes[1].dim_value, axes[2].dim_value

    def constant(self, values: Array) -> str:
        """Add a constant."""
        name = f"c{len(self.weights)}"
        self.weights[name] = values
        return name

    def noise(self, *shape: int) -> str:
        """Add a constant of random numbers."""
        return self.constant(
            (self.rng.normal(size=shape) / max(1, shape[-1]) ** 0.5).astype(np.float32)
        )

    def convolution(self) -> None:
        """Slide a kernel, padded or not, with strides and dilations."""
        size, stride, dilation = (self.draw(st.integers(1, limit)) for limit in (4, 3, 2))
        before, after = (self.draw(st.sampled_from([0, 0, 0, 1, 2])) for _ in range(2))
        length = (self.length + before + after - (size - 1) * dilation - 1) // stride + 1
        if length < 1:
            return
        features = self.draw(st.integers(1, 4))
        self.node(
            "Conv",
            self.noise(features, self.features, size),
            strides=[stride],
            dilations=[dilation],
            pads=[before, after],
        )

    def pool(self) -> None:
        """Pool, sometimes beyond the end."""
        size, stride = self.draw(st.integers(1, 3)), self.draw(st.integers(1, 3))
        if size > self.length:
            return
        # a last place that begins behind the end counts for ONNX's shape inference and not for ONNX Runtime
        begins_inside = -(-(self.length - size) // stride) * stride < self.length
        ceil = self.draw(st.integers(0, 1)) if begins_inside else 0
        operator = self.draw(st.sampled_from(["MaxPool", "AveragePool"]))
        self.node(operator, kernel_shape=[size], strides=[stride], ceil_mode=ceil)

    def value(self) -> None:
        """Change every value for itself."""
        self.node(self.draw(st.sampled_from(["Relu", "Sigmoid", "Abs", "Neg"])))

    def shift(self) -> None:
        """Add something to each feature, or to each sample of the window."""
        length = self.draw(st.sampled_from([1, 1, self.length]))
        self.node("Add", self.noise(self.features, length))

    def softmax(self) -> None:
        """Along features, or along time."""
        self.node("Softmax", axis=self.draw(st.sampled_from([1, 1, 2])))

    def dense(self) -> None:
        """Mix the features of each sample, or the samples of each feature."""
        if self.draw(st.booleans()):
            features = self.draw(st.integers(1, 4))
            self.node("Transpose", perm=[0, 2, 1])
            self.node("MatMul", self.noise(self.features, features))
            self.node("Transpose", perm=[0, 2, 1])
        else:
            length = self.draw(st.integers(1, 4))
            self.node("MatMul", self.noise(self.length, length))

    def part(self) -> None:
        """Take a part of the samples."""
        start = self.draw(st.integers(0, self.length - 1))
        end = self.draw(st.integers(start + 1, self.length))
        step = self.draw(st.integers(1, 2))
        bounds = [self.constant(np.array([item], np.int64)) for item in (start, end, 2, step)]
        self.node("Slice", *bounds)

    def residual(self) -> None:
        """Add the samples to what a kernel makes of them."""
        before, cut = self.at, self.draw(st.integers(0, 2))
        if self.length <= 2:
            return
        self.node("Conv", self.noise(self.features, self.features, 3))
        behind = self.at
        self.at = before
        bounds = (cut, self.length - 2 + cut, 2)
        self.node("Slice", *(self.constant(np.array([item], np.int64)) for item in bounds))
        self.node("Add", behind)

    def gate(self) -> None:
        """Weigh the samples by a mean over all of them."""
        before = self.at
        self.node("GlobalAveragePool")
        self.node("Mul", before)

    def as_picture(self) -> None:
        """Slide a kernel over features and samples."""
        if min(self.features, self.length) < 2:
            return
        self.node("Reshape", self.constant(np.array([1, 1, self.features, self.length], np.int64)))
        padding = self.draw(st.sampled_from(["VALID", "SAME_UPPER"]))
        self.node("Conv", self.noise(1, 1, 2, 2), auto_pad=padding)
        self.node("Squeeze", self.constant(np.array([1], np.int64)))

    def head(self) -> None:
        """End with one of the usual heads."""
        kind = self.draw(st.sampled_from(["mean", "last", "flat", "all", "recurrent"]))
        if kind == "mean":
            self.node("ReduceMean", axes=[2], keepdims=0)
        elif kind == "last":
            self.node("Gather", self.constant(np.array(-1, np.int64)), axis=2)
        elif kind == "flat":
            self.node("Flatten")
            self.node("Gemm", self.noise(self.features * self.length, 2))
        elif kind == "recurrent":
            self.node("Transpose", perm=[2, 0, 1])
            name = f"t{len(self.nodes)}"
            weights = [self.noise(1, 6, self.features), self.noise(1, 6, 2)]
            self.nodes.append(
                helper.make_node("GRU", [self.at, *weights], ["", name], name, hidden_size=2)
            )
            self.at = name
        self.node("Reshape", self.constant(np.array([-1], np.int64)))
        self.nodes[-1].output[0] = "prediction"


@st.composite
def graphs(draw: Callable[..., Any]) -> tuple[Drawn, int, int]:
    """Draw a graph, its window and a hop."""
    window = draw(st.integers(4, 40))
    drawn = Drawn(draw, window, draw(st.integers(1, 3)))
    grow = [
        *(drawn.convolution, drawn.convolution, drawn.pool, drawn.value, drawn.shift),
        *(drawn.softmax, drawn.dense, drawn.part, drawn.residual, drawn.gate, drawn.as_picture),
    ]
    for _ in range(draw(st.integers(1, 6))):
        draw(st.sampled_from(grow))()
        drawn.measure()
    drawn.head()
    return drawn, window, draw(st.integers(1, window - 1))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph=graphs())
def test_any_graph_predicts_what_its_windows_say(
    make_windows: Make, same_as_windows: Check, graph: tuple[Drawn, int, int]
) -> None:
    """Kernels, pools, residuals, gates, heads in any order, any window and hop: the same at every window."""
    drawn, window, hop = graph
    model = make_windows(drawn.nodes, drawn.weights, window=window, channels=drawn.channels)

    same_as_windows(model, hop)
