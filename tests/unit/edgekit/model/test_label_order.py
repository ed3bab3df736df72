"""Label order: a list in the wrong order is seen, an honest mistake of the model is not taken for one."""

from __future__ import annotations

import pytest

from edgekit.model.evaluation.confusion import Confusion
from edgekit.model.evaluation.label_order import better_order

LABELS = ("run", "still", "walk")


def test_the_right_order_is_found() -> None:
    """Sorted labels where the model has them otherwise: the predictions tell which output is which."""
    confusion = Confusion(labels=LABELS, counts=((0, 0, 150), (137, 13, 0), (8, 217, 0)))

    order = better_order(confusion)

    assert order is not None
    assert order.labels == ("still", "walk", "run")
    assert order.accuracy == pytest.approx(504 / 525)


@pytest.mark.parametrize(
    "counts",
    [
        ((150, 0, 0), (0, 137, 13), (0, 8, 217)),
        ((10, 15, 5), (12, 10, 8), (9, 11, 10)),
        ((0, 0, 0), (0, 0, 0), (0, 0, 0)),
        ((0, 5, 0), (0, 90, 0), (0, 5, 0)),
        ((0, 90, 0), (0, 0, 0), (0, 0, 0)),
        ((0, 9, 0), (4, 0, 0), (0, 0, 0)),
        ((0, 0, 90), (0, 90, 0), (0, 0, 0)),
    ],
    ids=["right", "guessing", "empty", "one label for all", "one seen", "few seen", "none for it"],
)
def test_a_model_that_is_merely_poor_gets_no_advice(counts: tuple[tuple[int, ...], ...]) -> None:
    """Another order must explain much more than chance does."""
    assert better_order(Confusion(labels=LABELS, counts=counts)) is None


def test_labels_without_windows_stay() -> None:
    """Two of three are swapped; of the third nothing is known."""
    order = better_order(Confusion(labels=LABELS, counts=((0, 0, 9), (0, 0, 0), (7, 0, 0))))

    assert order is not None
    assert order.labels == ("walk", "still", "run")


def test_one_output_has_no_order() -> None:
    """An output that says the opposite is no list to change."""
    confusion = Confusion(labels=("not fall", "fall"), counts=((0, 50), (50, 0)))

    assert better_order(confusion) is None
