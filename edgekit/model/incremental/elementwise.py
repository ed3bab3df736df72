"""Rules of operators that work on values, or along axes other than time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.model.incremental.along import Along
from edgekit.model.incremental.operator_call import Unlike

if TYPE_CHECKING:
    from edgekit.model.incremental.along import Track
    from edgekit.model.incremental.operator_call import Call

_PER_AXIS_OPSET = 13
"""Since then Softmax and its kin work along one axis; before, over all axes from one on."""


def broadcast(call: Call) -> Along:
    """Operators on values, as NumPy broadcasts them: what joins the samples must be the same at all times."""
    rank = len(call.output_shape())
    axes = set()
    tracks = []
    for position, name in enumerate(call.node.input):
        track = call.track(position)
        if track is not None:
            axes.add(track.axis + rank - len(call.shape(position)))
            tracks.append(track)
        elif name and call.graph.moves(name):
            raise Unlike("needs a value that follows from the whole window")
    _check_alike(tracks)
    if len(axes) != 1:
        raise Unlike("joins tensors whose time runs along different axes")
    (axis,) = axes
    for position, name in enumerate(call.node.input):
        if not name or call.track(position) is not None:
            continue
        shape = call.shape(position)
        at = axis - (rank - len(shape))
        if at >= 0 and shape[at] != 1:
            raise Unlike("has a constant that differs from sample to sample")
    return Along((axis,))


def _check_alike(tracks: list[Track]) -> None:
    if len({(track.frames, track.step) for track in tracks}) > 1:
        raise Unlike("joins tensors of different rates")


def quantising(call: Call) -> Along:
    """QuantizeLinear and its like: a scale each along an axis that is not time, or one for all."""
    track = call.only_first()
    if call.size(1) > 1:
        if call.attributes.get("block_size", 0):
            raise Unlike("has a scale each for blocks of values")
        if call.axis("axis", 1, len(call.shape(0))) == track.axis:
            raise Unlike("has a scale that differs from sample to sample")
    return Along((track.axis,))


def per_channel(call: Call) -> Along:
    """Operators whose axis 1 is the channels, each treated for itself or with its neighbours."""
    track = call.only_first()
    if track.axis == 1:
        raise Unlike("takes the samples for channels")
    if len([name for name in call.node.output if name]) != 1:
        raise Unlike("has more than one output")
    return Along((track.axis,))


def along_an_axis(call: Call) -> Along:
    """Softmax and its like: sums along one axis, or in old opsets over all from one on."""
    track = call.only_first()
    rank = len(call.shape(0))
    old = call.opset < _PER_AXIS_OPSET
    axis = call.axis("axis", 1 if old else -1, rank)
    if track.axis == axis or (old and track.axis > axis):
        raise Unlike("adds up over the whole window")
    return Along((track.axis,))


def along_axes_from(call: Call) -> Along:
    """LayerNormalization: statistics over all axes from one on."""
    track = call.only_first()
    if track.axis >= call.axis("axis", -1, len(call.shape(0))):
        raise Unlike("normalises over the whole window")
    if len([name for name in call.node.output if name]) != 1:
        raise Unlike("has more than one output")
    for position in range(1, len(call.node.input)):
        _check_constant_in_time(call, position, track)
    return Along((track.axis,))


def _check_constant_in_time(call: Call, position: int, track: Track) -> None:
    shape = call.shape(position) if call.node.input[position] else ()
    at = track.axis - (len(call.shape(0)) - len(shape))
    if at >= 0 and shape[at] != 1:
        raise Unlike("has a constant that differs from sample to sample")


def along_one_axis(call: Call) -> Along:
    """LpNormalization, CumSum and their like: along one axis that stays."""
    track = call.only_first()
    rank = len(call.shape(0))
    if "axis" in call.attributes or len(call.node.input) == 1:
        axis = call.axis("axis", -1, rank)
    else:
        (axis,) = call.integers("axis", 1) or (-1,)
    if axis % rank == track.axis:
        raise Unlike("adds up over the whole window")
    return Along((track.axis,))


def reducing(call: Call) -> Along:
    """ReduceMean and its like, ArgMax too: along axes that are not time."""
    track = call.only_first()
    rank = len(call.shape(0))
    if call.node.op_type in ("ArgMax", "ArgMin"):
        axes: tuple[int, ...] = (call.axis("axis", 0, rank),)
    else:
        axes = call.axes(1, rank) or tuple(range(rank))
        if call.attributes.get("noop_with_empty_axes", 0) and len(axes) == rank:
            raise Unlike("may have no axes to reduce")
    if track.axis in axes:
        raise Unlike("sees the whole window at once")
    gone = 0 if call.attributes.get("keepdims", 1) else sum(axis < track.axis for axis in axes)
    return Along((track.axis - gone,))


def whole_map(call: Call) -> Along:
    """GlobalAveragePool and its like: over everything behind the first two axes."""
    track = call.only_first()
    if track.axis > 1:
        raise Unlike("sees the whole window at once")
    return Along((track.axis,))


RULES = {
    **dict.fromkeys(
        (
            *("Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh"),
            *("BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor"),
            *(
                "Cast",
                "Ceil",
                "Celu",
                "Clip",
                "Cos",
                "Cosh",
                "Div",
                "Dropout",
                "Elu",
                "Equal",
                "Erf",
                "Exp",
            ),
            *("Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish"),
            *("Identity", "IsInf", "IsNaN", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max"),
            *("Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "PRelu"),
            *("Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh"),
            *("Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tan", "Tanh"),
            *("ThresholdedRelu", "Where", "Xor"),
        ),
        broadcast,
    ),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), quantising),
    **dict.fromkeys(("BatchNormalization", "LRN"), per_channel),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), along_an_axis),
    "LayerNormalization": along_axes_from,
    **dict.fromkeys(("LpNormalization", "CumSum"), along_one_axis),
    **dict.fromkeys(
        (
            *("ArgMax", "ArgMin", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"),
            *("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"),
            "ReduceSumSquare",
        ),
        reducing,
    ),
    **dict.fromkeys(("GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"), whole_map),
}
