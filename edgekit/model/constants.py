"""
Inputs of a model whose value never changes: `[model] constants`.

The value becomes what ONNX calls the default of an input, in the file's own bytes: the reference runs with it, and
`prepare` makes it a constant, with which operators go that would decide on it at every run. What the file computes stays.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from edgekit.errors import ConfigError
from edgekit.model.stream_form import NO_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from edgekit.model.source import SourceModel
    from edgekit.model.tensor_spec import TensorSpec


def give(source: SourceModel, constants: Mapping[str, npt.ArrayLike]) -> SourceModel:
    """
    Return the model with values given to some of its inputs, by name; at least one input must be left.

    A single number is taken for every element. Raises ConfigError naming the input and the value that it cannot take.
    """
    if not constants:
        return source
    if source.kind == "tflite":
        raise ConfigError(
            f"`{source.path}` is a TensorFlow Lite file, whose inputs cannot be made constants",
            hint="remove `constants` from [model], or export the model with the values inside",
        )
    known = {tensor.name: tensor for tensor in source.inputs}
    model = onnx.ModelProto()
    model.CopyFrom(source.proto)
    for name, value in constants.items():
        if name not in known:
            raise _unknown(name, known)
        model.graph.initializer.append(numpy_helper.from_array(_fitted(known[name], value), name))
    left = tuple(tensor for tensor in source.inputs if tensor.name not in constants)
    if not left:
        raise ConfigError(
            "`constants` gives a value to every input: nothing is left for the samples",
            hint=f"leave out the input that takes them, such as `{source.inputs[0].name}`",
        )
    data = model.SerializeToString(deterministic=True)
    return dataclasses.replace(
        source, data=data, onnx=data, sha256=hashlib.sha256(data).hexdigest(), inputs=left
    )


def _unknown(name: str, known: Mapping[str, TensorSpec]) -> ConfigError:
    near = difflib.get_close_matches(name, known, n=1)
    names = ", ".join(f"`{other}`" for other in known)
    return ConfigError(
        f"`constants` gives a value to `{name}`: the model's inputs are {names}",
        hint=f"did you mean `{near[0]}`?" if near else "correct the name in [model] `constants`",
    )


def _fitted(tensor: TensorSpec, value: npt.ArrayLike) -> np.ndarray[Any, Any]:
    """Return the value in the input's type and shape."""
    if tensor.dtype in NO_NUMBERS:
        raise ConfigError(f"`constants` gives a value to {tensor}, which is no tensor of numbers")
    try:
        given = np.asarray(value)
    except ValueError as error:  # lists of different lengths
        raise ConfigError(f"`constants` gives {tensor} no tensor: {value!r}") from error
    if given.dtype.kind not in "biuf":
        raise ConfigError(f"`constants` gives {tensor} no numbers: {value!r}")
    array = given.astype(tensor.dtype)
    if not np.array_equal(array, given) and not (array.dtype.kind == given.dtype.kind == "f"):
        raise ConfigError(
            f"`constants` gives {tensor} the value {value!r}, which its type cannot hold"
        )
    if tensor.shape is None:
        return array
    if array.ndim == 0:
        array = np.full([length or 1 for length in tensor.shape], array)
    fits = len(array.shape) == len(tensor.shape) and all(
        wanted in (None, length) for wanted, length in zip(tensor.shape, array.shape, strict=True)
    )
    if not fits:
        raise ConfigError(
            f"`constants` gives {tensor} a value of shape {list(array.shape)}",
            hint="give a number for all its elements, or a list of its shape",
        )
    return array
