"""
Damaged model files: each ends with a verdict or a sentence, never with a traceback, a hang or a dead parent.

Half of them are damaged as bytes, half as messages (shapes, types, attributes, names, nodes), which gets further into
the converter. What is accepted is run once more on numbers that the proof has not seen.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import edgekit
from edgekit.errors import ConfigError, ModelError, NotProven
from edgekit.model.quantisation import nature_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgekit.model.compile import CompiledModel

    MakeOnnx = Callable[..., Path]
    Damage = Callable[[bytes, random.Random], bytes]

pytestmark = pytest.mark.native

_SHORT, _LONG = 100, 4000
"""For each of five models: 500 in the default run, 20,000 in the long one."""

FLOAT = TensorProto.FLOAT
RNG = np.random.default_rng(7)


def normal(*shape: int) -> Any:
    """Return random weights."""
    return RNG.normal(size=shape).astype(np.float32)


def dense(make_onnx: MakeOnnx) -> Path:
    """Make two dense layers over a feature vector."""
    node = helper.make_node
    return make_onnx(
        [
            node("Gemm", ["x", "w", "b"], ["hidden"], name="first"),
            node("Relu", ["hidden"], ["active"]),
            node("MatMul", ["active", "v"], ["logits"]),
            node("Softmax", ["logits"], ["y"], axis=1),
        ],
        {"w": normal(6, 5), "b": normal(5), "v": normal(5, 3)},
        inputs=[("x", FLOAT, ["N", 6])],
        outputs=[("y", FLOAT, ["N", 3])],
    )


def conv1d(make_onnx: MakeOnnx) -> Path:
    """Make a convolution over time with a pool, a reshape and a constant shape."""
    node = helper.make_node
    return make_onnx(
        [
            node("Conv", ["x", "k", "c"], ["a"], kernel_shape=[3], pads=[1, 1], strides=[1]),
            node("Relu", ["a"], ["r"]),
            node("MaxPool", ["r"], ["p"], kernel_shape=[2], strides=[2]),
            node("Reshape", ["p", "shape"], ["f"]),
            node("Gemm", ["f", "w", "b"], ["y"], transB=1),
        ],
        {
            "k": normal(4, 2, 3),
            "c": normal(4),
            "shape": np.array([1, -1]),
            "w": normal(3, 16),
            "b": normal(3),
        },
        inputs=[("x", FLOAT, [1, 2, 8])],
        outputs=[("y", FLOAT, [1, 3])],
    )


def lstm(make_onnx: MakeOnnx) -> Path:
    """Make a recurrent layer, as PyTorch writes it, of which the last state is taken."""
    node = helper.make_node
    return make_onnx(
        [
            node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
            node("LSTM", ["t", "w", "r", "b"], ["", "h"], hidden_size=4),
            node("Squeeze", ["h", "first"], ["s"]),
            node("Gemm", ["s", "v"], ["y"]),
        ],
        {
            "w": normal(1, 16, 2),
            "r": normal(1, 16, 4),
            "b": normal(1, 32),
            "first": np.array([0]),
            "v": normal(4, 2),
        },
        inputs=[("x", FLOAT, ["N", 5, 2])],
        outputs=[("y", FLOAT, ["N", 2])],
    )


def quantised(make_onnx: MakeOnnx) -> Path:
    """Make a dense layer in int8, as QuantizeLinear and DequantizeLinear around it."""
    node = helper.make_node
    return make_onnx(
        [
            node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
            node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
            node("DequantizeLinear", ["wq", "ws", "wz"], ["wd"], axis=1),
            node("MatMul", ["xd", "wd"], ["m"]),
            node("QuantizeLinear", ["m", "ys", "yz"], ["yq"]),
            node("DequantizeLinear", ["yq", "ys", "yz"], ["y"]),
        ],
        {
            "xs": np.float32(0.03),
            "xz": np.int8(-5),
            "wq": RNG.integers(-127, 128, (6, 4)).astype(np.int8),
            "ws": np.array([0.01, 0.02, 0.015, 0.01], np.float32),
            "wz": np.zeros(4, np.int8),
            "ys": np.float32(0.05),
            "yz": np.int8(3),
        },
        inputs=[("x", FLOAT, [1, 6])],
        outputs=[("y", FLOAT, [1, 4])],
    )


def trees(make_onnx: MakeOnnx) -> Path:
    """Make two trees of scikit-learn's kind; the labels are left out, so only the scores are compared."""
    forest = helper.make_node(
        "TreeEnsembleClassifier",
        ["x"],
        ["label", "y"],
        domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0, 1, 1, 1],
        nodes_nodeids=[0, 1, 2, 0, 1, 2],
        nodes_featureids=[0, 0, 0, 2, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"] * 2,
        nodes_values=[0.25, 0.0, 0.0, -0.5, 0.0, 0.0],
        nodes_truenodeids=[1, 0, 0, 1, 0, 0],
        nodes_falsenodeids=[2, 0, 0, 2, 0, 0],
        class_treeids=[0, 0, 1, 1],
        class_nodeids=[1, 2, 1, 2],
        class_ids=[0, 1, 2, 1],
        class_weights=[0.5, 0.5, 0.5, 0.5],
        classlabels_int64s=[0, 1, 2],
        post_transform="NONE",
    )
    path = make_onnx(
        [forest], inputs=[("x", FLOAT, [1, 4])], outputs=[("y", FLOAT, [1, 3])], opset=17
    )
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    onnx.save(model, path)
    return path


MODELS = {
    "dense": (dense, {"window": 1, "channels": 6}),
    "conv1d": (conv1d, {"window": 8, "channels": 2}),
    "lstm": (lstm, {"window": 5, "channels": 2}),
    "quantised": (quantised, {"window": 1, "channels": 6}),
    "trees": (trees, {"window": 1, "channels": 4}),
}
"""Each with the stream that it takes."""

_NUMBERS = (0, 1, -1, 2, 3, 7, 255, 2**31 - 1, 2**31, -(2**31), 2**40, 2**62, -(2**63))


def warped(data: bytes, rng: random.Random) -> bytes:
    """Return the model with a few of its parts changed; still a message that can be parsed."""
    model = onnx.ModelProto.FromString(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        rng.choice(WARPS)(model, rng)
    return bytes(model.SerializeToString())


def _warp_shape(model: onnx.ModelProto, rng: random.Random) -> None:
    tensor = rng.choice(model.graph.initializer or [TensorProto()])
    if tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(_NUMBERS)
    else:
        tensor.dims.append(rng.choice(_NUMBERS))


def _warp_input(model: onnx.ModelProto, rng: random.Random) -> None:
    value = rng.choice([*model.graph.input, *model.graph.output])
    axes = value.type.tensor_type.shape.dim
    if axes and rng.random() < 0.7:
        rng.choice(axes).dim_value = rng.choice(_NUMBERS)
    else:
        axes.add().dim_value = rng.choice(_NUMBERS)


def _warp_type(model: onnx.ModelProto, rng: random.Random) -> None:
    if model.graph.initializer and rng.random() < 0.5:
        rng.choice(model.graph.initializer).data_type = rng.randrange(-1, 30)
    else:
        ends = [*model.graph.input, *model.graph.output]
        rng.choice(ends).type.tensor_type.elem_type = rng.randrange(30)


def _warp_attribute(model: onnx.ModelProto, rng: random.Random) -> None:
    attributes = [item for node in model.graph.node for item in node.attribute]
    if not attributes:
        return
    attribute = rng.choice(attributes)
    numbers = attribute.ints or attribute.floats
    if len(numbers) and rng.random() < 0.8:
        at = rng.randrange(len(numbers))
        numbers[at] = rng.choice([*_NUMBERS, *numbers]) if attribute.ints else rng.choice(numbers)
    elif len(numbers):
        del numbers[-1]
    elif attribute.type == onnx.AttributeProto.INT:
        attribute.i = rng.choice(_NUMBERS)
    else:
        attribute.name = rng.choice(attributes).name


def _warp_wire(model: onnx.ModelProto, rng: random.Random) -> None:
    node = rng.choice(model.graph.node)
    names = [*node.input, *(name for other in model.graph.node for name in other.output), "", "x"]
    ends = node.input if rng.random() < 0.8 else node.output
    if ends:
        ends[rng.randrange(len(ends))] = rng.choice(names)


def _warp_node(model: onnx.ModelProto, rng: random.Random) -> None:
    nodes = model.graph.node
    at = rng.randrange(len(nodes))
    way = rng.choice(["again", "away", "move", "other"])
    if way == "again":
        nodes.add().CopyFrom(nodes[at])
    elif way == "away" and len(nodes) > 1:
        del nodes[at]
    elif way == "move":
        moved = [nodes[at], *(node for node in nodes if node is not nodes[at])]
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in moved]
        del nodes[:]
        nodes.extend(copies)
    else:
        nodes[at].op_type = rng.choice(
            [
                "Tile",
                "Expand",
                "Concat",
                "Pad",
                "Gather",
                "Softmax",
                "GRU",
                "Identity",
                "Mul",
                "Loop",
            ]
        )


def _warp_number(model: onnx.ModelProto, rng: random.Random) -> None:
    tensor = rng.choice(model.graph.initializer or [TensorProto()])
    raw = bytearray(tensor.raw_data)
    if raw:
        at = rng.randrange(len(raw))
        raw[at : at + 4] = rng.choice(
            [b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\xff\xff\xff\x7f", b"\0\0\0\0"]
        )
        tensor.raw_data = bytes(raw[: len(tensor.raw_data)])


def _warp_opset(model: onnx.ModelProto, rng: random.Random) -> None:
    rng.choice(model.opset_import).version = rng.choice([*_NUMBERS, *range(7, 25)])


WARPS = (
    *(_warp_shape, _warp_input, _warp_type, _warp_attribute, _warp_attribute),
    *(_warp_wire, _warp_wire, _warp_node, _warp_number, _warp_number, _warp_opset),
)


def _outcome(path: Path, stream: dict[str, Any], seed: int) -> str:
    """Compile and return the name of the error, or `proven`; raise whatever is not an answer."""
    try:
        compiled = edgekit.compile(path, **stream)
    except (ModelError, ConfigError, NotProven) as error:
        return type(error).__name__ if error.message else "nothing said"
    _check_answer(compiled, np.random.default_rng(seed))
    return "proven"


def _check_answer(compiled: CompiledModel, rng: np.random.Generator) -> None:
    """Compare with ONNX Runtime on numbers that the proof has not drawn."""
    reference = compiled.reference()
    inputs = compiled.session().inputs
    steps = [
        nature_of(compiled.source.proto.graph, tensor.name).step
        for tensor in compiled.source.outputs
    ]
    if compiled.spec is not None:
        windows = rng.normal(size=(4, compiled.spec.window, compiled.spec.channels))
        pairs = [(compiled.predict(windows), reference.predict(windows))]
    else:
        frames = [
            {tensor.name: rng.normal(size=tensor.shape).astype(tensor.dtype) for tensor in inputs}
            for _ in range(4)
        ]
        pairs = [
            (compiled.predict(frame)[name], value)
            for frame, outputs in zip(frames, reference.run(frames), strict=True)
            for name, value in outputs.items()
        ]
    for ours, theirs in pairs:
        scale = np.abs(theirs[np.isfinite(theirs)]).max(initial=1e-30)
        # one code of the output's quantisation is the most that a proven model may differ by
        allowed = max(1e-3 * scale, 1.001 * max(steps))
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=allowed)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("count", [_SHORT, pytest.param(_LONG, marks=pytest.mark.slow)])
def test_damaged_models_are_proven_or_refused(
    name: str, count: int, make_onnx: MakeOnnx, damage: Damage, tmp_path: Path
) -> None:
    """A changed weight may still make a model; whatever is accepted was proven against the same damaged file."""
    make, stream = MODELS[name]
    whole = make(make_onnx).read_bytes()

    def one(number: int) -> str:
        rng = random.Random(f"{name} {count} {number}")
        path = tmp_path / f"damaged-{number}.onnx"
        path.write_bytes((damage if number % 2 else warped)(whole, rng))
        outcome = _outcome(path, stream if number % 3 else {}, number)
        path.unlink()
        return outcome

    # what takes the time happens in children
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = Counter(pool.map(one, range(count)))

    assert outcomes["proven"] > 0
    assert outcomes["ModelError"] > 0
    assert "nothing said" not in outcomes
