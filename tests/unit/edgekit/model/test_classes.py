"""Endings of models: labels and probabilities, as scikit-learn's exporter and the frameworks write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.model.classes import ending, labels_of, meant_output
from edgekit.model.outline import outline
from edgekit.model.source import SourceModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LABELS = ["walk", "run", "sit"]
SCORES = ("probabilities", TensorProto.FLOAT, ["n", 3])
LABEL = ("label", TensorProto.STRING, ["n"])
ML = "ai.onnx.ml"


def _source(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    outputs: Sequence[Any] = (LABEL, SCORES),
    constants: Sequence[onnx.TensorProto] = (),
) -> SourceModel:
    ends = [
        end if isinstance(end, onnx.ValueInfoProto) else helper.make_tensor_value_info(*end)
        for end in outputs
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])]
    graph = helper.make_graph(nodes, "g", inputs, ends, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(ML, 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), folder / "m.onnx")
    return SourceModel.load(folder / "m.onnx")


def _classifier(kind: str, scores: str = "probabilities", **attributes: Any) -> onnx.NodeProto:
    given = {"classlabels_strings": LABELS, **attributes}
    return helper.make_node(kind, ["x"], ["label", scores], domain=ML, **given)


def _normalizer(norm: str) -> onnx.NodeProto:
    return helper.make_node("Normalizer", ["raw"], ["probabilities"], domain=ML, norm=norm)


@pytest.mark.parametrize(
    ("nodes", "probabilities"),
    [
        ([_classifier("LinearClassifier", post_transform="SOFTMAX")], True),
        ([_classifier("LinearClassifier", post_transform="LOGISTIC")], True),
        ([_classifier("LinearClassifier", post_transform="NONE")], False),
        ([_classifier("LinearClassifier", "raw"), _normalizer("L1")], True),
        ([_classifier("TreeEnsembleClassifier", class_weights=[0.2, 0.0])], True),
        ([_classifier("TreeEnsembleClassifier", class_weights=[0.2, -0.4])], False),
        ([_classifier("SVMClassifier", prob_a=[1.0], prob_b=[0.0])], True),
        ([_classifier("SVMClassifier")], False),
    ],
    ids=[
        "logistic regression",
        "of two",
        "linear SVM",
        "normalised",
        "forest",
        "boosted scores",
        "calibrated SVM",
        "SVM",
    ],
)
def test_a_classifier_says_what_its_scores_are(
    tmp_path: Path, nodes: list[onnx.NodeProto], probabilities: bool
) -> None:
    """All of them are called `probabilities`: what counts is what the operator does, and its labels are in order."""
    found = outline(_source(tmp_path, nodes))

    assert found.ending.probabilities is probabilities
    assert found.ending.sure
    assert not found.reconstructs  # three values in, three out
    assert (found.labels, found.outputs, found.output_name) == (tuple(LABELS), 3, None)


@pytest.mark.parametrize(
    ("operators", "output", "probabilities", "sure", "said"),
    [
        (["Relu", "Softmax"], "y", True, True, "the model ends in Softmax"),
        (["Softmax", "Identity", "Flatten"], "y", True, True, "the model ends in Softmax"),
        (["Relu"], "y", False, True, "the model ends in Relu"),
        (["Relu"], "probs", True, False, "by the name of the output `probs`"),
        (["Identity"], "y", False, True, "the model ends in no operator"),
    ],
)
def test_the_operator_that_gives_the_output_its_meaning(  # noqa: PLR0913, PLR0917 (the parts of one outcome)
    tmp_path: Path, operators: list[str], output: str, probabilities: bool, sure: bool, said: str
) -> None:
    """What only moves numbers about is looked through; without a word of the operator's, the name is a guess."""
    names = ["x", *(f"t{index}" for index in range(1, len(operators))), output]
    nodes = [
        helper.make_node(operator, [names[index]], [names[index + 1]])
        for index, operator in enumerate(operators)
    ]
    source = _source(tmp_path, nodes, [(output, TensorProto.FLOAT, ["n", 3])])

    found = ending(source, meant_output(source))

    assert (found.probabilities, found.sure, found.said) == (probabilities, sure, said)


def test_a_regression_is_known_by_its_operator(tmp_path: Path) -> None:
    """Outputs of LinearRegressor are values, no scores, and no reconstruction."""
    node = helper.make_node("LinearRegressor", ["x"], ["y"], domain=ML)
    found = outline(_source(tmp_path, [node], [("y", TensorProto.FLOAT, ["n", 3])]))

    assert found.ending.regression
    assert not found.reconstructs


def test_a_map_of_probabilities_is_seen_through(tmp_path: Path) -> None:
    """As exported without `zipmap`: what the scores are and whose is known all the same."""
    element = helper.make_map_type_proto(
        TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    maps = helper.make_value_info("maps", helper.make_sequence_type_proto(element))
    nodes = [
        _classifier("LinearClassifier", "raw", post_transform="SOFTMAX"),
        helper.make_node("ZipMap", ["raw"], ["maps"], domain=ML, classlabels_strings=LABELS),
    ]

    found = outline(_source(tmp_path, nodes, [LABEL, maps]))

    assert (found.outputs, found.labels) == (None, tuple(LABELS))
    assert found.ending.probabilities


def test_labels_are_found_in_a_table(tmp_path: Path) -> None:
    """A net of scikit-learn's looks the label up by the index of the best score."""
    nodes = [
        helper.make_node("Softmax", ["x"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["best"], axis=1),
        helper.make_node("ArrayFeatureExtractor", ["classes", "best"], ["label"], domain=ML),
    ]
    table = numpy_helper.from_array(np.array(["c", "a", "b"], object), "classes")

    assert labels_of(_source(tmp_path, nodes, constants=[table]), 3) == ("c", "a", "b")


def test_classifiers_that_disagree_name_no_labels(tmp_path: Path) -> None:
    """In a vote of several the order of one is not that of the whole."""
    nodes = [
        _classifier("LinearClassifier", "first", classlabels_strings=["b", "a", "c"]),
        helper.make_node(
            "LinearClassifier", ["x"], ["other", "second"], domain=ML, classlabels_strings=LABELS
        ),
        helper.make_node("Add", ["first", "second"], ["probabilities"]),
    ]

    assert labels_of(_source(tmp_path, nodes), 3) == ()


def test_of_several_outputs_the_one_with_probabilities_is_meant(tmp_path: Path) -> None:
    """An embedding comes first, as some exporters have it."""
    nodes = [
        helper.make_node("Relu", ["x"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "w"], ["class_probs"]),
    ]
    ends = [(name, TensorProto.FLOAT, ["n", 3]) for name in ("embedding", "class_probs")]
    weight = numpy_helper.from_array(np.eye(3, dtype=np.float32), "w")

    assert outline(_source(tmp_path, nodes, ends, [weight])).output_name == "class_probs"
