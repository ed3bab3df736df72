"""Rules of operators that move values about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.model.incremental.along import Along, Reach
from edgekit.model.incremental.operator_call import Unlike, product
from edgekit.model.incremental.shaped_graph import set_attributes

if TYPE_CHECKING:
    import onnx

    from edgekit.model.incremental.along import Cut, Track
    from edgekit.model.incremental.operator_call import Call

_TO_THE_END = 2**31 - 1
"""As an end in Slice: as far as there is."""


def transpose(call: Call) -> Along:
    """Transpose: time goes where its axis goes."""
    track = call.only_first()
    rank = len(call.shape(0))
    order = tuple(call.attributes.get("perm", range(rank)[::-1]))
    return Along((order.index(track.axis),))


def reshape(call: Call) -> Along:
    """Reshape, Squeeze, Unsqueeze, Flatten: time stays an axis of its own, or is cut into frames of k samples."""
    track = call.only_first()
    before, after = call.shape(0), call.output_shape()
    axis = _same_place(before, after, track.axis)
    if axis is None:
        raise Unlike("mixes samples and channels of the whole window")
    frame = track.frames // after[axis]

    def to_fewer(node: onnx.NodeProto, cut: Cut) -> None:
        shape = [*after[:axis], cut.frames_out, *after[axis + 1 :]]
        node.op_type = "Reshape"
        del node.attribute[:], node.input[1:]
        node.input.append(cut.constant(np.array(shape, np.int64)))

    return Along((axis,), Reach(frame, 0, frame), to_fewer)


def _same_place(before: tuple[int, ...], after: tuple[int, ...], time: int) -> int | None:
    """Return the axis along which time runs afterwards: as much before it, behind it nothing that was mixed in."""
    ahead, frames = product(before[:time]), before[time]
    found = []
    for axis, length in enumerate(after):
        if product(after[:axis]) != ahead or length == 0 or frames % length:
            continue
        inside = [product(after[axis + 1 : end]) for end in range(axis + 1, len(after) + 1)]
        if frames // length in inside:
            found.append(axis)
    best = max(found, key=lambda axis: after[axis], default=None)
    # one frame as long as the window is not time any more
    return None if best is None or (after[best] == 1 and frames > 1) else best


def concat(call: Call) -> Along:
    """Concat of tensors along another axis than time."""
    tracks = [call.track(at) for at in range(len(call.node.input))]
    known = [track for track in tracks if track is not None]
    if len(known) != len(tracks):
        raise Unlike("joins the samples with something else")
    if len({(track.axis, track.frames, track.step) for track in known}) != 1:
        raise Unlike("joins tensors of different rates")
    axis = known[0].axis
    if call.axis("axis", 1, len(call.shape(0))) == axis:
        raise Unlike("puts parts of the window behind each other")
    return Along((axis,))


def split(call: Call) -> Along:
    """Split along another axis than time."""
    track = call.only_first()
    if call.axis("axis", 0, len(call.shape(0))) == track.axis:
        raise Unlike("cuts the window into pieces")
    return Along((track.axis,) * len(call.node.output))


def take_part(call: Call) -> Along:
    """Slice: a part of the channels, or a part of the window, or every k-th sample of it."""
    track = call.only_first()
    rank = len(call.shape(0))
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    if starts is None or ends is None:
        raise Unlike("has no bounds")
    axes = call.axes(3, rank) or tuple(range(len(starts)))
    steps = call.integers("steps", 4) or (1,) * len(starts)
    if track.axis not in axes:
        return Along((track.axis,))
    at = axes.index(track.axis)
    if steps[at] < 1:
        raise Unlike("runs the window backwards")
    start = starts[at] + (track.frames if starts[at] < 0 else 0)
    reach = Reach(steps[at], min(max(start, 0), track.frames))

    def from_the_first(node: onnx.NodeProto, cut: Cut) -> None:
        first = [0 if axis == track.axis else item for axis, item in zip(axes, starts, strict=True)]
        end = [
            _TO_THE_END if axis == track.axis else item
            for axis, item in zip(axes, ends, strict=True)
        ]
        if len(node.input) == 1:
            set_attributes(node, starts=first, ends=end, axes=axes)
            return
        del node.input[1:]
        for values in (first, end, axes, steps):
            node.input.append(cut.constant(np.array(values, np.int64)))

    return Along((track.axis,), reach, from_the_first)


def gather(call: Call) -> Along:
    """Gather with constant indices along another axis than time."""
    track = call.only_first()
    rank = len(call.shape(0))
    axis = call.axis("axis", 0, rank)
    if axis == track.axis:
        return _one_sample(call, track)
    return Along((track.axis if track.axis < axis else track.axis + len(call.shape(1)) - 1,))


def _one_sample(call: Call, track: Track) -> Along:
    """Take one sample of the window, such as the last."""
    index = call.graph.constant(call.node.input[1])
    if index is None or index.shape != (1,):
        raise Unlike("picks samples out of the window")
    at = int(index[0]) % track.frames

    def the_only_one(node: onnx.NodeProto, cut: Cut) -> None:
        node.input[1] = cut.constant(np.zeros(1, np.int64))

    return Along((track.axis,), Reach(1, at), the_only_one)


def pad(call: Call) -> Along:
    """Pad: what it puts at the window's edges makes the frames there unlike the others."""
    track = call.only_first()
    rank = len(call.shape(0))
    pads = call.integers("pads", 1)
    if pads is None:
        raise Unlike("has no widths")
    axes = call.axes(3, rank) or tuple(range(rank))
    widths = {axis: (pads[at], pads[at + len(axes)]) for at, axis in enumerate(axes)}
    begin, _ = widths.get(track.axis, (0, 0))
    widths[track.axis] = (0, 0)
    whole = [widths.get(axis, (0, 0)) for axis in range(rank)]
    others = [width[0] for width in whole] + [width[1] for width in whole]

    def without_time(node: onnx.NodeProto, cut: Cut) -> None:
        if "pads" in call.attributes:
            set_attributes(node, pads=others)
            return
        node.input[1] = cut.constant(np.array(others, np.int64))
        del node.input[3:]

    return Along((track.axis,), Reach(1, -begin), without_time)


RULES = {
    "Transpose": transpose,
    **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze", "Flatten"), reshape),
    "Concat": concat,
    "Split": split,
    "Slice": take_part,
    "Gather": gather,
    "Pad": pad,
}
