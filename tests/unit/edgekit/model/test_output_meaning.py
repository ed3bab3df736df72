"""Output meaning: logits, probabilities, outputs that do not vary, labels that do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgekit.errors import ConfigError
from edgekit.model.graph_spec import Activation, GraphSpec, OutputKind
from edgekit.model.meaning.output_meaning import Outputs, check_labels, output_findings

if TYPE_CHECKING:
    from edgekit.model.meaning.finding import Finding

LABELS = ("a", "b", "c")
LOGITS = np.random.default_rng(6).uniform(-11, 9, size=(40, 3)).astype(np.float32)


def softmax(logits: Any) -> Any:
    """Return probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def look(
    values: Any, logits: Any = None, *, activation: Activation = "none", **more: Any
) -> list[Finding]:
    """Return the findings on outputs."""
    spec = GraphSpec(
        window=4, channels=2, activation=activation, output_kind=more.pop("kind", "classes")
    )
    has_threshold = more.pop("has_threshold", True)
    facts = {"quantised": False, "labels": LABELS, "labels_seen": frozenset(LABELS), **more}
    outputs = Outputs(values=values, logits=values if logits is None else logits, **facts)
    return list(output_findings(outputs, spec, has_threshold=has_threshold))


def test_logits_under_a_threshold_are_a_warning() -> None:
    """With the span that was measured, and the key to set."""
    (finding,) = look(LOGITS)

    assert finding.severity == "warning"
    assert f"outputs span {LOGITS.min():.3g} … {LOGITS.max():.3g}" in finding.message
    assert "logits" in finding.message
    assert 'activation = "softmax"' in str(finding.hint)


def test_logits_without_a_threshold_are_a_note() -> None:
    """The largest output is the same: nothing is wrong yet."""
    (finding,) = look(LOGITS, has_threshold=False)

    assert finding.severity == "note"


def test_one_logit_needs_sigmoid() -> None:
    """Softmax over one value would always be 1."""
    (finding,) = look(LOGITS[:, :1], labels=("a",))

    assert finding.hint == 'set `[output] activation = "sigmoid"`'


def test_logarithms_of_probabilities_are_recognised() -> None:
    """log_softmax at the end of a training net."""
    (finding,) = look(np.log(softmax(LOGITS)))

    assert "logarithms" in finding.message


@pytest.mark.parametrize("values", [softmax(LOGITS), 1 / (1 + np.exp(-LOGITS))])
def test_probabilities_are_fine(values: Any) -> None:
    """Of one choice, or independent ones."""
    assert look(values) == []


def test_softmax_twice() -> None:
    """Probabilities before the activation that is added."""
    (finding,) = look(softmax(softmax(LOGITS)), softmax(LOGITS), activation="softmax")

    assert "softmax applied twice" in finding.message


def test_sigmoid_twice() -> None:
    """Likewise."""
    once = softmax(LOGITS)

    (finding,) = look((1 / (1 + np.exp(-once))).astype(np.float32), once, activation="sigmoid")

    assert "sigmoid applied twice" in finding.message


def test_an_activation_in_its_place_is_fine() -> None:
    """Logits, and softmax behind them."""
    assert look(softmax(LOGITS), LOGITS, activation="softmax") == []


def test_steps_of_a_quantised_output_are_allowed() -> None:
    """Probabilities in steps of 1/256 do not sum to 1 exactly, and softmax over them is still once too often."""
    steps = np.round(softmax(LOGITS) * 256) / 256 + 1 / 256

    assert look(steps, steps, activation="softmax", quantised=True) != []
    assert look(steps, steps, activation="softmax") == []


@pytest.mark.parametrize("kind", ["classes", "value", "raw"])
def test_a_constant_output(kind: OutputKind) -> None:
    """The same numbers for every window: the input does not matter."""
    values = np.tile(np.array([[0.2, 0.5, 0.3]], np.float32), (30, 1))

    (finding,) = look(values, kind=kind)

    assert "the same for all 30 windows" in finding.message


def test_one_label_for_a_recording_of_several() -> None:
    """It varies, but never enough for another label."""
    values = softmax(LOGITS / 100 + np.array([1, 0, 0]))

    (finding,) = look(values)

    assert "all 40 windows are taken for `a`" in finding.message
    assert look(values, labels_seen=frozenset({"a"})) == []
    assert look(values[:5]) == []


@pytest.mark.parametrize(
    ("outputs", "hint"), [(5, "list 5 labels"), (1, "one output is the score of one label")]
)
def test_labels_that_do_not_fit(outputs: int, hint: str) -> None:
    """An error with both numbers, and what to do."""
    with pytest.raises(ConfigError, match=f"3 names for {outputs} outputs") as caught:
        check_labels(GraphSpec(window=4, channels=2), LABELS, outputs)

    assert hint in str(caught.value.hint)


def test_labels_that_fit() -> None:
    """As many as outputs, or none; the score of an anomaly has no name."""
    check_labels(GraphSpec(window=4, channels=2), LABELS, 3)
    check_labels(GraphSpec(window=4, channels=2), (), 7)
    check_labels(GraphSpec(window=4, channels=2, output_kind="anomaly"), ("normal", "anomaly"), 1)
