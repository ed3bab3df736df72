"""One input or output of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """One input or output of the model."""

    name: str
    dtype: str
    """NumPy's name of the element type (`float32`), or `string`, `sequence`, `map`, `optional`."""
    shape: tuple[int | None, ...] | None
    """None for an axis that is open; None as a whole if the model does not say."""
    symbols: tuple[str, ...] = ()
    """Name of each axis that is open by name (`batch`), else an empty string."""

    scale: float | None = None
    """Of the integers of a .tflite: value = (integer - zero_point) * scale."""
    zero_point: int | None = None

    def shape_text(self) -> str:
        """Return the shape for a message, such as `[1, ?, 6]`."""
        if self.shape is None:
            return "[…]"
        return (
            "[" + ", ".join("?" if length is None else str(length) for length in self.shape) + "]"
        )

    def __str__(self) -> str:
        return f"`{self.name}` {self.dtype} {self.shape_text()}"
