"""A TensorFlow Lite model as plain values: what the flatbuffer says, checked, and nothing of its encoding."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Array = np.ndarray[Any, Any]

QUANTISED: Final = ("int8", "uint8", "int16")
"""Element types whose numbers are codes of a scale and a zero point."""


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """What codes mean: `(code - zero point) * scale`, for the whole tensor or for each index along one axis."""

    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    """As many as scales."""
    axis: int

    @property
    def scale(self) -> float:
        """The scale of a tensor that has one."""
        return float(self.scales[0])

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor that has one."""
        return int(self.zero_points[0])


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor; `data` holds its codes or numbers where it is a constant."""

    index: int
    name: str
    dtype: str
    """NumPy's name."""
    shape: tuple[int, ...]
    quantisation: Quantisation | None
    data: Array | None = field(repr=False)

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def is_quantised(self) -> bool:
        """Whether its numbers are codes of one scale and zero point."""
        return self.dtype in QUANTISED and self.quantisation is not None

    @property
    def scale(self) -> float:
        """The scale of its codes."""
        return self._one().scale

    @property
    def zero_point(self) -> int:
        """The code of zero."""
        return self._one().zero_point

    @property
    def code_range(self) -> tuple[int, int]:
        """Least and largest code, counted from the zero point."""
        limits = np.iinfo(self.dtype)
        return int(limits.min) - self.zero_point, int(limits.max) - self.zero_point

    def _one(self) -> Quantisation:
        if self.quantisation is None:
            raise TypeError(f"`{self.name}` is not quantised")
        return self.quantisation


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One step of the computation."""

    number: int
    """Its place in the file, counted from 0."""
    name: str
    inputs: tuple[Tensor | None, ...]
    """None where an optional one is left out."""
    outputs: tuple[Tensor, ...]
    options: Mapping[str, Any]

    def input(self, position: int) -> Tensor:
        """Return an input that has to be there; IndexError if it is not."""
        tensor = self.inputs[position]
        if tensor is None:
            raise IndexError(f"input {position} is left out")
        return tensor

    def optional(self, position: int) -> Tensor | None:
        """Return an input, None where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else None


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The model's main subgraph; operators stand in the order of computation."""

    tensors: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
