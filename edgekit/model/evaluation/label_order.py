"""Whether the labels are listed in another order than the model's outputs: a slip that no number shows but these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edgekit.model.evaluation.confusion import Confusion

ENOUGH_GAIN: Final = 0.2
"""How much more of the windows another order must get right: a good model in the wrong order gains far more, and a
poor one gains a few percent from any order."""

ENOUGH_WINDOWS: Final = 5
"""How many windows of a label tell which output is its own."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """Another order of the labels, and what it would make of the same predictions."""

    labels: tuple[str, ...]
    accuracy: float


def better_order(confusion: Confusion) -> Order | None:
    """
    Return the order of the labels that fits the predictions far better than the given one; None if there is none.

    Greedy: the output and the true label that most often go together belong together, then the next. Where the
    labels really are in a wrong order, each output has one true label by a wide margin. Only labels with windows enough change
    places, and with each other: that all windows of one label are taken for one that the recording does not have
    is a mistake of the model as well as of the list.
    """
    if len(confusion.labels) == 2 and confusion.labels[0] == f"not {confusion.labels[1]}":  # noqa: PLR2004 (yes and no)
        return None  # one output, whose two sides are no list to change
    seen = [
        index for index, score in enumerate(confusion.by_label) if score.windows >= ENOUGH_WINDOWS
    ]
    pairs = sorted(
        (
            (count, true, output)
            for true, row in enumerate(confusion.counts)
            for output, count in enumerate(row)
            if true in seen and output in seen
        ),
        key=lambda pair: (-pair[0], pair[1] != pair[2]),
    )
    true_of = {index: index for index in range(len(confusion.labels)) if index not in seen}
    for _, true, output in pairs:
        if output not in true_of and true not in true_of.values():
            true_of[output] = true
    right = sum(confusion.counts[true][output] for output, true in true_of.items())
    if right - confusion.right <= ENOUGH_GAIN * confusion.total:
        return None
    labels = tuple(confusion.labels[true_of[output]] for output in range(len(confusion.labels)))
    return Order(labels=labels, accuracy=right / confusion.total)
