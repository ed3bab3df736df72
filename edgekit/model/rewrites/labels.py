"""What classifiers of `ai.onnx.ml` make of their scores: probabilities and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.model.rewrites.steps import Steps


def transformed(steps: Steps, scores: str, transform: str) -> str | None:
    """Return the scores `[rows, columns]` as the attribute `post_transform` wants them; None if it has no exact form here."""
    if transform == "NONE":
        return scores
    if transform == "LOGISTIC":
        return steps.add("Sigmoid", scores)
    if transform != "SOFTMAX":
        return None
    exponents = steps.add(
        "Exp", steps.add("Sub", scores, steps.reduce("ReduceMax", scores, [1], 1))
    )
    return steps.add("Div", exponents, steps.reduce("ReduceSum", exponents, [1], 1))


def possible(steps: Steps, attribute: str) -> bool:
    """Tell whether the labels are numbers, or not asked for."""
    return not steps.output(0) or bool(steps.given.get(attribute))


def give_largest(steps: Steps, scores: str, classes: Sequence[Any]) -> None:
    """Let the first output be the class of the largest score, the first one of equals."""
    if steps.output(0):
        position = steps.add("ArgMax", scores, axis=1, keepdims=0)
        table = steps.constant(np.array(classes, np.int64))
        steps.give(0, steps.add("Gather", table, position, axis=0))


def give_chosen(steps: Steps, positive: str, classes: Sequence[Any]) -> None:
    """Let the first output be the second of two classes where `positive` [rows, 1] holds."""
    if steps.output(0):
        first, second = (steps.constant(np.array(label, np.int64)) for label in classes)
        steps.give(0, steps.reshape(steps.add("Where", positive, second, first), (-1,)))
