"""Rules of matrix products: with a constant, and with time along an axis that is not summed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.model.incremental.along import Along
from edgekit.model.incremental.operator_call import Unlike

if TYPE_CHECKING:
    from edgekit.model.incremental.operator_call import Call


def matrix_product(call: Call) -> Along:
    """MatMul and MatMulInteger."""
    moving = [at for at, name in enumerate(call.node.input) if name and call.graph.moves(name)]
    if moving not in ([0], [1]) or call.tracked != moving:
        raise Unlike("multiplies parts of the window with each other")
    (at,) = moving
    track = call.track(at)
    shapes = call.shape(0), call.shape(1)
    if track is None or min(map(len, shapes)) == 0 or len(shapes[at]) == 1:
        raise Unlike("sees the whole window at once")
    # zero points of a row or column each would go along
    if any(call.size(position) > 1 for position in range(2, len(call.node.input))):
        raise Unlike("has a zero point each for parts of the window")
    rank, other = len(shapes[at]), shapes[1 - at]
    summed = rank - 1 if at == 0 else rank - 2
    if track.axis == summed:
        raise Unlike("sums over the whole window")
    is_batch = track.axis < rank - 2
    from_back = rank - track.axis
    if is_batch and len(other) >= from_back and other[-from_back] != 1:
        raise Unlike("has weights that differ from sample to sample")
    behind = rank - 1 - track.axis
    if len(other) == 1 and track.axis < summed:  # a product with a vector has no axis in its place
        behind -= 1
    return Along((len(call.output_shape()) - 1 - behind,))


def general_product(call: Call) -> Along:
    """Gemm with constant weights: its samples are the rows."""
    track = call.only_first()
    if track.axis != (1 if call.attributes.get("transA", 0) else 0):
        raise Unlike("sums over the whole window")
    if call.size(2) > 1:
        bias = call.shape(2)
        if len(bias) > 1 and bias[0] != 1:
            raise Unlike("has a constant that differs from sample to sample")
    return Along((0,))


RULES = {
    "MatMul": matrix_product,
    "MatMulInteger": matrix_product,
    "Gemm": general_product,
}
