"""
The usual mistakes between a notebook and a device, tried one by one.

When a pipeline differs from its golden record, each mistake that people make on the way (channels in another order,
another unit, scaled twice, softmax forgotten) is made on purpose; the one that reproduces the record is named.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edgekit.model.meaning import units
from edgekit.model.normalise import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from edgekit.model.graph_spec import GraphSpec

    Floats = NDArray[np.float32]

MOST_PERMUTED: Final = 4
"""Up to this many channels every order is tried (24 of them)."""

MOST_SWAPPED: Final = 12
"""Up to this many channels each two are swapped (66 ways); of more, the halves (accelerometer and gyroscope) and the like."""

MOST_WINDOWS: Final = 64
"""Windows that are tried; a mistake shows on all of them."""

MOST_BYTES: Final = 64 << 20
"""Samples of all tries together: of large windows fewer are tried."""


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """What is known when the search begins."""

    spec: GraphSpec
    model: Callable[[Floats], Floats]
    """The user's model alone: values `[n, window, channels]` as it was trained on in, outputs before the activation out."""
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    """Names of the outputs; empty where they have none."""
    bound: float
    """Largest difference that still counts as equal."""


@np.errstate(all="ignore")  # wrong on purpose: what overflows does not match
def explain(windows: Floats, outputs: Floats, suspects: Suspects) -> str | None:
    """
    Name the mistake that turns raw `windows` `[n, window, channels]` into `outputs` `[n, k]`.

    Returns the end of a sentence that begins "it matches …"; None when none of the mistakes does it.
    """
    tries = len(list(_input_mistakes(windows[:1], suspects)))
    count = min(MOST_WINDOWS, max(1, MOST_BYTES // (tries * windows[:1].nbytes)))
    chosen = np.unique(np.linspace(0, len(windows) - 1, count).astype(np.int64))
    outputs = outputs[chosen]
    # All in one call: each call starts ONNX Runtime anew.
    made_so, values = zip(*_input_mistakes(windows[chosen], suspects), strict=True)
    results = np.split(suspects.model(np.concatenate(values)), len(values))
    for made, logits in zip(made_so, results, strict=True):
        found = _explain_outputs(logits, outputs, suspects)
        if found is not None:
            return (
                " and ".join(part for part in (made, found) if part)
                or "on the host's reference: only the engine differs"
            )
    return None


def _input_mistakes(windows: Floats, suspects: Suspects) -> Iterator[tuple[str, Floats]]:
    spec = suspects.spec
    yield "", normalise(windows, spec)
    if any(step is not None for step in (spec.scale, spec.offset, spec.mean)):
        step = "`mean` and `std`" if spec.mean is not None else "`scale` and `offset`"
        yield (
            f"without {step}: the golden record's samples are scaled already, or edgekit.toml should not",
            windows,
        )
        yield f"with {step} applied twice", normalise(normalise(windows, spec), spec)
    for order in _orders(spec.channels):
        names = ", ".join(suspects.channels[index] for index in order)
        yield f"with channels in the order {names}", normalise(windows[..., list(order)], spec)
    for factor, meaning in units.FACTORS:
        yield (
            f"with samples times {factor:g} ({meaning})",
            normalise(windows * np.float32(factor), spec),
        )
    yield "with each window normalised by its own mean and deviation", _standardised(windows)
    yield "with time reversed", normalise(windows[:, ::-1], spec)
    for swapped in _swapped(normalise(windows, spec)):
        yield (
            "with time and channel swapped: compare `[input] layout` with the notebook's reshape",
            swapped,
        )


def _orders(channels: int) -> list[tuple[int, ...]]:
    """Return other orders of the channels: all of a few, the usual ones of many."""
    straight = tuple(range(channels))
    if channels <= MOST_PERMUTED:
        return list(itertools.permutations(straight))[1:]
    orders = [straight[::-1]]
    if channels % 2 == 0:
        first, second = straight[: channels // 2], straight[channels // 2 :]
        orders += [second + first, tuple(itertools.chain(*zip(first, second, strict=True)))]
        orders.append(straight[::2] + straight[1::2])
    if channels <= MOST_SWAPPED:
        for one, other in itertools.combinations(straight, 2):
            swapped = list(straight)
            swapped[one], swapped[other] = other, one
            orders.append(tuple(swapped))
    return orders


def _swapped(values: Floats) -> Iterator[Floats]:
    """Yield what becomes of windows where the two axes are confused: by a wrong layout, or reshaped for transposed."""
    count, window, channels = values.shape
    if window == channels:
        yield values.swapaxes(1, 2)
    yield values.reshape(count, channels, window).swapaxes(1, 2)
    yield values.swapaxes(1, 2).reshape(count, window, channels)


def _standardised(windows: Floats) -> Floats:
    mean = np.asarray(windows.mean(axis=1, keepdims=True), np.float32)
    deviation = np.asarray(windows.std(axis=1, keepdims=True), np.float32)
    deviation[deviation == 0] = 1
    return (windows - mean) / deviation


def _explain_outputs(logits: Floats, outputs: Floats, suspects: Suspects) -> str | None:
    """Return what must be done behind the model, "" for nothing, None where nothing helps."""
    if logits.shape != outputs.shape:
        return None
    activation = suspects.spec.activation
    activated = {name: function(logits) for name, function in ACTIVATIONS.items()}
    if _equal(activated[activation], outputs, suspects.bound):
        return ""
    if suspects.spec.output_kind != "anomaly":
        for name, values in activated.items():
            if _equal(values, outputs, suspects.bound):
                return f'when `activation = "{name}"` is set'
        for name, values in activated.items():
            if _equal(ACTIVATIONS["softmax"](values), outputs, suspects.bound):
                return f"with softmax applied behind `{name}`: the golden record's own mistake"
        if _equal(_log_softmax(logits), outputs, suspects.bound):
            return "as logarithms: the golden record holds log-probabilities; write it with their `exp`"
    return _explain_order(activated[activation], outputs, suspects)


def _explain_order(values: Floats, outputs: Floats, suspects: Suspects) -> str | None:
    """Find the order of our outputs that gives the record's."""
    order: list[int] = []
    for column in outputs.T:
        fits = [
            index for index, ours in enumerate(values.T) if _equal(ours, column, suspects.bound)
        ]
        if len(fits) != 1:
            return None
        order.append(fits[0])
    if len(set(order)) != len(order):
        return None
    names = suspects.labels or tuple(str(index) for index in range(len(order)))
    return f"with the outputs in the order {', '.join(names[index] for index in order)}"


def _equal(ours: Floats, theirs: Floats, bound: float) -> bool:
    difference = np.abs(ours.astype(np.float64) - theirs)
    return bool(np.all(difference <= bound))  # a NaN is never within the bound


def _softmax(logits: Floats) -> Floats:
    powers: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def _log_softmax(logits: Floats) -> Floats:
    shifted: Floats = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def _sigmoid(logits: Floats) -> Floats:
    # By tanh, which does not overflow for large negative numbers.
    return np.asarray((np.tanh(logits / 2) + 1) / 2, np.float32)


def _as_it_is(logits: Floats) -> Floats:
    return logits


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "none": _as_it_is,
    "softmax": _softmax,
    "sigmoid": _sigmoid,
}
