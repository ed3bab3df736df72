"""Inputs around the thresholds of a tree ensemble: in between them a tree gives the same for any input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnx

    from edgekit.model.source import SourceModel, TensorSpec

    Floats = npt.NDArray[np.float64]

MOST: Final = 512
"""Inputs that are made: large forests have more thresholds than anybody waits for."""

_TREES: Final = frozenset({"TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble"})
_KEEP_VALUES: Final = frozenset({"Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def near_thresholds(
    source: SourceModel, tensor: TensorSpec, count: int, rng: np.random.Generator
) -> Floats | None:
    """
    Return frames `[at most MOST, count]` of the input's values, flat, for the trees that see them as they are.

    Every threshold of a feature appears itself, as its two float32 neighbours and with one value well on each side;
    the features are combined at random. None if no tree sees the input.
    """
    around: dict[int, set[float]] = {}
    for node in _trees(source.proto.graph, tensor.name):
        for feature, threshold in _thresholds(node):
            if 0 <= feature < count and np.isfinite(threshold):
                around.setdefault(feature, set()).update(_around(np.float32(threshold)))
    if not around:
        return None
    frames = min(MOST, 4 * max(map(len, around.values())))
    every = np.concatenate([np.array(sorted(values)) for values in around.values()])
    made = rng.uniform(every.min(), every.max(), (frames, count))
    for feature, values in around.items():
        choices = rng.permutation(np.array(sorted(values)))
        made[:, feature] = rng.permutation(np.resize(choices, frames))
    return made


def _around(threshold: np.float32) -> list[float]:
    far = max(1.0, 0.1 * abs(float(threshold)))
    near = [np.nextafter(threshold, np.float32(end)) for end in (-np.inf, np.inf)]
    return [float(threshold), *map(float, near), float(threshold) - far, float(threshold) + far]


def _trees(graph: onnx.GraphProto, name: str) -> list[onnx.NodeProto]:
    """Return the tree ensembles that see the values of an input unchanged."""
    names, found = {name}, []
    for node in graph.node:
        if node.input and node.input[0] in names:
            found += [node] if node.op_type in _TREES else []
            names.update(node.output if node.op_type in _KEEP_VALUES else ())
    return found


def _thresholds(node: onnx.NodeProto) -> list[tuple[int, float]]:
    """Return feature and threshold of each branch; the leaves of the older form have a mode of their own."""
    try:
        given: dict[str, Any] = {
            attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute
        }
        for name in ("nodes_values_as_tensor", "nodes_splits"):
            if name in given:
                given["nodes_values"] = numpy_helper.to_array(given[name]).tolist()
        features, values = given["nodes_featureids"], given["nodes_values"]
        modes = given.get("nodes_modes")
        if not isinstance(modes, list):  # the newer form lists branches only
            modes = [b"BRANCH"] * len(values)
        return [
            (int(feature), float(value))
            for feature, value, mode in zip(features, values, modes, strict=False)
            if mode != b"LEAF"
        ]
    except (KeyError, TypeError, ValueError):  # a damaged node: whoever runs the model says so
        return []
