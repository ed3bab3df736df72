"""From the model as given to plain ONNX that the engine reads: fixed shapes, nothing but computation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import onnx

from edgekit.errors import ModelError
from edgekit.model import layout, operator_support, stable_forms, stream_form
from edgekit.model.fold_quantisation import fold_quantisation
from edgekit.model.options import DEFAULTS
from edgekit.model.rewrites import (
    clean_up,
    definitions,
    folding,
    learned,
    plain,
    recurrences,
    sliding,
)
from edgekit.model.state_pairs import state_pairs, without_state
from edgekit.model.stream_form import NO_NUMBERS

if TYPE_CHECKING:
    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.options import ModelOptions
    from edgekit.model.source import SourceModel, TensorSpec

_MOST_VALUES: Final = 2**23
"""A colour picture of 1920 by 1080 is three quarters of that."""


@dataclass(frozen=True, kw_only=True)
class PreparedModel:
    """Plain ONNX, and what was done to get there."""

    onnx: bytes = field(repr=False)
    rewrites: tuple[str, ...]
    """One line for the report each."""
    state: tuple[tuple[str, str], ...] = ()
    """Inputs of the graph that the engine carries, and for each the output that is its value in the next run."""


def prepare(
    source: SourceModel, spec: GraphSpec | None, options: ModelOptions = DEFAULTS
) -> PreparedModel:
    """
    Rewrite the model into plain ONNX with fixed shapes; the source stays as it is.

    With `spec` the result is the stream form: one float32 input `samples` [window, channels], one float32
    output `prediction` [n]. Without, inputs and outputs keep their names and types. Raises ModelError or
    ConfigError if the model cannot have that form.
    """
    model = onnx.ModelProto()
    model.CopyFrom(source.proto)
    lines = [plain.inline_functions(model), plain.freeze_constant_inputs(model)]
    plain.strip_annotations(model)
    plain.name_nodes(model)
    if options.quantized == "fold":
        lines.append(fold_quantisation(model))
    state = state_pairs(source, options)
    visible = without_state(source, state)
    shapes = {**_state_shapes(source, state), **input_shapes(visible, spec)}
    lines.append(plain.fix_axes(model, shapes))
    if spec is not None:
        lines += stream_form.wrap(model, visible, spec, state)
    lines += [
        definitions.write_out(model),
        folding.fold(model),
        clean_up.remove_unused(model),
        sliding.write_out(model),
        recurrences.write_out(model),
        learned.write_out(model),
        stable_forms.write_out(model),
        clean_up.remove_idle(model),
    ]
    operator_support.check(model, source.path)
    if state:
        lines.append(_told(state))
    model.ir_version = max(model.ir_version, 8)  # since 4 initializers need not be inputs
    return PreparedModel(
        onnx=model.SerializeToString(deterministic=True),
        rewrites=tuple(line for line in lines if line is not None),
        state=stream_form.names_of_state(model, state),
    )


def _told(state: tuple[tuple[str, str], ...]) -> str:
    names = ", ".join(f"`{given}` from `{back}`" for given, back in state)
    return f"state carried from run to run by the engine: {names}"


def _state_shapes(
    source: SourceModel, state: tuple[tuple[str, str], ...]
) -> dict[str, tuple[int, ...]]:
    """Return the fixed shape of every input that is state: what is open there is the batch."""
    names = {given for given, _ in state}
    shapes = {}
    for tensor in source.inputs:
        if tensor.name in names:
            if tensor.shape is None:
                raise ModelError(
                    f"state input `{tensor.name}` of the model has no shape",
                    hint="export the model with a fixed shape for it",
                )
            shapes[tensor.name] = tuple(1 if axis is None else axis for axis in tensor.shape)
    return shapes


def input_shapes(source: SourceModel, spec: GraphSpec | None) -> dict[str, tuple[int, ...]]:
    """Return the fixed shape of every input of the model itself: by the samples, or with batches of 1."""
    if spec is not None:
        tensor = stream_form.the_input(source)
        return {tensor.name: layout.fit(tensor, spec).shape}
    for tensor in source.outputs:
        stream_form.check_numbers(tensor)
    batch = {tensor.symbols[0] for tensor in source.inputs if tensor.symbols} - {""}
    shapes = {tensor.name: _with_batch_of_one(tensor, batch) for tensor in source.inputs}
    values = sum(math.prod(shape) for shape in shapes.values())
    if values > _MOST_VALUES:
        raise ModelError(
            f"`{source.path}` takes {values:,} values at once: the limit is {_MOST_VALUES:,}",
            hint="export the model for a smaller input: a board has neither the memory nor the time for this one",
        )
    return shapes


def _with_batch_of_one(tensor: TensorSpec, batch: set[str]) -> tuple[int, ...]:
    if tensor.shape is None:
        raise ModelError(
            f"input `{tensor.name}` of the model has no shape",
            hint="export the model with a fixed input shape",
        )
    if tensor.dtype in NO_NUMBERS:
        raise ModelError(
            f"input {tensor} of the model is no tensor of numbers",
            hint="export the model with inputs of numbers",
        )
    shape = []
    for axis, (length, symbol) in enumerate(zip(tensor.shape, tensor.symbols, strict=True)):
        if length is None and axis > 0 and symbol not in batch:
            name = f" (`{symbol}`)" if symbol else ""
            raise ModelError(
                f"input {tensor} of the model has an open axis {axis}{name}: only the first one, the batch, is set by itself",
                hint='export the model with this axis fixed; for a window of samples use [input] `kind = "stream"`',
            )
        shape.append(1 if length is None else length)
    return tuple(shape)
