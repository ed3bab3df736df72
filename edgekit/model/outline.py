"""What a model tells about itself before it is compiled: enough to fill in most of an edgekit.toml."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from edgekit.model.source import SourceModel, TensorSpec

_FLOATS: Final = {"float16", "float32", "float64"}
_LABEL_KEYS: Final = ("labels", "classes", "class_names", "names", "label_names")
"""Under these names exporters put the labels into an ONNX file's metadata."""
_MOST_AXES: Final = 2  # time and channels
_MOVES_NO_NUMBER: Final = frozenset(
    {"Identity", "Squeeze", "Reshape", "Cast", "Flatten", "QuantizeLinear", "DequantizeLinear"}
)
"""Operators behind the one that gives the output its meaning."""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """The parts of a model's face that a project is made from."""

    axes: tuple[int | None, ...] | None
    """Lengths of the input's axes besides the batch and those of 1 (None: open); None if it takes no stream of samples."""
    input_shape: str
    reconstructs: bool
    """Whether the output has the shape of the input, as an autoencoder's does."""
    outputs: int | None
    """How many values the output has; None if that is open."""
    labels: tuple[str, ...]
    """Their names, if the file's metadata has as many."""
    last_operator: str
    """Operator that makes the output, such as `Softmax`."""


def outline(source: SourceModel) -> Outline:
    """Look at a model's input, output and metadata."""
    shape = source.outputs[0].shape
    outputs = shape[-1] if shape else None
    axes = _axes(source.inputs[0])
    return Outline(
        axes=axes if len(source.inputs) == 1 else None,
        reconstructs=axes not in (None, (1,)) and axes == _axes(source.outputs[0]),
        input_shape=", ".join(tensor.shape_text() for tensor in source.inputs),
        outputs=outputs,
        labels=_labels(source, outputs),
        last_operator=_last_operator(source),
    )


def _axes(tensor: TensorSpec) -> tuple[int | None, ...] | None:
    if not tensor.shape or tensor.dtype not in _FLOATS:
        return None
    batched = len(tensor.shape) > 1 and tensor.shape[0] in (None, 1)
    axes = tuple(length for length in tensor.shape[batched:] if length != 1) or (1,)
    return axes if len(axes) <= _MOST_AXES else None


def _labels(source: SourceModel, outputs: int | None) -> tuple[str, ...]:
    metadata = {item.key.lower(): item.value for item in source.proto.metadata_props}
    for key in _LABEL_KEYS:
        labels = _names(metadata.get(key, ""))
        if len(labels) == outputs and len(set(labels)) == len(labels):
            return labels
    return ()


def _names(text: str) -> tuple[str, ...]:
    """Read names as exporters write them: a list or `{0: "a", …}` in JSON or Python, else `a,b` or lines."""
    for read in (json.loads, ast.literal_eval):
        try:
            value: Any = read(text)
        except (
            ValueError,
            SyntaxError,
            RecursionError,
            MemoryError,
        ):  # all that a text of any kind raises
            continue
        if isinstance(value, dict):
            value = [value[key] for key in sorted(value, key=lambda key: (len(str(key)), str(key)))]
        if isinstance(value, list | tuple):
            return tuple(map(str, value))
    return tuple(name.strip() for name in text.replace("\n", ",").split(",") if name.strip())


def _last_operator(source: SourceModel) -> str:
    name = source.outputs[0].name
    makers = {output: node for node in source.proto.graph.node for output in node.output}
    node = makers.get(name)
    while node is not None and node.op_type in _MOVES_NO_NUMBER:
        node = makers.get(node.input[0])
    return node.op_type if node is not None else ""
