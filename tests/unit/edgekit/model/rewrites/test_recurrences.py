"""Recurrences in the one form that the engine runs: the same numbers as the operator itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.model.rewrites import recurrences

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]

TIME, BATCH, INPUTS, HIDDEN = 5, 2, 3, 4
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
OTHERS = {
    "LSTM": ["HardSigmoid", "Softplus", "Affine"],
    "GRU": ["ScaledTanh", "LeakyRelu"],
    "RNN": ["Relu"],
}
NUMBERS = {"LSTM": [0.3, 0.7], "GRU": [0.9, 0.2], "RNN": []}


def _model(kind: str, direction: str, *, opset: int = 17, **how: Any) -> onnx.ModelProto:
    """Return a recurrence with initial states; `how`: `lengths`, and attributes of the node."""
    rng = np.random.default_rng(0)
    directions = 2 if direction == "bidirectional" else 1

    def numbers(*shape: int) -> Array:
        return (rng.normal(size=shape) * 0.7).astype(np.float32)

    weights: dict[str, Array] = {
        "w": numbers(directions, GATES[kind] * HIDDEN, INPUTS),
        "r": numbers(directions, GATES[kind] * HIDDEN, HIDDEN),
        "b": numbers(directions, 2 * GATES[kind] * HIDDEN),
        "h": numbers(directions, BATCH, HIDDEN),
    }
    lengths = how.pop("lengths", None)
    if lengths is not None:
        weights["lengths"] = np.array(lengths, np.int32)
    inputs = ["x", "w", "r", "b", "lengths" if lengths is not None else "", "h"]
    outputs = ["y", "last"]
    if kind == "LSTM":
        weights |= {"c": numbers(directions, BATCH, HIDDEN), "p": numbers(directions, 3 * HIDDEN)}
        inputs += ["c", "p"]
        outputs += ["cell"]
    for name in ("activations", "activation_alpha", "activation_beta"):
        if name in how:
            how[name] = list(how[name]) * directions
    node = helper.make_node(kind, inputs, outputs, hidden_size=HIDDEN, direction=direction, **how)
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [TIME, BATCH, INPUTS])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def _inputs() -> list[Array]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=(TIME, BATCH, INPUTS)).astype(np.float32) for _ in range(3)]


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("direction", ["reverse", "bidirectional"])
def test_a_direction_becomes_forward(kept: Callable[..., None], kind: str, direction: str) -> None:
    """Flip, forward, flip; sequences and last states as the operator gives them."""
    model = _model(kind, direction)

    kept(model, recurrences.write_out, _inputs(), f"1 {kind}")

    made = [node for node in model.graph.node if node.op_type == kind]
    assert len(made) == (2 if direction == "bidirectional" else 1)
    assert not [item for node in made for item in node.attribute if item.name == "direction"]


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    "how",
    [
        {"lengths": [3, 5]},
        {"lengths": [2, 4], "opset": 11},
        {"clip": 0.5},
        {"others": True},
        {"others": True, "clip": 0.4, "lengths": [1, 5]},
    ],
)
def test_what_the_engine_does_not_read_becomes_a_loop(
    kept: Callable[..., None], kind: str, direction: str, how: dict[str, Any]
) -> None:
    """Sequences of different lengths, clipping, activations with numbers."""
    more = dict(how)
    if more.pop("others", False):
        more |= {"activations": OTHERS[kind]}
        if NUMBERS[kind]:
            more |= {"activation_alpha": NUMBERS[kind], "activation_beta": [0.1, 0.4]}
    model = _model(kind, direction, **more)

    kept(model, recurrences.write_out, _inputs(), f"1 {kind}")

    assert kind not in [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("LSTM", {"input_forget": 1}),
        ("LSTM", {"input_forget": 1, "clip": 0.3}),
        ("GRU", {"linear_before_reset": 1, "clip": 0.3}),
        ("GRU", {"linear_before_reset": 1, "lengths": [4, 2]}),
    ],
)
def test_variants_of_the_formulas(
    kept: Callable[..., None], kind: str, how: dict[str, Any]
) -> None:
    """Coupled gates, and the reset gate behind the product."""
    kept(_model(kind, "forward", **how), recurrences.write_out, _inputs(), f"1 {kind}")


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_lengths_that_are_the_whole_window_are_dropped(
    kept: Callable[..., None], kind: str
) -> None:
    """Exporters write them for batches; the operator itself stays."""
    model = _model(kind, "forward", lengths=[TIME, TIME])

    kept(model, recurrences.write_out, _inputs(), f"1 {kind}")

    made = next(node for node in model.graph.node if node.op_type == kind)
    assert made.input[4] == ""


def test_batch_first_is_transposed(run: Callable[..., list[Array]]) -> None:
    """`layout` 1, which ONNX Runtime does not run: held against the same node with transposes by hand."""
    model = _model("LSTM", "bidirectional")
    by_hand = onnx.ModelProto()
    by_hand.CopyFrom(model)
    node = model.graph.node[0]
    node.attribute.append(helper.make_attribute("layout", 1))
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [BATCH, TIME, INPUTS])
    )
    for tensor in model.graph.initializer:
        if tensor.name in ("h", "c"):
            turned = numpy_helper.to_array(tensor).transpose(1, 0, 2)
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(turned), tensor.name))

    assert recurrences.write_out(model) is not None

    for x in _inputs():
        y, last, cell = run(by_hand, x)
        ours = run(model, np.ascontiguousarray(x.transpose(1, 0, 2)))
        np.testing.assert_allclose(ours[0], y.transpose(2, 0, 1, 3), atol=1e-6)
        np.testing.assert_allclose(ours[1], last.transpose(1, 0, 2), atol=1e-6)
        np.testing.assert_allclose(ours[2], cell.transpose(1, 0, 2), atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_what_the_engine_runs_stays(kind: str) -> None:
    """A forward recurrence with the usual formulas is left alone."""
    model = _model(kind, "forward")

    assert recurrences.write_out(model) is None
    assert [node.op_type for node in model.graph.node] == [kind]
