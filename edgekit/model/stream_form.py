"""
The stream form: the model wrapped so that it takes raw samples and gives what the project means by its output.

    samples [window, channels] → scale → (features) → transpose → reshape → cast ─► model ─► cast → flatten → activation → prediction [n]
                                                                              └─► (anomaly) mean squared difference ◄─┘
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

import onnx
from onnx import TensorProto

from edgekit.errors import ConfigError, ModelError
from edgekit.model import layout
from edgekit.model.features import graph as feature_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.source import SourceModel, TensorSpec
    from edgekit.model.state_pairs import Pairs

INPUT: Final = "samples"
OUTPUT: Final = "prediction"

_PREFIX: Final = "model_"
"""Of the model's own names, where they would clash with the wrapper's."""

_OPSET_OF_WRAPPER: Final = 13
"""For models that use ai.onnx.ml alone and so say no version of the standard operators."""

INTEGERS: Final = {
    "int8": (TensorProto.INT8, -128, 127),
    "uint8": (TensorProto.UINT8, 0, 255),
    "int16": (TensorProto.INT16, -32768, 32767),
    "uint16": (TensorProto.UINT16, 0, 65535),
}
"""Integer inputs that samples are rounded to, with their least and largest value."""

_FLOATS: Final = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "float16": TensorProto.FLOAT16,
}

NO_NUMBERS: Final = ("sequence", "map", "optional", "string", "sparse tensor", "unknown")


def the_input(source: SourceModel) -> TensorSpec:
    """Return the model's only input; ModelError if it has several or takes no numbers."""
    if len(source.inputs) != 1:
        names = ", ".join(str(tensor) for tensor in source.inputs)
        raise ModelError(
            f"the model has {len(source.inputs)} inputs ({names}): a stream of samples is one",
            hint='export it with one input; say which ones are state: [model] `state = { input = "output" }`, or always the same: '
            '[model] `constants = { input = 0 }`; or call it with named tensors: [input] `kind = "tensor"`',
        )
    tensor = source.inputs[0]
    if tensor.dtype not in _FLOATS and tensor.dtype not in INTEGERS:
        raise ModelError(
            f"input `{tensor.name}` of the model is {tensor.dtype}: samples cannot be given as that",
            hint="export the model with a float32 input",
        )
    return tensor


def the_output(source: SourceModel, name: str | None) -> TensorSpec:
    """Return the output that is meant: the one of this name, the only one, or the only one of floats."""
    floats = [tensor for tensor in source.outputs if tensor.dtype in _FLOATS]
    if name is not None:
        chosen = [_named_output(source, name)]
    else:
        chosen = list(source.outputs) if len(source.outputs) == 1 else floats
    if not chosen:
        chosen = [tensor for tensor in source.outputs if tensor.dtype in NO_NUMBERS][:1]
    if len(chosen) != 1:
        names = ", ".join(str(tensor) for tensor in source.outputs)
        raise ConfigError(
            f"the model has {len(source.outputs)} outputs: {names}",
            hint=f'say which one is meant: [output] `name = "{(floats or source.outputs)[0].name}"`',
        )
    check_numbers(chosen[0])
    return chosen[0]


def check_numbers(output: TensorSpec) -> None:
    """Raise ModelError if an output is no tensor of numbers."""
    if output.dtype in NO_NUMBERS:
        hint = 'export a scikit-learn classifier with `options={"zipmap": False}`: its probabilities become a tensor'
        if output.dtype == "string":
            hint = (
                "fit a scikit-learn classifier with class numbers in place of names, and export it with "
                '`options={"zipmap": False}`'
            )
        raise ModelError(f"output {output} of the model is no tensor of numbers", hint=hint)


def _named_output(source: SourceModel, name: str) -> TensorSpec:
    found = next((tensor for tensor in source.outputs if tensor.name == name), None)
    if found is None:
        names = [tensor.name for tensor in source.outputs]
        near = difflib.get_close_matches(name, names, n=1)
        raise ConfigError(
            f"the model has no output `{name}`: it has {', '.join(f'`{known}`' for known in names)}",
            hint=f"did you mean `{near[0]}`?" if near else "correct `name` in [output]",
        )
    return found


def check_output_shape(spec: GraphSpec, given: Sequence[int], output: Sequence[int]) -> None:
    """
    Raise ModelError if the output's shape cannot mean what the project says; `given` is the shape of the input.

    Axes of length 1 carry nothing; the others keep their order.
    """
    axes = [length for length in output if length != 1]
    if spec.output_kind == "anomaly" and axes != [length for length in given if length != 1]:
        raise ModelError(
            f"the model takes {list(given)} and gives {list(output)}: an anomaly model gives its input back, in the same order",
            hint='set [output] `kind` to what the model is: "classes", "value" or "raw"; or transpose the output in the model',
        )
    if spec.activation == "softmax" and len(axes) > 1:
        raise ModelError(
            f"the model gives {list(output)}: softmax needs one row of values",
            hint="remove `activation` from [output] and put the softmax into the model, along the axis that is meant",
        )


def wrap(
    model: onnx.ModelProto, source: SourceModel, spec: GraphSpec, state: Pairs = ()
) -> list[str]:
    """
    Put the stream form around the model, in place; return lines for the report.

    `state`: inputs and outputs that stay what they are; they are none of the `source`'s.
    """
    taken, given = the_input(source), the_output(source, spec.output_name)
    _check_codes(given, spec)
    fit = layout.fit(taken, spec)
    if spec.output_kind == "anomaly" or spec.activation == "softmax":
        shape = _inferred_shape(model, given.name)
        if shape is not None:
            check_output_shape(spec, fit.shape, shape)
    before, after = taken.name, given.name
    if _clashes(model.graph):
        model.CopyFrom(onnx.compose.add_prefix(model, _PREFIX))
        before, after = f"{_PREFIX}{before}", f"{_PREFIX}{after}"
    _need_standard_operators(model)
    if spec.features is not None:
        feature_graph.raise_opset(model)
    wrapper = _Wrapper(model.graph)
    lines = wrapper.scale(spec)
    if spec.features is not None:
        lines += wrapper.features(spec, _opset(model))
        lines += wrapper.shape_features(fit)
    else:
        lines += wrapper.shape(fit, spec)
    lines += wrapper.cast_input(taken.dtype)
    wrapper.feed(before)
    wrapper.take(after, given.dtype)
    lines += wrapper.finish(spec, before, taken.dtype)
    others = [tensor.name for tensor in source.outputs if tensor.name != given.name]
    if others:
        lines.append(
            f"output `{given.name}` is the prediction; left out: {', '.join(f'`{name}`' for name in others)}"
        )
    wrapper.close(spec, names_of_state(model, state))
    return lines


def names_of_state(model: onnx.ModelProto, state: Pairs) -> Pairs:
    """Return the state's inputs and outputs by the names that they have in a graph, wrapped or not."""
    inputs = {value.name for value in model.graph.input}
    return tuple(
        pair if pair[0] in inputs else (f"{_PREFIX}{pair[0]}", f"{_PREFIX}{pair[1]}")
        for pair in state
    )


def _check_codes(output: TensorSpec, spec: GraphSpec) -> None:
    """Refuse to compute with the codes of a quantised output as if they were the numbers that they stand for."""
    if output.dtype in _FLOATS:
        return
    if spec.activation != "none":
        raise ConfigError(
            f'output {output} of the model is codes, which `activation = "{spec.activation}"` would take for logits',
            hint="remove `activation` from [output], and give `threshold` in codes; or export the model with a float32 output",
        )
    if spec.output_kind == "anomaly":
        raise ConfigError(
            f"output {output} of the model is codes: their difference from the input means nothing where the two have other scales",
            hint="export the autoencoder with float32 input and output (its inside may stay quantised)",
        )


class _Wrapper:
    """Nodes before and after the model's own; `_at` is the tensor that the next node takes."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._before: list[onnx.NodeProto] = []
        self._after: list[onnx.NodeProto] = []
        self._nodes = self._before
        self._at = INPUT

    def scale(self, spec: GraphSpec) -> list[str]:
        if spec.mean is not None and spec.std is not None:
            self._node("Sub", "centred", [self._constant("mean", spec.mean)])
            self._node("Div", "standardised", [self._constant("std", spec.std)])
            return ["samples standardised in the graph: (x - mean) / std"]
        if spec.scale is not None:
            self._node("Mul", "scaled", [self._constant("scale", spec.scale)])
        if spec.offset is not None:
            self._node("Add", "shifted", [self._constant("offset", spec.offset)])
        return ["samples scaled in the graph: x * scale + offset"] if self._before else []

    def features(self, spec: GraphSpec, opset: int) -> list[str]:
        """Compute the features `[channels, frames, values]`."""
        written = feature_graph.write(spec, self._at, opset)
        self._nodes += written.nodes
        self._graph.initializer.extend(written.constants)
        self._at = written.at
        return [written.line]

    def shape_features(self, fit: layout.Fit) -> list[str]:
        """Bring features to the model's order and shape."""
        # features lie as channel, time, value; `order` counts time, channel, value
        perm = [(1, 0, 2)[axis] for axis in fit.order]
        if perm != [0, 1, 2]:
            self._node("Transpose", "features_ordered", perm=perm)
        self._node("Reshape", "shaped", [self._integers("shape", fit.shape)])
        return [f"features in the order of the model's axes: {fit.layout}"]

    def shape(self, fit: layout.Fit, spec: GraphSpec) -> list[str]:
        lines = []
        if fit.order == (1, 0):
            self._node("Transpose", "channels_first", perm=[1, 0])
            lines.append("samples transposed to the model's order: channels first")
        if fit.shape != (spec.window, spec.channels):
            self._node("Reshape", "shaped", [self._integers("shape", fit.shape)])
        return lines

    def cast_input(self, dtype: str) -> list[str]:
        if dtype == "float32":
            return []
        if dtype in _FLOATS:
            self._node("Cast", "cast", to=_FLOATS[dtype])
            return [f"samples cast to {dtype}, which the model takes"]
        element, low, high = INTEGERS[dtype]
        self._node("Round", "rounded")
        self._node("Min", "below", [self._constant("high", [float(high)])])
        self._node("Max", "clipped", [self._constant("low", [float(low)])])
        self._node("Cast", "cast", to=element)
        return [f"samples rounded and clipped to {dtype} ({low} … {high}), which the model takes"]

    def feed(self, name: str) -> None:
        """Let the model take what is there now."""
        self._before.append(
            onnx.helper.make_node("Identity", [self._at], [name], name="edgekit_feed")
        )
        self._nodes = self._after

    def take(self, name: str, dtype: str) -> None:
        self._at = name
        self._flat("flat", dtype)

    def finish(self, spec: GraphSpec, model_input: str, dtype: str) -> list[str]:
        if spec.output_kind == "anomaly":
            output = self._at
            self._at = model_input
            self._flat("flat_input", dtype)
            self._node("Sub", "difference", [output])
            self._node("Mul", "square", [self._at])
            self._node("ReduceMean", "mean_square", keepdims=1)
            return ["reconstruction error in the graph: mean of (input - output)²"]
        if spec.activation == "softmax":
            self._node("Softmax", "probabilities", axis=0)
            return ["softmax put behind the model's output"]
        if spec.activation == "sigmoid":
            self._node("Sigmoid", "probabilities")
            return ["sigmoid put behind the model's output"]
        return []

    def close(self, spec: GraphSpec, state: Pairs) -> None:
        """Give the graph its new ends, and its nodes in the order they run."""
        graph = self._graph
        self._after.append(
            onnx.helper.make_node("Identity", [self._at], [OUTPUT], name="edgekit_prediction")
        )
        nodes = [*self._before, *graph.node, *self._after]
        given, back = {pair[0] for pair in state}, {pair[1] for pair in state}
        inputs = [value for value in graph.input if value.name in given]
        outputs = [value for value in graph.output if value.name in back]
        del graph.node[:], graph.input[:], graph.output[:]
        graph.node.extend(nodes)
        graph.input.append(
            onnx.helper.make_tensor_value_info(
                INPUT, TensorProto.FLOAT, [spec.window, spec.channels]
            )
        )
        graph.output.append(onnx.helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, None))
        graph.input.extend(inputs)
        graph.output.extend(outputs)

    def _flat(self, name: str, dtype: str) -> None:
        if dtype != "float32":
            self._node("Cast", f"{name}_float32", to=TensorProto.FLOAT)
        self._node("Reshape", name, [self._integers(f"{name}_shape", [-1])])

    def _node(self, op_type: str, name: str, more: Sequence[str] = (), **attributes: Any) -> None:
        result = f"edgekit_{name}"
        self._nodes.append(
            onnx.helper.make_node(op_type, [self._at, *more], [result], name=result, **attributes)
        )
        self._at = result

    def _constant(self, name: str, values: Sequence[float]) -> str:
        tensor = onnx.helper.make_tensor(
            f"edgekit_{name}", TensorProto.FLOAT, [len(values)], values
        )
        self._graph.initializer.append(tensor)
        return tensor.name

    def _integers(self, name: str, values: Sequence[int]) -> str:
        tensor = onnx.helper.make_tensor(
            f"edgekit_{name}", TensorProto.INT64, [len(values)], values
        )
        self._graph.initializer.append(tensor)
        return tensor.name


def _inferred_shape(model: onnx.ModelProto, name: str) -> list[int] | None:
    """Return an output's shape as it follows from the input's, not as the file says; None if it stays open."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model)
    except onnx.shape_inference.InferenceError:  # whoever runs the model says what is wrong with it
        return None
    value = next(value for value in inferred.graph.output if value.name == name)
    shape = value.type.tensor_type.shape
    if not value.type.tensor_type.HasField("shape"):
        return None
    return (
        [axis.dim_value for axis in shape.dim]
        if all(axis.dim_value for axis in shape.dim)
        else None
    )


def _clashes(graph: onnx.GraphProto) -> bool:
    names = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
    names |= {name for node in graph.node for name in node.output}
    return any(name in (INPUT, OUTPUT) or name.startswith("edgekit_") for name in names)


def _opset(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators."""
    return max(int(item.version) for item in model.opset_import if item.domain in ("", "ai.onnx"))


def _need_standard_operators(model: onnx.ModelProto) -> None:
    if not any(item.domain in ("", "ai.onnx") for item in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("", _OPSET_OF_WRAPPER))
