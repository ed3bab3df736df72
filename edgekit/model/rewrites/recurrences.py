"""
LSTM, GRU and RNN as the engine runs them: one direction, forward, time first, over whole sequences.

A reverse direction becomes flip, forward, flip; a bidirectional one both, put together. The flip is a Gather with
constant indices, which no incremental form can follow: what needs the end of a window first is computed over windows.
What the engine does not read (other activations, clipping, coupled gates, sequences of different lengths) becomes a loop
over the operator's own formulas: see `recurrent_loop`. A GRU of one input, over which the engine stumbles ("xw not
contiguous"), gets a second one of zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edgekit.model.rewrites import recurrent_loop
from edgekit.model.rewrites.recurrent_loop import ACTIVATIONS, Cell
from edgekit.model.rewrites.steps import Steps, counted, replace

if TYPE_CHECKING:
    import onnx

W, R, B, LENGTHS, H, C, P = range(1, 8)
"""Positions of the inputs behind X: weights, recurrent weights, bias, sequence lengths, initial states, peepholes."""

OUTPUTS: Final = 3
"""Y, Y_h and, for LSTM, Y_c."""


def write_out(model: onnx.ModelProto) -> str | None:
    """Replace recurrences that the engine would get wrong, in place."""
    forms = {("", kind): _recurrence for kind in ("LSTM", "GRU", "RNN")}
    names = replace(model, forms)
    if not names:
        return None
    return f"recurrences written as forward ones over the window, time first: {counted(names)}"


@dataclass(frozen=True)
class _Direction:
    """One direction's tensors, each with a first axis of length 1 where ONNX has directions."""

    steps: Steps
    number: int
    directions: int

    def input(self, position: int) -> str:
        """Return this direction's part of an input; empty if that is left out."""
        name = self.steps.input(position)
        if name and position in (H, C) and self.steps.given.get("layout", 0):
            name = self.steps.add(
                "Transpose", name, perm=[1, 0, 2]
            )  # they have the batch first there
        if not name or self.directions == 1:
            return name
        return self.steps.gather(name, [self.number], 0)


def _recurrence(steps: Steps) -> bool:
    shape, weights = steps.shape(0), steps.shape(W)
    if shape is None or weights is None or len(shape) != 3:  # noqa: PLR2004 (time, batch, inputs)
        return False
    direction, layout = steps.text("direction", "forward"), steps.given.get("layout", 0)
    length = shape[1] if layout else shape[0]
    whole = _is_whole(steps, length)
    ordinary = whole and _is_ordinary(steps)
    is_narrow = ordinary and steps.node.op_type == "GRU" and shape[2] == 1
    is_plain = direction == "forward" and not layout and not steps.input(LENGTHS)
    if ordinary and is_plain and not is_narrow:
        return False
    x = steps.add("Transpose", steps.input(0), perm=[1, 0, 2]) if layout else steps.input(0)
    if is_narrow:
        x = steps.add("Mul", x, steps.constant([1, 0], steps.dtype(0)))
    directions = 2 if direction == "bidirectional" else 1
    lengths = "" if whole else steps.input(LENGTHS)
    results = [
        _one(steps, _Direction(steps, number, directions), x, length, lengths, ordinary=ordinary)
        for number in range(directions)
    ]
    for position in range(OUTPUTS):
        if steps.output(position):
            parts = [result[position] for result in results]
            axis = 1 if position == 0 else 0
            value = steps.add("Concat", *parts, axis=axis) if directions > 1 else parts[0]
            if layout:
                value = steps.add(
                    "Transpose", value, perm=[2, 0, 1, 3] if position == 0 else [1, 0, 2]
                )
            steps.give(position, value)
    return True


def _one(  # noqa: PLR0913 (the parts of one direction)
    steps: Steps, part: _Direction, x: str, length: int, lengths: str, *, ordinary: bool
) -> list[str]:
    """Add one direction; return its Y [time, 1, batch, hidden] and its last states [1, batch, hidden]."""
    backward = part.number == 1 or steps.text("direction", "forward") == "reverse"
    states = [part.input(H), part.input(C)]
    if not ordinary:
        cell = Cell.of(steps, part.number, part.directions)
        return recurrent_loop.add(
            steps,
            cell,
            x,
            [part.input(W), part.input(R), part.input(B), *states, part.input(P)],
            length=length,
            lengths=lengths,
            backward=backward,
        )
    flip = list(range(length))[::-1]
    taken = steps.gather(x, flip, 0) if backward else x
    inputs = [taken, _weights(part), part.input(R), part.input(B), "", states[0]]
    count = OUTPUTS if steps.node.op_type == "LSTM" else OUTPUTS - 1
    if steps.node.op_type == "LSTM":
        inputs += [states[1], part.input(P)]
    while not inputs[-1]:
        inputs.pop()
    kept = {
        key: steps.given[key]
        for key in ("hidden_size", "linear_before_reset")
        if key in steps.given
    }
    outputs = steps.add_many(str(steps.node.op_type), inputs, count, **kept)
    if backward:
        outputs[0] = steps.gather(outputs[0], flip, 0)
    return outputs


def _weights(part: _Direction) -> str:
    """Return the weights of one direction's inputs; those of a GRU with one input get a second one that is always zero."""
    shape = part.steps.shape(W)
    if part.steps.node.op_type != "GRU" or shape is None or shape[2] != 1:
        return part.input(W)
    none = part.steps.constant(np.zeros((1, *shape[1:]), part.steps.dtype(W)))
    return part.steps.add("Concat", part.input(W), none, axis=2)


def _is_whole(steps: Steps, length: int) -> bool:
    """Tell whether every sequence has the length of the time axis."""
    if not steps.input(LENGTHS):
        return True
    lengths = steps.array(LENGTHS)
    return lengths is not None and bool((np.asarray(lengths) == length).all())


def _is_ordinary(steps: Steps) -> bool:
    """Tell whether the engine reads all that the node says of its formulas."""
    usual = ACTIVATIONS[str(steps.node.op_type)]
    given = [name.decode(errors="replace").lower() for name in steps.given.get("activations", ())]
    named = not given or given == [name.lower() for name in usual] * (len(given) // len(usual))
    return named and not steps.given.get("clip") and not steps.given.get("input_forget")
