"""
Tree ensembles, all as the one form that the engine sums up right: a classifier of three or more classes, its scores alone.

What comes after the sum (base values, two classes in one score, probabilities, labels, averages) is written in standard
operators, by the rules of ONNX Runtime; the engine's own labels of two classes are wrong.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import TensorProto

from edgekit.model.operators import LEARN
from edgekit.model.rewrites import labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgekit.model.rewrites.steps import Steps

    Weights = np.ndarray[Any, Any]

_FEWEST: Final = 3
"""Classes with which the engine gives every class a score of its own."""

_NODES: Final = (
    "treeids",
    "nodeids",
    "featureids",
    "modes",
    "values",
    "truenodeids",
    "falsenodeids",
)


def classifier(steps: Steps) -> bool:
    """Give labels and scores, if they are of a kind whose rules are plain."""
    classes = steps.given.get("classlabels_int64s") or steps.given.get("classlabels_strings") or ()
    if not steps.given.get("class_weights") or not labels.possible(steps, "classlabels_int64s"):
        return False
    return _two_classes(steps, classes) if len(classes) == 2 else _many_classes(steps, classes)  # noqa: PLR2004 (they have rules of their own)


def _many_classes(steps: Steps, classes: Sequence[Any]) -> bool:
    base, weights = _floats(steps, "base_values"), _floats(steps, "class_weights")
    count = len(classes)
    if len(base) not in (0, count) or count == 1:
        return False
    if not len(base) and not (weights > 0).all() and not _all_scored(steps, range(count)):
        return False  # a class that no leaf names cannot win, though its sum, 0, is the largest
    sums = _sums(steps, "class", count, list(steps.given["class_ids"]), weights)
    scores = None if sums is None else _plus(steps, sums, base)
    result = None if scores is None else _transformed(steps, scores)
    if scores is None or result is None:
        return False
    labels.give_largest(steps, scores, classes)
    steps.give(1, result)
    return True


def _two_classes(steps: Steps, classes: Sequence[Any]) -> bool:
    """
    Give two classes by the rules of ONNX Runtime, which depend on the classes that the leaves name.

    The second class wins over 0.5 if all weights are for one class and none is negative, else over 0. Weights for the first
    class alone are a score s of the second one: (1 - s, s) if none is negative, else (-s, s).
    """
    ids, weights = set(steps.given["class_ids"]), _floats(steps, "class_weights")
    positive = bool((weights >= 0).all())
    scores = _of_one(steps, positive=positive) if ids == {0} else _of_second(steps, ids, classes)
    result = None if scores is None else _transformed(steps, scores[0])
    if scores is None or result is None:
        return False
    limit = steps.constant(0.5 if len(ids) == 1 and positive else 0.0)
    labels.give_chosen(steps, steps.add("Greater", scores[1], limit), classes)
    steps.give(1, result)
    return True


def _of_one(steps: Steps, *, positive: bool) -> tuple[str, str] | None:
    """Return the scores of both classes, and the second one's: all weights are for the first."""
    base, transform = _floats(steps, "base_values"), steps.text("post_transform", "NONE")
    if len(base) > 1 or transform not in ("NONE", "LOGISTIC") or (positive and transform != "NONE"):
        return None
    weights = _floats(steps, "class_weights")
    sums = _sums(steps, "class", 1, [0] * len(weights), weights)
    if sums is None:
        return None
    score = _plus(steps, sums, base)
    other = steps.add("Sub", steps.constant(1.0), score) if positive else steps.add("Neg", score)
    return steps.add("Concat", other, score, axis=1), score


def _of_second(steps: Steps, ids: set[int], classes: Sequence[Any]) -> tuple[str, str] | None:
    """Return the scores of both classes, and the second one's: weights are for both, or for the second alone."""
    # ONNX Runtime answers 0 or 1 where both have weights, whatever the classes are called
    plain = len(ids) == 1 or not steps.output(0) or list(classes) == [0, 1]
    if steps.given.get("base_values") or not plain or not _all_scored(steps, ids):
        return None
    weights = _floats(steps, "class_weights")
    sums = _sums(steps, "class", 2, list(steps.given["class_ids"]), weights)
    return None if sums is None else (sums, steps.gather(sums, [1], 1))


def _transformed(steps: Steps, scores: str) -> str | None:
    return labels.transformed(steps, scores, steps.text("post_transform", "NONE"))


def _all_scored(steps: Steps, classes: Iterable[int]) -> bool:
    """Tell whether each class has a tree all of whose leaves name it: then it has a score on every row."""
    modes = steps.given["nodes_modes"]
    places = zip(steps.given["nodes_treeids"], steps.given["nodes_nodeids"], modes, strict=True)
    leaves = defaultdict(set)
    for tree, node, mode in places:
        if mode == b"LEAF":
            leaves[tree].add(node)
    named = defaultdict(set)
    for tree, node, class_id in zip(
        steps.given["class_treeids"],
        steps.given["class_nodeids"],
        steps.given["class_ids"],
        strict=True,
    ):
        named[class_id, tree].add(node)
    return all(any(named[number, tree] >= leaves[tree] for tree in leaves) for number in classes)


def regressor(steps: Steps) -> bool:
    """Give the sum or the average over the trees."""
    targets = int(steps.given.get("n_targets", 1))
    weights = _floats(steps, "target_weights")
    base = _floats(steps, "base_values")
    kind = steps.text("aggregate_function", "SUM")
    if kind not in ("SUM", "AVERAGE") or not len(weights) or len(base) not in (0, targets):
        return False
    sums = _sums(steps, "target", targets, list(steps.given.get("target_ids", ())), weights)
    if sums is None:
        return False
    if kind == "AVERAGE":
        trees = len(set(steps.given["nodes_treeids"]))
        sums = steps.add("Div", sums, steps.constant(float(trees)))
    result = _transformed(steps, _plus(steps, sums, base))
    if result is None:
        return False
    steps.give(0, result)
    return True


def _sums(steps: Steps, what: str, columns: int, ids: list[int], weights: Weights) -> str | None:
    """Return [rows, columns]: the weights of the leaves that a row ends in, summed; `what`: `class` or `target`."""
    dtype, shape = steps.dtype(0), steps.shape(0)
    if dtype is None or shape is None or len(shape) != 2 or dtype == np.float64:  # noqa: PLR2004 (axes)
        return None
    if any(
        name.endswith("_as_tensor") for name in steps.given
    ):  # in float64, where a threshold is another number
        return None
    x = steps.input(0)
    if dtype != np.float32:
        x = steps.add("Cast", x, to=TensorProto.FLOAT)
    nodes = _turned(steps)
    if nodes is None:
        return None
    _, scores = steps.add_many(
        "TreeEnsembleClassifier",
        [x],
        2,
        domain=LEARN,
        **nodes,
        class_treeids=steps.given[f"{what}_treeids"],
        class_nodeids=steps.given[f"{what}_nodeids"],
        class_ids=ids,
        class_weights=[float(weight) for weight in weights],
        classlabels_int64s=list(range(max(columns, _FEWEST))),
        post_transform="NONE",
    )
    return steps.gather(scores, list(range(columns)), 1) if columns < _FEWEST else scores


def _turned(steps: Steps) -> dict[str, Any] | None:
    """Return the nodes with comparisons by < and ≤ alone: the engine takes some of the others for leaves."""
    nodes = {f"nodes_{name}": list(steps.given[f"nodes_{name}"]) for name in _NODES}
    for number, mode in enumerate(nodes["nodes_modes"]):
        if mode in _OPPOSITES:
            nodes["nodes_modes"][number] = _OPPOSITES[mode]
            true, false = nodes["nodes_truenodeids"][number], nodes["nodes_falsenodeids"][number]
            nodes["nodes_truenodeids"][number], nodes["nodes_falsenodeids"][number] = false, true
    return nodes if set(nodes["nodes_modes"]) <= _COMPARED else None


_OPPOSITES: Final = {b"BRANCH_GTE": b"BRANCH_LT", b"BRANCH_GT": b"BRANCH_LEQ"}
_COMPARED: Final = {b"BRANCH_LT", b"BRANCH_LEQ", b"LEAF"}


def _floats(steps: Steps, name: str) -> Weights:
    return np.array(steps.given.get(name, ()), np.float32)


def _plus(steps: Steps, scores: str, base: Weights) -> str:
    return steps.add("Add", scores, steps.constant(base)) if len(base) else scores
