"""The ONNX that is being written: nodes, constants, and under which name and axis order each tensor stands in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgekit.model.tflite.graph import Operator, Tensor

    Array = np.ndarray[Any, Any]

Layout = Literal["plain", "channels-first"]
"""Axes as TensorFlow Lite has them, or `[batch, channel, height, width]` of its `[batch, height, width, channel]`."""

PLAIN: Final[Layout] = "plain"
CHANNELS_FIRST: Final[Layout] = "channels-first"
TO_FIRST: Final = (0, 3, 1, 2)
TO_LAST: Final = (0, 2, 3, 1)
IMAGE_RANK: Final = 4

OPSET: Final = 13


class Writer:
    """
    Nodes and tensors of one model.

    A quantised tensor is kept as float32 numbers that are whole: code minus zero point. Transposes are written only where
    an operator asks for a tensor in the order that it does not have yet, and once.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[tuple[bytes, str, tuple[int, ...]], onnx.TensorProto] = {}
        self.ranges: dict[int, tuple[int, int]] = {}
        """Of a quantised tensor that is known to use less than its type: least and largest code minus zero point."""
        self._names: dict[int, dict[Layout, str]] = {}
        self._operator = ""
        self._taken: set[str] = set()

    def reserve(self, names: Iterable[str]) -> None:
        """Keep names for the model's inputs and outputs."""
        self._taken.update(names)

    def begin(self, operator: Operator) -> None:
        """Name what follows after this operator."""
        first = operator.outputs[0].name if operator.outputs else str(operator.number)
        self._operator = f"{first}/{operator.name}"

    def add(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Write a node of one output; return its name."""
        return self.add_many(op_type, inputs, 1, **attributes)[0]

    def add_many(
        self, op_type: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> list[str]:
        """Write a node of several outputs; return their names."""
        number = len(self.nodes)
        names = [f"{self._operator}/{number}_{op_type}" for _ in range(outputs)]
        names = [
            name if outputs == 1 else f"{name}_{position}" for position, name in enumerate(names)
        ]
        while self._taken.intersection(names):
            names = [f"{name}_" for name in names]
        self.nodes.append(helper.make_node(op_type, inputs, names, name=names[0], **attributes))
        return names

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Return the name of a constant with these values; the same values are one constant."""
        array = np.ascontiguousarray(np.asarray(values, dtype)).reshape(np.shape(values))
        key = (array.tobytes(), array.dtype.str, array.shape)
        if key not in self.constants:
            name = f"constant_{len(self.constants)}"
            while name in self._taken:
                name += "_"
            self.constants[key] = numpy_helper.from_array(array, name)
        return str(self.constants[key].name)

    def put(self, tensor: Tensor, name: str, layout: Layout = PLAIN) -> None:
        """Note under which name a tensor of the file stands, in which order of axes."""
        self._names[tensor.index] = {layout: name}

    def has(self, tensor: Tensor, layout: Layout) -> bool:
        """Tell whether a tensor stands in this order already, or is a constant that can."""
        return tensor.data is not None or layout in self._names.get(tensor.index, {})

    def get(self, tensor: Tensor, layout: Layout = PLAIN) -> str:
        """Return the name of a tensor in an order of axes; a transpose is written where it has only the other one."""
        names = self._names.setdefault(tensor.index, {})
        if layout in names:
            return names[layout]
        if tensor.data is not None:
            values = values_of(tensor)
            if layout == CHANNELS_FIRST:
                values = values.transpose(TO_FIRST)
            names[layout] = self.constant(values)
        elif names:
            other = names[PLAIN if layout == CHANNELS_FIRST else CHANNELS_FIRST]
            permutation = TO_FIRST if layout == CHANNELS_FIRST else TO_LAST
            names[layout] = self.add("Transpose", other, perm=permutation)
        else:
            raise ModelError(
                f"uses tensor `{tensor.name}` before it is computed",
                hint="convert it again: operators must stand in the order of computation, and variables are not supported",
            )
        return names[layout]

    def float_constant(self, tensor: Tensor) -> Array:
        """Return the numbers of a constant, dequantised, as float32."""
        values = values_of(tensor)
        if tensor.is_quantised and tensor.quantisation is not None:
            quantisation = tensor.quantisation
            axes = [1] * tensor.rank
            if quantisation.scales.size > 1:
                axes[quantisation.axis] = -1
            values = values * quantisation.scales.reshape(axes)
        return values.astype(np.float32)

    def range_of(self, tensor: Tensor) -> tuple[int, int]:
        """Return the least and largest code, minus zero point, that a quantised tensor can hold."""
        if tensor.data is not None and tensor.size:
            values = values_of(tensor)
            return int(values.min()), int(values.max())
        return self.ranges.get(tensor.index, tensor.code_range)


def values_of(tensor: Tensor) -> Array:
    """Return a constant as it stands in the ONNX: codes minus zero points as float32, floats as float32."""
    data = tensor.data
    if data is None:
        raise TypeError(f"`{tensor.name}` is no constant")
    if tensor.is_quantised and tensor.quantisation is not None:
        zeros = tensor.quantisation.zero_points
        axes = [1] * tensor.rank
        if zeros.size > 1:
            axes[tensor.quantisation.axis] = -1
        centred: Array = (data.astype(np.int64) - zeros.reshape(axes)).astype(np.float32)
        return centred
    return data.astype(np.float32) if data.dtype == np.float16 else data


def integers_of(operator: Operator, position: int) -> list[int]:
    """Return a constant input that says a shape, axes or places; ModelError where it is computed."""
    tensor = operator.input(position)
    if tensor.data is None or tensor.data.dtype.kind not in "iu":
        raise ModelError(
            f"computes `{tensor.name}`, which {operator.name} needs as a constant",
            hint="convert the model with fixed input shapes",
        )
    return [int(value) for value in tensor.data.reshape(-1)]
