"""Whether a model's outputs are what `[output]` says they are: probabilities, one a label, that vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edgekit.errors import ConfigError
from edgekit.model.meaning.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgekit.model.graph_spec import GraphSpec

    Floats = NDArray[np.float32]

SLACK: Final = 1e-3
"""How far a probability may lie outside [0, 1], and a sum of them from 1; int8 models round in steps of 1/256 and get more."""

QUANTISED_SLACK: Final = 1 / 32
"""The same for models with quantised operators: a sum of ten codes may be off by several."""

CONSTANT: Final = 1e-6
"""Outputs that vary by less than this share of their size do not depend on the input."""

ENOUGH_WINDOWS: Final = 10
"""Fewer windows say nothing about which labels are ever predicted."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What a model gave for the windows of a recording."""

    values: Floats
    """`[n, outputs]`, as the device will get them."""
    logits: Floats
    """`[n, outputs]`, before the activation that EdgeKit adds."""
    quantised: bool
    """Whether the model computes its outputs in steps."""
    labels: tuple[str, ...]
    labels_seen: frozenset[str]
    """True labels in the recording."""


def check_labels(spec: GraphSpec, labels: tuple[str, ...], outputs: int) -> None:
    """Raise ConfigError if there are labels, but not one for each output."""
    if not labels or spec.output_kind == "anomaly" or len(labels) == outputs:
        return
    hint = f"list {outputs} labels in the order of the model's outputs: `[model] labels = […]`"
    if outputs == 1:
        hint = "one output is the score of one label: keep the label that it stands for in `[model] labels`"
    raise ConfigError(f"`[model] labels` has {len(labels)} names for {outputs} outputs", hint=hint)


def output_findings(outputs: Outputs, spec: GraphSpec, *, has_threshold: bool) -> Iterator[Finding]:
    """Yield what is odd about the outputs of at least one window."""
    if spec.output_kind == "classes":
        found = _activation(outputs, spec, has_threshold=has_threshold)
        if found is not None:
            yield found
    spread = float(np.ptp(outputs.values, axis=0).max())
    if len(outputs.values) > 1 and spread <= CONSTANT * float(np.abs(outputs.values).max()):
        yield Finding(
            severity="warning",
            message=f"the output is the same for all {len(outputs.values)} windows of the recording",
            hint="compare the unit and scale of the recording with what the model was trained on: `[input] scale`, `offset`",
        )
    elif spec.output_kind == "classes":
        yield from _one_label(outputs)


def _activation(outputs: Outputs, spec: GraphSpec, *, has_threshold: bool) -> Finding | None:
    if not np.isfinite(outputs.logits).all():
        return None  # the proof says it already
    slack = QUANTISED_SLACK if outputs.quantised else SLACK
    if spec.activation == "none":
        return _missing_activation(outputs.values, slack, has_threshold=has_threshold)
    distribution = _in_unit(outputs.logits, slack) and _sum_to_one(outputs.logits, slack)
    if spec.activation == "softmax" and distribution:
        return Finding(
            severity="warning",
            message="the model's own outputs are probabilities already: softmax applied twice flattens them",
            hint='set `[output] activation = "none"`',
        )
    if spec.activation == "sigmoid" and _in_unit(outputs.logits, slack):
        return Finding(
            severity="warning",
            message="the model's own outputs all lie between 0 and 1, as probabilities do: sigmoid applied twice squeezes them into 0.5 to 0.73",
            hint='set `[output] activation = "none"`',
        )
    return None


def _missing_activation(values: Floats, slack: float, *, has_threshold: bool) -> Finding | None:
    if _in_unit(values, slack):
        return None  # probabilities: of one choice if they sum to 1, independent ones if not
    low, high = float(values.min()), float(values.max())
    count = values.shape[1]
    looks = "logits"
    hint = (
        'set `[output] activation = "softmax"` (or "sigmoid" if several labels can be true at once)'
    )
    if count == 1:
        hint = 'set `[output] activation = "sigmoid"`'
    elif high <= slack and _sum_to_one(np.exp(values), slack):
        looks = "logarithms of probabilities"
        hint = 'set `[output] activation = "softmax"`: it turns them back into probabilities'
    return Finding(
        severity="warning" if has_threshold else "note",
        message=f"outputs span {low:.3g} … {high:.3g}, which look like {looks}, not probabilities"
        + ("; a threshold compares nothing meaningful with them" if has_threshold else ""),
        hint=hint,
    )


def _one_label(outputs: Outputs) -> Iterator[Finding]:
    count, width = outputs.values.shape
    if count < ENOUGH_WINDOWS or width == 1 or len(outputs.labels) != width:
        return
    seen = [label for label in outputs.labels if label in outputs.labels_seen]
    predicted = np.unique(outputs.values.argmax(axis=1))
    if len(predicted) > 1 or len(seen) <= 1:
        return
    yield Finding(
        severity="warning",
        message=f"all {len(outputs.values)} windows are taken for `{outputs.labels[predicted[0]]}`; the recording has {', '.join(seen)}",
        hint="compare the unit, scale and order of the channels with what the model was trained on",
    )


def _in_unit(values: Floats, slack: float) -> bool:
    return bool(((values >= -slack) & (values <= 1 + slack)).all())


def _sum_to_one(values: Floats, slack: float) -> bool:
    return values.shape[1] > 1 and bool((np.abs(values.sum(axis=1) - 1) <= slack).all())
