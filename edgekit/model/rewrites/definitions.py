"""
Operators that the ONNX standard itself defines by simpler ones, written out by that definition.

Chosen are those that the engine does not have, or computes differently from ONNX Runtime.
"""

from __future__ import annotations

from typing import Final

import onnx
import onnx.inliner

from edgekit.model.operators import STANDARD, walk
from edgekit.model.rewrites.facts import Facts
from edgekit.model.rewrites.steps import counted

_WRITTEN_OUT: Final = (
    "AffineGrid",
    "Attention",
    "BlackmanWindow",
    "CausalConvWithState",
    "Celu",
    "CenterCropPad",
    "DepthToSpace",
    "DynamicQuantizeLinear",
    "GroupNormalization",
    "HammingWindow",
    "HannWindow",
    "MeanVarianceNormalization",
    "NegativeLogLikelihoodLoss",
    "RMSNormalization",
    "RotaryEmbedding",
    "SoftmaxCrossEntropyLoss",
    "SpaceToDepth",
    "SwiGLU",
    "Swish",
)


def write_out(model: onnx.ModelProto) -> str | None:
    """Replace the operators in place, as the model's own opset defines them; one without a definition there stays."""
    before = [
        str(node.op_type)
        for node in walk(model.graph.node)
        if node.domain in STANDARD and node.op_type in _WRITTEN_OUT
    ]
    if not before:
        return None
    chosen = [(domain, name) for domain in STANDARD for name in dict.fromkeys(before)]
    try:
        written = onnx.inliner.inline_selected_functions(
            _with_types(model), chosen, inline_schema_functions=True
        )
    except (
        RuntimeError
    ):  # a type that nobody can tell: the operator stays, and the engine says what it makes of it
        return None
    del written.graph.value_info[:]
    model.CopyFrom(written)
    after = [str(node.op_type) for node in walk(model.graph.node)]
    replaced = [name for name in before if name not in after]
    for node in walk(model.graph.node):
        node.name = node.name or next(iter(node.output), "")
    return (
        f"written out as the ONNX standard defines them: {counted(replaced)}" if replaced else None
    )


def _with_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with the type of every tensor beside it: a definition may depend on them."""
    typed = onnx.ModelProto()
    typed.CopyFrom(model)
    facts = Facts.of(model)
    ends = {value.name for value in (*model.graph.input, *model.graph.output)}
    typed.graph.value_info.extend(
        onnx.helper.make_tensor_value_info(name, element, facts.shapes.get(name))
        for name, element in facts.elements.items()
        if name not in ends
    )
    return typed
