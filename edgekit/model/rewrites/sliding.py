"""
Pools, slices and convolutions that leave samples out, in the forms that the engine gets right.

Its pools miscount the frames of `ceil_mode`. It turns a slice with a step, and a convolution of kernel 1 with a stride, into a
choice of samples that it moves ahead of the operators before it: past a convolution it then takes other samples, and a
recurrence it cannot pass at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edgekit.model.operators import opset, walk
from edgekit.model.rewrites.steps import counted, replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    from edgekit.model.rewrites.steps import Form, Steps

_LOOPS: Final = frozenset({"GRU", "LSTM", "Loop", "RNN", "Scan"})

_PADS_ARE_INPUT: Final = 11
"""First opset in which Pad takes its widths as an input."""


def write_out(model: onnx.ModelProto) -> str | None:
    """Replace such operators in place; return a line for the report, None if there were none."""
    forms: dict[tuple[str, str], Form] = {
        ("", "MaxPool"): _pool,
        ("", "AveragePool"): _pool,
        ("", "Slice"): _slice,
    }
    if any(node.op_type in _LOOPS for node in walk(model.graph.node)):
        forms |= {("", "Slice"): _slice_behind_loops, ("", "Conv"): _conv_behind_loops}
    if opset(model) < _PADS_ARE_INPUT:
        del forms["", "AveragePool"]
    names = replace(model, forms)
    if not names:
        return None
    return f"samples left out in the way that the engine reads: {counted(names)}"


def _pool(steps: Steps) -> bool:
    """Write the frames that `ceil_mode` adds as padding at the end, which no pool counts."""
    shape, kernel = steps.shape(0), steps.given.get("kernel_shape", ())
    plain = steps.text("auto_pad", "NOTSET") == "NOTSET" and not steps.output(1)
    if not steps.given.get("ceil_mode", 0) or not plain or shape is None:
        return False
    count = len(kernel)
    pads = list(steps.given.get("pads", [0] * (2 * count)))
    ends = [_end(steps, at, length, pads) for at, length in enumerate(shape[2:])]
    x = steps.x
    if steps.given.get("count_include_pad", 0) and any(pads):
        # the model's own padding counts, that of `ceil_mode` does not
        widths = [0, 0, *pads[:count], 0, 0, *pads[count:]]
        x = steps.add("Pad", x, steps.integers(widths))
        ends = [max(end - pad, 0) for end, pad in zip(ends, pads[count:], strict=True)]
        pads = [0] * (2 * count)
    pads[count:] = ends
    kept = {**steps.given, "ceil_mode": 0, "pads": pads}
    if "count_include_pad" in kept:
        kept["count_include_pad"] = 0
    steps.give(0, steps.add(str(steps.node.op_type), x, **kept))
    return True


def _end(steps: Steps, at: int, length: int, pads: Sequence[int]) -> int:
    """Return the padding behind the end of an axis with which the last frame of a pool that rounds up is whole."""
    kernel: Sequence[int] = steps.given["kernel_shape"]
    stride: int = steps.given.get("strides", [1] * len(kernel))[at]
    extent: int = (kernel[at] - 1) * steps.given.get("dilations", [1] * len(kernel))[at] + 1
    begin, end = pads[at], pads[len(kernel) + at]
    frames = -(-(length + begin + end - extent) // stride) + 1
    if (frames - 1) * stride >= length + begin:  # it would begin behind the last sample
        frames -= 1
    return max((frames - 1) * stride + extent - length - begin, 0)


def _slice(steps: Steps) -> bool:
    """Write a slice that runs backwards, or leaves samples out from another than the first on, as a choice of places."""
    return _chosen(steps, from_the_first=False)


def _slice_behind_loops(steps: Steps) -> bool:
    """Write every slice that leaves samples out as a choice of places."""
    return _chosen(steps, from_the_first=True)


def _chosen(steps: Steps, *, from_the_first: bool) -> bool:
    shape = steps.shape(0)
    starts, ends = _integers(steps, 1, "starts"), _integers(steps, 2, "ends")
    if shape is None or starts is None or ends is None:
        return False
    axes = _integers(steps, 3, "axes") or list(range(len(starts)))
    strides = _integers(steps, 4, "steps") or [1] * len(starts)
    places = {
        axis % len(shape): range(shape[axis])[start:end:stride]
        for axis, start, end, stride in zip(axes, starts, ends, strides, strict=True)
    }
    moved = [
        found.step < 0 or (found.step > 1 and (found.start > 0 or from_the_first))
        for found in places.values()
    ]
    if not any(moved) or not all(places.values()):
        return False
    value = steps.x
    for axis, found in places.items():
        if found != range(shape[axis]):
            value = steps.gather(value, found, axis)
    steps.give(0, value)
    return True


def _conv_behind_loops(steps: Steps) -> bool:
    """Leave the samples out before a convolution of kernel 1, not in it."""
    shape, weights = steps.shape(0), steps.shape(1)
    strides = steps.given.get("strides", ())
    if shape is None or weights is None or all(stride == 1 for stride in strides):
        return False
    if any(length != 1 for length in weights[2:]) or any(steps.given.get("pads", ())):
        return False
    value = steps.x
    for axis, stride in enumerate(strides, start=2):
        if stride > 1:
            value = steps.gather(value, range(0, shape[axis], stride), axis)
    kept: dict[str, Any] = {**steps.given, "strides": [1] * len(strides)}
    steps.give(0, steps.add("Conv", value, *steps.node.input[1:], **kept))
    return True


def _integers(steps: Steps, position: int, attribute: str) -> list[int] | None:
    """Return numbers that are an input, or an attribute before opset 10; None if they are open or left out."""
    given: Sequence[int] | None = steps.given.get(attribute)
    if given is not None:
        return list(given)
    array = steps.array(position)
    return None if array is None else [int(value) for value in array.ravel()]
