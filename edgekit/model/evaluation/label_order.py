"""Whether the labels are listed in another order than the model's outputs: a slip that no number shows but these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edgekit.model.evaluation.confusion import Confusion

ENOUGH_GAIN: Final = 0.2
"""How much more of the windows another order must get right: a good model in the wrong order gains far more, and a
poor one gains a few percent from any order."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """Another order of the labels, and what it would make of the same predictions."""

    labels: tuple[str, ...]
    accuracy: float


def better_order(confusion: Confusion) -> Order | None:
    """
    Return the order of the labels that fits the predictions far better than the given one; None if there is none.

    Greedy: the output and the true label that most often go together belong together, then the next. Where the
    labels really are in a wrong order, each output has one true label by a wide margin.
    """
    size = len(confusion.labels)
    pairs = sorted(
        (
            (count, true, output)
            for true, row in enumerate(confusion.counts)
            for output, count in enumerate(row)
        ),
        key=lambda pair: (-pair[0], pair[1] != pair[2]),
    )
    true_of: dict[int, int] = {}
    for _, true, output in pairs:
        if output not in true_of and true not in true_of.values():
            true_of[output] = true
    right = sum(confusion.counts[true][output] for output, true in true_of.items())
    if right - confusion.right <= ENOUGH_GAIN * confusion.total:
        return None
    labels = tuple(confusion.labels[true_of[output]] for output in range(size))
    return Order(labels=labels, accuracy=right / confusion.total)
