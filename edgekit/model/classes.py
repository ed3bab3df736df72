"""
What the end of a model's graph says of its classes: their labels in order, and whether its scores are probabilities.

Classifiers out of scikit-learn (the domain ai.onnx.ml) carry both; nets from other frameworks at most a Softmax.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import onnx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.model.source import SourceModel, TensorSpec

_FLOATS: Final = {"float16", "float32", "float64"}
_NAMED_PROBABILITIES: Final = re.compile(r"(?i)prob|softmax|sigmoid")

_MOVES_NO_NUMBER: Final = frozenset(
    {
        *("Identity", "Squeeze", "Unsqueeze", "Reshape", "Cast", "Flatten", "Transpose"),
        *("QuantizeLinear", "DequantizeLinear", "ArrayFeatureExtractor", "ZipMap"),
    }
)
"""Operators behind the one that gives the output its meaning."""

_PROBABILITIES: Final = frozenset({"Softmax", "Sigmoid", "HardSigmoid"})
_LABEL_ATTRIBUTES: Final = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What a model's last operator, or failing that its output's name, says of the values."""

    said: str
    """By what it can be seen: `the model ends in Softmax`."""
    probabilities: bool = False
    """Whether they are probabilities already."""
    sure: bool = True
    regression: bool = False
    """Whether they are values that were measured, not scores of classes."""


def meant_output(source: SourceModel) -> TensorSpec:
    """Return the output that is probably meant: of several the one with probabilities, else the first of floats."""
    floats = [tensor for tensor in source.outputs if tensor.dtype in _FLOATS]
    scores = [tensor for tensor in source.outputs if tensor.dtype in ("sequence", "map")]
    named = [tensor for tensor in floats if _NAMED_PROBABILITIES.search(tensor.name)]
    return [*named, *floats, *scores, *source.outputs][0]


def ending(source: SourceModel, output: TensorSpec) -> Ending:
    """
    Say what an output's values are.

    What a classifier says of itself counts more than a name: skl2onnx calls the scores of a linear SVM
    `probabilities` too.
    """
    node = _last_node(source, output)
    operator = node.op_type if node is not None else ""
    said = f"the model ends in {operator or 'no operator'}"
    if node is not None and operator.endswith("Regressor"):
        return Ending(said=said, regression=True)
    if node is not None and operator.endswith("Classifier"):
        transform = _attribute(node, "post_transform", b"NONE").decode(errors="replace")
        if transform != "NONE":
            return Ending(said=f"{said} with {transform}", probabilities=True)
        return Ending(said=said, probabilities=_votes(node))
    if operator in _PROBABILITIES or (node is not None and _sums_to_one(node)):
        return Ending(said=said, probabilities=True)
    if _NAMED_PROBABILITIES.search(output.name):
        said = f"by the name of the output `{output.name}`"
        return Ending(said=said, probabilities=True, sure=False)
    return Ending(said=said)


def labels_of(source: SourceModel, count: int | None) -> tuple[str, ...]:
    """Return the labels that the graph's classifiers map their scores to, if all agree; else none."""
    found = {
        labels
        for labels in _label_lists(source.proto.graph)
        if count in (None, len(labels)) and len(set(labels)) == len(labels) > 1
    }
    return found.pop() if len(found) == 1 else ()


def _label_lists(graph: onnx.GraphProto) -> Iterator[tuple[str, ...]]:
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for name in _LABEL_ATTRIBUTES:
            yield tuple(map(_text, _attribute(node, name, ())))
        # a table that the index of the best score is looked up in
        if node.op_type == "ArrayFeatureExtractor" and node.input[0] in constants:
            yield tuple(map(_text, onnx.numpy_helper.to_array(constants[node.input[0]]).flat))


def _last_node(source: SourceModel, output: TensorSpec) -> onnx.NodeProto | None:
    makers = {name: node for node in source.proto.graph.node for name in node.output}
    node, seen = makers.get(output.name), 0
    while node is not None and node.op_type in _MOVES_NO_NUMBER and seen <= len(makers):
        node, seen = makers.get(node.input[0]) if node.input else None, seen + 1
    return node


def _sums_to_one(node: onnx.NodeProto) -> bool:
    return node.op_type == "Normalizer" and bool(_attribute(node, "norm", b"MAX") == b"L1")


def _votes(node: onnx.NodeProto) -> bool:
    """Whether a classifier without a transform gives probabilities: shares of votes, or calibrated scores."""
    if node.op_type == "TreeEnsembleClassifier":
        weights = (*_attribute(node, "class_weights", ()), *_attribute(node, "base_values", ()))
        return min(weights, default=0) >= 0
    return node.op_type == "SVMClassifier" and len(_attribute(node, "prob_a", ())) > 0


def _attribute(node: onnx.NodeProto, name: str, otherwise: Any) -> Any:
    found = next((item for item in node.attribute if item.name == name), None)
    return otherwise if found is None else onnx.helper.get_attribute_value(found)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
