"""Rules of operators that slide a kernel along the samples: convolutions and pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekit.model.incremental.along import Along, Reach
from edgekit.model.incremental.operator_call import Unlike
from edgekit.model.incremental.shaped_graph import set_attributes

if TYPE_CHECKING:
    import onnx

    from edgekit.model.incremental.along import Cut
    from edgekit.model.incremental.operator_call import Call

_WEIGHTS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
"""Which input of a convolution is its kernel."""


def convolution(call: Call) -> Along:
    """Conv and its like: along a spatial axis its kernel slides, along the batch it does the same to each."""
    track = call.only_first()
    if track.axis == 1:
        raise Unlike("takes the samples for channels")
    if track.axis == 0:
        return Along((0,))
    kernel = call.shape(_WEIGHTS[call.node.op_type])[2:]
    return _sliding(call, track.axis, kernel)


def pool(call: Call) -> Along:
    """MaxPool and its like, with one output."""
    track = call.only_first()
    if len([name for name in call.node.output if name]) != 1:
        raise Unlike("gives places in the window")
    if track.axis < 2:  # noqa: PLR2004 (batch and channels: each for itself)
        return Along((track.axis,))
    return _sliding(call, track.axis, tuple(call.attributes["kernel_shape"]))


def short_spectra(call: Call) -> Along:
    """STFT: one frame every step, none of them padded."""
    track = call.only_first()
    steps, lengths = call.integers("frame_step", 1), call.integers("frame_length", 3)
    if lengths is None:
        lengths = call.shape(2)[:1]
    if track.axis != 1 or steps is None or not lengths:
        raise Unlike("sees the whole window at once")
    first, end = _support(call, lengths[0])
    counts = Reach(steps[0], first, end - first)
    return Along((1,), Reach(steps[0], 0, lengths[0]), counts=counts)


def _support(call: Call, length: int) -> tuple[int, int]:
    """Return where the window function begins and ends to be other than zero."""
    window = call.graph.constant(call.node.input[2]) if call.size(2) else None
    places = np.arange(length) if window is None else np.flatnonzero(window)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, length)


def _sliding(call: Call, axis: int, kernel: tuple[int, ...]) -> Along:
    slides = _slides(call, kernel)
    time = slides[axis - 2]
    begins, ends = [item.begin for item in slides], [item.end for item in slides]
    begins[axis - 2] = ends[axis - 2] = 0

    def without_padding(node: onnx.NodeProto, cut: Cut) -> None:  # noqa: ARG001 (the protocol's signature)
        set_attributes(node, auto_pad="NOTSET", pads=[*begins, *ends])
        if "ceil_mode" in call.attributes:
            # what it would add lies behind the window's end, where nothing is taken from
            set_attributes(node, ceil_mode=_other_axes_ceil(call, slides, axis))

    return Along((axis,), Reach(time.stride, -time.begin, time.extent), without_padding)


@dataclass(frozen=True)
class _Slide:
    """How a kernel slides along one axis."""

    stride: int
    extent: int
    begin: int
    end: int


def _slides(call: Call, kernel: tuple[int, ...]) -> list[_Slide]:
    count = len(kernel)
    strides = call.attributes.get("strides", [1] * count)
    dilations = call.attributes.get("dilations", [1] * count)
    pads = call.attributes.get("pads", [0] * (2 * count))
    auto = call.attributes.get("auto_pad", b"NOTSET").decode()
    lengths = call.shape(0)[2:]
    slides = []
    for at in range(count):
        extent = (kernel[at] - 1) * dilations[at] + 1
        begin, end = pads[at], pads[count + at]
        if auto == "VALID":
            begin = end = 0
        elif auto in ("SAME_UPPER", "SAME_LOWER"):
            outputs = -(-lengths[at] // strides[at])
            total = max((outputs - 1) * strides[at] + extent - lengths[at], 0)
            begin = total // 2 if auto == "SAME_UPPER" else total - total // 2
            end = total - begin
        slides.append(_Slide(int(strides[at]), int(extent), int(begin), int(end)))
    return slides


def _other_axes_ceil(call: Call, slides: list[_Slide], time: int) -> int:
    """Return the `ceil_mode` that keeps the other axes as they are."""
    lengths = call.shape(0)[2:]
    for at, (slide, length) in enumerate(zip(slides, lengths, strict=True)):
        spare = (length + slide.begin + slide.end - slide.extent) % slide.stride
        if at != time - 2 and spare:
            return int(call.attributes["ceil_mode"])
    return 0


RULES = {
    **dict.fromkeys(_WEIGHTS, convolution),
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), pool),
    "STFT": short_spectra,
}
