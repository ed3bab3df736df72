"""
The usual mistakes between a notebook and a device, tried one by one.

When a pipeline differs from its golden record, each mistake that people make on the way (channels in another order,
another unit, scaled twice, softmax forgotten) is made on purpose; the one that reproduces the record is named.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from edgekit.model.meaning import units
from edgekit.model.normalise import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from edgekit.model.graph_spec import GraphSpec

    Floats = NDArray[np.float32]
    Make = Callable[[Floats], Floats]

MOST_PERMUTED: Final = 4
"""Up to this many channels every order is tried (24 of them)."""

MOST_SWAPPED: Final = 12
"""Up to this many channels each two are swapped (66 ways); of more, the halves (accelerometer and gyroscope) and the like."""

MOST_WINDOWS: Final = 64
"""Windows that are tried, with the worst of all; what matches them is then tried on the whole record."""

ENOUGH_WINDOWS: Final = 3
"""Fewer tell nothing of order in time."""

MUCH_CLOSER: Final = 3.0
"""How many times smaller the difference must get: with the record's own mean and deviation it never becomes nothing."""

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
    worst_window: int
    """The window that differs most: on others the mistake may not show."""


@np.errstate(all="ignore")  # wrong on purpose: what overflows does not match
def explain(windows: Floats, outputs: Floats, suspects: Suspects) -> str | None:
    """
    Name the mistake that turns raw `windows` `[n, window, channels]` into `outputs` `[n, k]`.

    Returns the end of a sentence that begins "it matches …"; None when none of the mistakes does it.
    """
    mistakes = list(_input_mistakes(suspects, enough=len(windows) >= ENOUGH_WINDOWS))
    chosen = np.union1d(_choose(windows, len(mistakes) + 1), suspects.worst_window)
    # All in one call: each call starts ONNX Runtime anew.
    values = [make(windows[chosen]) for _, make in mistakes]
    results = np.split(suspects.model(np.concatenate(values)), len(values))
    for (made, make), logits in zip(mistakes, results, strict=True):
        found = _explain_outputs(logits, outputs[chosen], suspects)
        if found is not None and len(chosen) < len(windows):
            found = _explain_outputs(suspects.model(make(windows)), outputs, suspects)
        if found is not None:
            return (
                " and ".join(part for part in (made, found) if part)
                or "on the host's reference: only the engine differs"
            )
    return None


@np.errstate(all="ignore")  # as above
def is_standardised(windows: Floats, outputs: Floats, suspects: Suspects) -> bool:
    """
    Tell whether `outputs` come much closer with every channel standardised.

    The notebook's mean and deviation are not known; those of the record's own samples are near them.
    """
    flat = windows.reshape(-1, windows.shape[2])
    mean, deviation = flat.mean(axis=0), flat.std(axis=0)
    deviation[deviation == 0] = 1
    chosen = _choose(windows, 2)
    few = windows[chosen]
    values = np.concatenate([normalise(few, suspects.spec), (few - mean) / deviation])
    as_set, standardised = np.split(suspects.model(values), 2)
    if as_set.shape != outputs[chosen].shape:
        return False
    return MUCH_CLOSER * _distance(standardised, outputs[chosen]) < _distance(
        as_set, outputs[chosen]
    )


def _distance(logits: Floats, outputs: Floats) -> float:
    """Return the mean difference, behind the activation that makes it smallest."""
    activated = [function(logits) for function in ACTIVATIONS.values()]
    return float(min(np.abs(values.astype(np.float64) - outputs).mean() for values in activated))


def _choose(windows: Floats, tries: int) -> NDArray[np.int64]:
    """Return the numbers of some windows, evenly spread, that stay small when they are tried so many times."""
    count = min(MOST_WINDOWS, max(1, MOST_BYTES // (tries * windows[:1].nbytes)))
    return np.unique(np.linspace(0, len(windows) - 1, count).astype(np.int64))


def _input_mistakes(suspects: Suspects, *, enough: bool) -> Iterator[tuple[str, Make]]:
    """Yield every mistake with what makes it of raw windows; `enough`: there are windows enough to tell order in time."""
    spec = suspects.spec
    right = partial(normalise, spec=spec)
    yield "", right
    if any(step is not None for step in (spec.scale, spec.offset, spec.mean)):
        step = "`mean` and `std`" if spec.mean is not None else "`scale` and `offset`"
        yield (
            f"without {step}: the golden record's samples are scaled already, or edgekit.toml should not",
            lambda windows: windows,
        )
        yield f"with {step} applied twice", lambda windows: right(right(windows))
    for order in _orders(spec.channels):
        names = ", ".join(suspects.channels[index] for index in order)
        yield (
            f"with channels in the order {names}",
            partial(_reordered, order=order, spec=spec),
        )
    for factor, meaning in units.FACTORS:
        yield (
            f"with samples times {factor:g} ({meaning})",
            partial(_in_unit, factor=factor, spec=spec),
        )
    yield "with each window normalised by its own mean and deviation", _standardised
    if enough:
        yield "with time reversed", lambda windows: right(windows[:, ::-1])
    for swap in _swaps(spec):
        yield (
            "with time and channel swapped: compare `[input] layout` with the notebook's reshape",
            partial(_swapped, swap=swap, spec=spec),
        )


def _reordered(windows: Floats, order: tuple[int, ...], spec: GraphSpec) -> Floats:
    return normalise(windows[..., list(order)], spec)


def _in_unit(windows: Floats, factor: float, spec: GraphSpec) -> Floats:
    return normalise(windows * np.float32(factor), spec)


def _swapped(windows: Floats, swap: Make, spec: GraphSpec) -> Floats:
    return swap(normalise(windows, spec))


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


def _swaps(spec: GraphSpec) -> Iterator[Make]:
    """Yield the ways to confuse the two axes: by a wrong layout, or reshaped for transposed."""
    window, channels = spec.window, spec.channels
    if window == channels:
        yield lambda values: values.swapaxes(1, 2)
    yield lambda values: values.reshape(-1, channels, window).swapaxes(1, 2)
    yield lambda values: values.swapaxes(1, 2).reshape(-1, window, channels)


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
        found = _explain_activation(activated, outputs, suspects.bound)
        if found is not None:
            return found
    return _explain_order(activated[activation], outputs, suspects)


def _explain_activation(activated: dict[str, Floats], outputs: Floats, bound: float) -> str | None:
    logits = activated["none"]
    for name, values in activated.items():
        if _equal(values, outputs, bound):
            if name != "none" and _are_probabilities(logits):
                return f"with {name} applied to what already are probabilities: the golden record's own mistake"
            return f'when `activation = "{name}"` is set'
    for name, values in activated.items():
        if _equal(ACTIVATIONS["softmax"](values), outputs, bound):
            return f"with softmax applied behind `{name}`: the golden record's own mistake"
    if _equal(_log_softmax(logits), outputs, bound):
        return "as logarithms: the golden record holds log-probabilities; write it with their `exp`"
    return None


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


def _are_probabilities(logits: Floats) -> bool:
    """Tell whether the model's own outputs are the shares of several classes already."""
    several = logits.shape[1] > 1
    return several and bool(np.all(logits >= 0) and np.allclose(logits.sum(axis=1), 1, atol=1e-3))


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
