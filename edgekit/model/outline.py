"""What a model tells about itself before it is compiled: enough to fill in most of an edgekit.toml."""

from __future__ import annotations

import ast
import json
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edgekit.model import classes

if TYPE_CHECKING:
    from edgekit.model.classes import Ending
    from edgekit.model.source import SourceModel, TensorSpec

_FLOATS: Final = {"float16", "float32", "float64"}
_LABEL_KEYS: Final = ("labels", "classes", "class_names", "names", "label_names")
"""Under these names exporters put the labels into an ONNX file's metadata."""
_LONGEST_LABELS: Final = 100_000
"""Characters; a longer text is read by Python's own parser only at the risk of its stack."""
_MOST_AXES: Final = 2  # time and channels


@dataclass(frozen=True, kw_only=True)
class Outline:
    """The parts of a model's face that a project is made from."""

    axes: tuple[int | None, ...] | None
    """Lengths of the input's axes besides the batch and those of 1 (None: open); None if it takes no stream of samples."""
    input_shape: str
    reconstructs: bool
    """Whether the output has the shape of the input, as an autoencoder's does, and nothing else is known of it."""
    outputs: int | None
    """How many values the output has; None if that is open."""
    output_name: str | None
    """Name of the output that is meant; None where that is the only one with numbers."""
    labels: tuple[str, ...]
    """Their names, if the file has as many."""
    labels_from: str
    """Where in the file those are."""
    ending: Ending
    """What the end of the graph says of the output's values."""


def outline(source: SourceModel) -> Outline:
    """Look at a model's input, output and metadata."""
    output = classes.meant_output(source)
    outputs = output.shape[-1] if output.shape else None
    axes = _axes(source.inputs[0])
    labels, labels_from = _labels(source, outputs)
    ending = classes.ending(source, output)
    is_copy = axes not in (None, (1,)) and axes == _axes(output)
    floats = sum(tensor.dtype in _FLOATS for tensor in source.outputs)
    return Outline(
        axes=axes if len(source.inputs) == 1 else None,
        reconstructs=is_copy and not (labels or ending.probabilities or ending.regression),
        input_shape=", ".join(tensor.shape_text() for tensor in source.inputs),
        outputs=outputs,
        output_name=output.name if floats > 1 else None,
        labels=labels,
        labels_from=labels_from,
        ending=ending,
    )


def _axes(tensor: TensorSpec) -> tuple[int | None, ...] | None:
    if not tensor.shape or tensor.dtype not in _FLOATS:
        return None
    batched = len(tensor.shape) > 1 and tensor.shape[0] in (None, 1)
    axes = tuple(length for length in tensor.shape[batched:] if length != 1) or (1,)
    return axes if len(axes) <= _MOST_AXES else None


def _labels(source: SourceModel, outputs: int | None) -> tuple[tuple[str, ...], str]:
    metadata = {item.key.lower(): item.value for item in source.proto.metadata_props}
    for key in _LABEL_KEYS:
        labels = _names(metadata.get(key, ""))
        if len(labels) == outputs and len(set(labels)) == len(labels):
            return labels, "the model's metadata"
    return classes.labels_of(source, outputs), "the model's classifier, in the order of its scores"


def _names(text: str) -> tuple[str, ...]:
    """Read names as exporters write them: a list or `{0: "a", …}` in JSON or Python, else `a,b` or lines."""
    if len(text) > _LONGEST_LABELS:
        return ()
    for read in (json.loads, ast.literal_eval):
        # whatever a text of any kind raises, and what Python has to say about escapes in it
        with (
            suppress(ValueError, SyntaxError, RecursionError, MemoryError),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            value: Any = read(text)
            if isinstance(value, dict):
                order = sorted(value, key=lambda key: (len(str(key)), str(key)))
                value = [value[key] for key in order]
            if isinstance(value, list | tuple):
                return tuple(map(str, value))
    return tuple(name.strip() for name in text.replace("\n", ",").split(",") if name.strip())
