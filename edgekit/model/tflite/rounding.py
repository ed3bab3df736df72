"""C's `round` and float32 division, in operators that the engine computes exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from onnx import TensorProto

if TYPE_CHECKING:
    from edgekit.model.tflite.writer import Writer

_HALF: Final = np.nextafter(np.float32(0.5), np.float32(0))
"""Added to what is just below a half it does not round up to 1, as a half would; added to a half it does."""


def half_away(writer: Writer, x: str) -> str:
    """Round float32 to whole numbers, halves away from zero."""
    magnitude = writer.add("Add", writer.add("Abs", x), writer.constant(_HALF))
    return writer.add("Mul", writer.add("Floor", magnitude), writer.add("Sign", x))


def divide(writer: Writer, x: str, divisor: float) -> str:
    """
    Divide float32 by a float32 number, correctly rounded.

    The engine multiplies by the reciprocal. In float64 that is far nearer to the quotient than the quotient of two
    float32 numbers is to where float32 rounds.
    """
    double = writer.add("Cast", x, to=TensorProto.DOUBLE)
    result = writer.add("Div", double, writer.constant(np.float32(divisor), np.float64))
    return writer.add("Cast", result, to=TensorProto.FLOAT)


def divided(writer: Writer, dividend: str, x: str) -> str:
    """Divide a float64 constant by float32, as `divide` does."""
    result = writer.add("Div", dividend, writer.add("Cast", x, to=TensorProto.DOUBLE))
    return writer.add("Cast", result, to=TensorProto.FLOAT)
