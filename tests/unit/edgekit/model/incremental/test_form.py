"""What becomes steps of one hop, what stays with the window, and that both say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgekit.model.cost import operations
from edgekit.model.incremental.form import incremental_form
from edgekit.model.incremental.plan import make_plan
from edgekit.model.incremental.shaped_graph import ShapedGraph
from edgekit.model.incremental.single_samples import keep_axes

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekit.model.incremental.form import IncrementalForm

    Array = np.ndarray[Any, Any]
    Make = Callable[..., bytes]
    Check = Callable[[bytes, int], IncrementalForm]

RNG = np.random.default_rng(3)
node = helper.make_node


def noise(*shape: int) -> Array:
    """Return weights."""
    return RNG.normal(size=shape).astype(np.float32) / 4


def ints(*values: int) -> Array:
    """Return integers, as axes and shapes are."""
    return np.array(values, np.int64)


TO_CHANNELS_FIRST = [
    node("Transpose", ["samples"], ["cf"], perm=[1, 0]),
    node("Unsqueeze", ["cf", "zero"], ["x"]),
]
FLAT = [node("Reshape", ["y", "minus"], ["prediction"])]
CONSTANTS = {"zero": ints(0), "minus": ints(-1)}


def between(*nodes: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return nodes from `x` [1, channels, window] to `y`, with what makes a graph of them."""
    return [*TO_CHANNELS_FIRST, *nodes, *FLAT]


CONV = node("Conv", ["x", "kernel"], ["features"], name="conv")
KERNEL = {"kernel": noise(8, 3, 3), **CONSTANTS}


def test_a_convolutional_classifier_computes_what_is_new(
    make_windows: Make, same_as_windows: Check
) -> None:
    """Two convolutions, a pool over all time, a dense head: a fraction of the operations, two buffers beside the pool's."""
    model = make_windows(
        between(
            CONV,
            node("Relu", ["features"], ["r"]),
            node("Conv", ["r", "kernel2"], ["f2"]),
            node("GlobalAveragePool", ["f2"], ["pooled"], name="pool"),
            node("Flatten", ["pooled"], ["flat"]),
            node("Gemm", ["flat", "head"], ["y"]),
        ),
        {**KERNEL, "kernel2": noise(64, 8, 5), "head": noise(64, 4)},
        window=200,
    )

    form = same_as_windows(model, 4)

    assert form.operations < 0.2 * operations(onnx.ModelProto.FromString(model))
    assert len(form.state) == 3
    assert form.at_once == "`pool` (GlobalAveragePool) sees the whole window at once"


def test_a_flat_dense_head_sees_the_window(make_windows: Make, same_as_windows: Check) -> None:
    """Flatten over time and dense: exact, where a streaming transform alone would be silently wrong."""
    nodes = between(
        CONV,
        node("Flatten", ["features"], ["flat"], name="flatten"),
        node("Gemm", ["flat", "head"], ["y"]),
    )
    form = same_as_windows(make_windows(nodes, {**KERNEL, "head": noise(80, 4)}), 1)

    assert "mixes samples and channels of the whole window" in form.at_once


def recurrence(operator: str, direction: str) -> list[onnx.NodeProto]:
    """Return a recurrence over the samples, with its last state as output."""
    return [
        node("Transpose", ["x"], ["sequence"], perm=[2, 0, 1]),
        node(
            operator,
            ["sequence", "w", "r"],
            ["", "last"],
            name="recurrence",
            hidden_size=4,
            direction=direction,
        ),
        node("Identity", ["last"], ["y"]),
    ]


@pytest.mark.parametrize(("operator", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_recurrences_begin_at_each_window(
    make_windows: Make, same_as_windows: Check, operator: str, gates: int, direction: str
) -> None:
    """Their state is zero at every window's first sample, whichever way they run: nothing of the hop before is of use."""
    sides = 2 if direction == "bidirectional" else 1
    weights = {"w": noise(sides, gates * 4, 3), "r": noise(sides, gates * 4, 4), **CONSTANTS}
    model = make_windows(between(*recurrence(operator, direction)), weights)

    form = same_as_windows(model, 2)

    assert (
        form.at_once == f"`recurrence` ({operator}) starts from zero at every window's first sample"
    )
    assert form.operations >= operations(onnx.ModelProto.FromString(model))


WHOLE: dict[str, tuple[list[onnx.NodeProto], dict[str, Array], str]] = {
    "softmax over time": (
        [node("Softmax", ["x"], ["y"], axis=2, name="it")],
        {},
        "(Softmax) adds up over the whole window",
    ),
    "attention": (
        [
            node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
            node("MatMul", ["t", "x"], ["scores"], name="it"),
            node("Softmax", ["scores"], ["weights"], axis=-1),
            node("MatMul", ["weights", "t"], ["y"]),
        ],
        {},
        "(MatMul) multiplies parts of the window with each other",
    ),
    "mean over time": (
        [node("ReduceMean", ["x"], ["y"], axes=[2], name="it")],
        {},
        "(ReduceMean) sees the whole window at once",
    ),
    "sum of all before": (
        [node("CumSum", ["x", "two"], ["y"], name="it")],
        {"two": np.array(2, np.int64)},
        "(CumSum) adds up over the whole window",
    ),
    "normalisation over time": (
        [node("InstanceNormalization", ["x", "one", "none"], ["y"], name="it")],
        {"one": np.ones(3, np.float32), "none": np.zeros(3, np.float32)},
        "(InstanceNormalization) sees the whole window at once",
    ),
    "same padding": (
        [
            node("Conv", ["x", "kernel"], ["f"], auto_pad="SAME_UPPER", name="it"),
            node("GlobalMaxPool", ["f"], ["y"]),
        ],
        {"kernel": noise(8, 3, 3)},
        "(Conv) is padded at the window's edges",
    ),
    "a weight a sample": (
        [node("Mul", ["x", "taper"], ["y"], name="it")],
        {"taper": noise(12)},
        "(Mul) has a constant that differs from sample to sample",
    ),
    "backwards": (
        [node("Slice", ["x", "start", "end", "axis", "step"], ["y"], name="it")],
        {"start": ints(-1), "end": ints(-100), "axis": ints(2), "step": ints(-1)},
        "(Slice) runs the window backwards",
    ),
    "chosen samples": (
        [node("Gather", ["x", "which"], ["y"], axis=2, name="it")],
        {"which": ints(3, 0, 5)},
        "(Gather) picks samples out of the window",
    ),
    "a gate by the mean": (
        [
            node("ReduceMean", ["x"], ["gate"], axes=[2], name="it"),
            node("Mul", ["x", "gate"], ["y"]),
        ],
        {},
        "(ReduceMean) sees the whole window at once",
    ),
    "upsampling": (
        [node("Resize", ["x", "", "scales"], ["y"], mode="linear", name="it")],
        {"scales": np.array([1, 1, 2], np.float32)},
        "(Resize) sees the whole window at once",
    ),
    "a stride that the hop does not hold": (
        [node("MaxPool", ["x"], ["y"], kernel_shape=[3], strides=[3], name="it")],
        {},
        "(MaxPool) gives a value every 3 samples, which does not go into a hop of 2",
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_what_sees_the_window_is_run_over_the_window(
    make_windows: Make, same_as_windows: Check, case: str
) -> None:
    """Exact all the same, and the sentence for the report says which operator it is and why."""
    nodes, weights, sentence = WHOLE[case]
    form = same_as_windows(make_windows(between(*nodes), {**weights, **CONSTANTS}), 2)

    assert form.at_once == f"`it` {sentence}"


ALONG = {
    "channels first to last": [node("Transpose", ["x"], ["y"], perm=[0, 2, 1])],
    "softmax over channels": [node("Softmax", ["x"], ["y"], axis=1)],
    "layer norm over channels": [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        node("LayerNormalization", ["t", "three"], ["y"], axis=-1),
    ],
    "batch norm": [node("BatchNormalization", ["x", "three", "three", "three", "three"], ["y"])],
    "mean of channels": [node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=0)],
    "argmax of channels": [
        node("ArgMax", ["x"], ["best"], axis=1, keepdims=0),
        node("Cast", ["best"], ["y"], to=1),
    ],
    "quantised": [
        node("QuantizeLinear", ["x", "fine"], ["codes"]),
        node("DequantizeLinear", ["codes", "fine"], ["y"]),
    ],
    "one channel": [node("Gather", ["x", "zero"], ["y"], axis=1)],
    "two of three channels": [node("Slice", ["x", "zero", "two", "one"], ["y"])],
    "split and joined": [
        node("Split", ["x", "parts"], ["a", "b"], axis=1),
        node("Concat", ["b", "a"], ["y"], axis=1),
    ],
    "dense": [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        node("MatMul", ["t", "square"], ["d"]),
        node("Add", ["d", "three"], ["y"]),
    ],
    "dense from the left": [node("MatMul", ["square", "x"], ["y"])],
    "a score": [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        node("MatMul", ["t", "three"], ["y"]),
    ],
    "rows of a product": [
        node("Squeeze", ["x", "zero"], ["s"]),
        node("Gemm", ["s", "square"], ["y"], transA=1, transB=1),
    ],
    "a wide kernel": [node("Conv", ["x", "kernel"], ["y"], dilations=[2])],
    "pools": [
        node("MaxPool", ["x"], ["m"], kernel_shape=[3]),
        node("AveragePool", ["m"], ["y"], kernel_shape=[2]),
    ],
    "difference of samples": [
        node("Slice", ["x", "one", "many", "two"], ["later"]),
        node("Slice", ["x", "zero", "minus", "two"], ["earlier"]),
        node("Sub", ["later", "earlier"], ["y"]),
    ],
    "frames of four": [
        node("Reshape", ["x", "frames"], ["f"]),
        node("ReduceMax", ["f"], ["y"], axes=[3], keepdims=0),
    ],
    "as a picture": [
        node("Unsqueeze", ["x", "one"], ["p"]),
        node("Conv", ["p", "patch"], ["y"], pads=[1, 0, 1, 0]),
    ],
    "last of a causal convolution": [
        node("Pad", ["x", "causal"], ["padded"]),
        node("Conv", ["padded", "kernel"], ["f"]),
        node("Gather", ["f", "last"], ["y"], axis=2),
    ],
    "chomped": [
        node("Conv", ["x", "kernel"], ["f"], pads=[2, 2]),
        node("Slice", ["f", "zero", "chomp", "two"], ["c"]),
        node("Slice", ["c", "minus", "many", "two"], ["y"]),
    ],
}
WEIGHTS = {
    **CONSTANTS,
    "one": ints(1),
    "two": ints(2),
    "many": ints(10**6),
    "parts": ints(1, 2),
    "frames": ints(1, 3, 3, 4),
    "causal": ints(0, 0, 2, 0, 0, 0),
    "last": np.array(-1, np.int64),
    "chomp": ints(-2),
    "three": np.abs(noise(3)) + 1,
    "square": noise(3, 3),
    "fine": np.array(0.05, np.float32),
    "kernel": noise(8, 3, 3),
    "patch": noise(2, 1, 3, 3),
}


@pytest.mark.parametrize("case", ALONG)
def test_what_treats_all_frames_alike_computes_the_new_ones(
    make_windows: Make, same_as_windows: Check, case: str
) -> None:
    """Nothing but what makes one row of the output sees the window."""
    model = make_windows(between(*ALONG[case]), WEIGHTS)

    same_as_windows(model, 4)

    kept = keep_axes(onnx.ModelProto.FromString(model))
    plan = make_plan(ShapedGraph(kept), 4, 12)
    assert {kept.graph.node[position].op_type for position in plan.whole} <= {"Reshape"}


@pytest.mark.parametrize("opset", [9, 11, 13, 18, 21])
def test_every_opset_is_written_as_it_wants(
    make_windows: Make, same_as_windows: Check, opset: int
) -> None:
    """Slice and Pad had attributes once, and have inputs now."""
    if opset < 11:
        pad = node("Pad", ["cf"], ["p"], pads=[0, 0, 1, 0])
    else:
        pad = node("Pad", ["cf", "widths"], ["p"])
    nodes = [
        node("Transpose", ["samples"], ["cf"], perm=[1, 0]),
        pad,
        node("Reshape", ["p", "three_axes"], ["x"]),
        node("Conv", ["x", "kernel"], ["f"]),
        node("MaxPool", ["f"], ["y"], kernel_shape=[2]),
        *FLAT,
    ]
    weights = {**KERNEL, "widths": ints(0, 0, 1, 0), "three_axes": ints(1, 4, 12)}
    weights["kernel"] = noise(8, 4, 3)
    same_as_windows(make_windows(nodes, weights, opset=opset), 3)


def test_windows_that_do_not_overlap_have_no_such_form(make_windows: Make) -> None:
    """There is nothing to keep from one to the next."""
    model = make_windows(between(CONV, node("Relu", ["features"], ["y"])), KERNEL)

    found = incremental_form(model, 12)

    assert found == "windows do not overlap (a hop of 12 samples, a window of 12)"


def test_the_form_is_the_same_every_time(make_windows: Make) -> None:
    """The same model gives the same bytes: the archive's digest depends on it."""
    model = make_windows(between(CONV, node("GlobalMaxPool", ["features"], ["y"])), KERNEL)

    assert incremental_form(model, 3) == incremental_form(model, 3)
