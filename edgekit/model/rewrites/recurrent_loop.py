"""
A recurrence as a loop over its formulas: any activation, clipping, coupled gates, sequences of different lengths.

The formulas are those of the ONNX operators' own pages; the loop is a Scan over time, which the engine runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.model.rewrites.steps import Steps

ACTIVATIONS: Final = {
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "GRU": ("Sigmoid", "Tanh"),
    "RNN": ("Tanh",),
}
"""What each operator takes where it says nothing: of its gates, of the cell or hidden candidate, of the output."""

_GATES: Final = {"LSTM": 4, "GRU": 3, "RNN": 1}

_PARAMETERS: Final = {
    "affine": ("alpha", "beta"),
    "leakyrelu": ("alpha",),
    "thresholdedrelu": ("alpha",),
    "scaledtanh": ("alpha", "beta"),
    "hardsigmoid": ("alpha", "beta"),
    "elu": ("alpha",),
}
"""Which activations take numbers; the lists `activation_alpha` and `activation_beta` have one for each of these, in order."""

_DEFAULTS: Final = {
    "leakyrelu": (0.01, 0.0),
    "thresholdedrelu": (1.0, 0.0),
    "hardsigmoid": (0.2, 0.5),
    "elu": (1.0, 0.0),
    "affine": (1.0, 0.0),
    "scaledtanh": (1.0, 1.0),
}


@dataclass(frozen=True, kw_only=True)
class Activation:
    """One activation with its numbers."""

    name: str
    """In lower case."""
    alpha: float
    beta: float


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The formulas of one direction."""

    kind: str
    activations: tuple[Activation, ...]
    clip: float
    """0: none."""
    coupled: bool
    """LSTM: the forget gate is 1 minus the input gate."""
    linear_before_reset: bool
    hidden: int

    @classmethod
    def of(cls, steps: Steps, number: int, directions: int) -> Cell:
        """Read the attributes of a node for one of its directions."""
        kind = str(steps.node.op_type)
        usual = ACTIVATIONS[kind]
        texts = [text.decode(errors="replace") for text in steps.given.get("activations", ())]
        names = [name.lower() for name in texts] or [name.lower() for name in usual * directions]
        numbers = {key: list(steps.given.get(f"activation_{key}", ())) for key in ("alpha", "beta")}
        made = []
        for name in names:
            values = dict(zip(("alpha", "beta"), _DEFAULTS.get(name, (0.0, 0.0)), strict=True))
            for key in _PARAMETERS.get(name, ()):
                if numbers[key]:
                    values[key] = float(numbers[key].pop(0))
            made.append(Activation(name=name, **values))
        weights = steps.shape(2)
        return cls(
            kind=kind,
            activations=tuple(made[number * len(usual) : (number + 1) * len(usual)]),
            clip=float(steps.given.get("clip", 0.0)),
            coupled=bool(steps.given.get("input_forget", 0)),
            linear_before_reset=bool(steps.given.get("linear_before_reset", 0)),
            hidden=weights[-1] if weights else int(steps.given["hidden_size"]),
        )


@dataclass(frozen=True, kw_only=True)
class _Weights:
    """Tensors of the outer graph that every step takes."""

    matrix: str
    """Recurrent weights [hidden, gates * hidden]."""
    rows: str
    """The same as ONNX has them [gates * hidden, hidden]."""
    bias: str
    peepholes: str


class _Body:
    """The graph of one step in time; tensors of the outer graph are seen by their names."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []

    def add(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        name = f"{self.prefix}/{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [name], name=name, **attributes))
        return name

    def number(self, value: float) -> str:
        return self.add("Constant", value=numpy_helper.from_array(np.array(value, np.float32)))

    def part(self, value: str, gate: int, hidden: int, axis: int) -> str:
        """Take the rows of one gate."""
        places = np.arange(gate * hidden, (gate + 1) * hidden, dtype=np.int64)
        chosen = self.add("Constant", value=numpy_helper.from_array(places))
        return self.add("Gather", value, chosen, axis=axis)

    def activate(self, activation: Activation, value: str, clip: float) -> str:
        """Apply an activation, to what is clipped first if the operator says so."""
        if clip:
            low, high = self.number(-clip), self.number(clip)
            value = self.add("Min", self.add("Max", value, low), high)
        alpha, beta = activation.alpha, activation.beta
        match activation.name:
            case "affine":
                return self._line(value, alpha, beta)
            case "scaledtanh":
                scaled = self.add("Mul", value, self.number(beta))
                return self.add("Mul", self.add("Tanh", scaled), self.number(alpha))
            case "hardsigmoid":
                line = self._line(value, alpha, beta)
                return self.add("Min", self.add("Max", line, self.number(0.0)), self.number(1.0))
            case "leakyrelu" | "elu" | "thresholdedrelu" as name:
                kind = {
                    "leakyrelu": "LeakyRelu",
                    "elu": "Elu",
                    "thresholdedrelu": "ThresholdedRelu",
                }
                return self.add(kind[name], value, alpha=alpha)
            case "softplus":
                rest = self.add("Log", self.add("Sigmoid", self.add("Abs", value)))
                return self.add("Sub", self.add("Relu", value), rest)
            case name:
                kind = {
                    "relu": "Relu",
                    "tanh": "Tanh",
                    "sigmoid": "Sigmoid",
                    "softsign": "Softsign",
                }
                return self.add(kind.get(name, name), value)

    def _line(self, value: str, alpha: float, beta: float) -> str:
        return self.add("Add", self.add("Mul", value, self.number(alpha)), self.number(beta))


def add(  # noqa: PLR0913 (all that a direction takes)
    steps: Steps,
    cell: Cell,
    x: str,
    inputs: Sequence[str],
    *,
    length: int,
    lengths: str,
    backward: bool,
) -> list[str]:
    """
    Add the loop over `x` [time, batch, inputs]; `inputs`: W, R, B, initial h, initial c, P of this direction.

    Returns Y [time, 1, batch, hidden] and the last states [1, batch, hidden]. `lengths` [batch] names how many of the
    steps each sequence has: the states stay, and Y is 0, beyond them; a backward loop begins at its own end.
    """
    taken = steps.shape(0)
    assert taken is not None  # noqa: S101 (the caller looked)
    batch = taken[0] if steps.given.get("layout", 0) else taken[1]
    w, r, b, h, c, p = (_flat(steps, name) for name in inputs)
    projected = steps.add("MatMul", x, steps.add("Transpose", w, perm=[1, 0]))
    matrix = steps.add("Transpose", r, perm=[1, 0])
    weights = _Weights(matrix=matrix, rows=r, bias=b, peepholes=p)
    state = [_initial(steps, name, batch, cell.hidden) for name in (h, c)]
    body = _Body(f"{steps.node.output[0] or steps.node.output[-1]}/step")
    names = ["h", "c"][: 2 if cell.kind == "LSTM" else 1]
    before = [f"{body.prefix}/{name}" for name in names]
    at = f"{body.prefix}/x"
    if cell.kind == "LSTM":
        after = _lstm(body, cell, at, before, weights)
    elif cell.kind == "GRU":
        after = [_gru(body, cell, at, before[0], weights)]
    else:
        after = [_rnn(body, cell, at, before[0], weights)]
    shown = after[0]
    if (
        lengths
    ):  # as one more column: a scanned constant of its own is more than the engine can follow
        projected = steps.add("Concat", projected, _running(steps, lengths, length, batch), axis=2)
        column = _GATES[cell.kind] * cell.hidden
        now = body.add("Greater", body.part(at, column, 1, 1), body.number(0.5))
        after = [body.add("Where", now, new, old) for new, old in zip(after, before, strict=True)]
        shown = body.add("Where", now, after[0], body.number(0.0))
    outputs = [*(body.add("Identity", name) for name in after), body.add("Identity", shown)]
    graph = helper.make_graph(
        body.nodes,
        "step",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in before]
        + [helper.make_tensor_value_info(at, TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
    )
    way = int(backward)
    made = steps.add_many(
        "Scan",
        [*state[: len(names)], projected],
        len(outputs),
        body=graph,
        num_scan_inputs=1,
        scan_input_directions=[way],
        scan_output_directions=[way],
    )
    shape = (1, batch, cell.hidden)
    last = [steps.reshape(name, shape) for name in made[:-1]]
    return [steps.reshape(made[-1], (length, *shape)), *last]


def _flat(steps: Steps, name: str) -> str:
    """Take away the axis of directions; it has a length of 1."""
    if not name:
        return ""
    return (
        steps.add("Squeeze", name, steps.integers([0]))
        if steps.opset >= _SQUEEZE_TAKES_AXES
        else steps.add("Squeeze", name, axes=[0])
    )


_SQUEEZE_TAKES_AXES: Final = 13


def _initial(steps: Steps, name: str, batch: int, hidden: int) -> str:
    return name or steps.constant(np.zeros((batch, hidden), np.float32))


def _running(steps: Steps, lengths: str, length: int, batch: int) -> str:
    """Return [time, batch, 1]: 1 where a sequence still goes on, else 0."""
    times = steps.constant(np.arange(length, dtype=np.int32).reshape(length, 1, 1))
    ends = steps.reshape(steps.add("Cast", lengths, to=TensorProto.INT32), (1, batch, 1))
    return steps.add("Cast", steps.add("Less", times, ends), to=TensorProto.FLOAT)


def _biases(body: _Body, cell: Cell, b: str) -> tuple[list[str], list[str]]:
    """Return the bias of each gate, of the input's and of the state's side; empty names if there are none."""
    gates = _GATES[cell.kind]
    if not b:
        return [""] * gates, [""] * gates
    parts = [body.part(b, gate, cell.hidden, 0) for gate in range(2 * gates)]
    return parts[:gates], parts[gates:]


def _sum(body: _Body, *values: str) -> str:
    given = [value for value in values if value]
    total = given[0]
    for value in given[1:]:
        total = body.add("Add", total, value)
    return total


def _lstm(body: _Body, cell: Cell, x: str, before: list[str], weights: _Weights) -> list[str]:
    """Gates in ONNX's order: input, output, forget, cell; peepholes: input, output, forget."""
    hidden, (h, c) = cell.hidden, before
    f, g, out = cell.activations
    ours, theirs = _biases(body, cell, weights.bias)
    product = body.add("MatMul", h, weights.matrix)

    def gate(number: int, peephole: int | None, state: str, activation: Activation) -> str:
        seen = ""
        if weights.peepholes and peephole is not None:
            seen = body.add("Mul", body.part(weights.peepholes, peephole, hidden, 0), state)
        value = _sum(
            body,
            body.part(x, number, hidden, 1),
            body.part(product, number, hidden, 1),
            ours[number],
            theirs[number],
            seen,
        )
        return body.activate(activation, value, cell.clip)

    opened = gate(0, 0, c, f)
    kept = body.add("Sub", body.number(1.0), opened) if cell.coupled else gate(2, 2, c, f)
    candidate = gate(3, None, c, g)
    state = body.add("Add", body.add("Mul", kept, c), body.add("Mul", opened, candidate))
    shown = gate(1, 1, state, f)
    # ONNX Runtime clips what the gates see, and not the cell
    return [body.add("Mul", shown, body.activate(out, state, 0.0)), state]


def _gru(body: _Body, cell: Cell, x: str, h: str, weights: _Weights) -> str:
    """Gates in ONNX's order: update, reset, hidden."""
    hidden = cell.hidden
    f, g = cell.activations
    ours, theirs = _biases(body, cell, weights.bias)
    product = body.add("MatMul", h, weights.matrix)
    update, reset = (
        body.activate(
            f,
            _sum(
                body,
                body.part(x, gate, hidden, 1),
                body.part(product, gate, hidden, 1),
                ours[gate],
                theirs[gate],
            ),
            cell.clip,
        )
        for gate in (0, 1)
    )
    if cell.linear_before_reset:
        state = body.add("Mul", reset, _sum(body, body.part(product, 2, hidden, 1), theirs[2]))
    else:
        rows = body.add("Transpose", body.part(weights.rows, 2, hidden, 0), perm=[1, 0])
        state = _sum(body, body.add("MatMul", body.add("Mul", reset, h), rows), theirs[2])
    candidate = body.activate(g, _sum(body, body.part(x, 2, hidden, 1), state, ours[2]), cell.clip)
    rest = body.add("Sub", body.number(1.0), update)
    return body.add("Add", body.add("Mul", rest, candidate), body.add("Mul", update, h))


def _rnn(body: _Body, cell: Cell, x: str, h: str, weights: _Weights) -> str:
    ours, theirs = _biases(body, cell, weights.bias)
    seen = body.part(x, 0, cell.hidden, 1)
    value = _sum(body, seen, body.add("MatMul", h, weights.matrix), ours[0], theirs[0])
    return body.activate(cell.activations[0], value, cell.clip)
