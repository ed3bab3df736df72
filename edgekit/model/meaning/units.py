"""Units: factors by which recordings and models commonly misunderstand each other."""

from __future__ import annotations

import math
from typing import Final

STANDARD_GRAVITY: Final = 9.80665
"""m/s² in one g, by definition (3rd General Conference on Weights and Measures, 1901)."""

FACTORS: Final[tuple[tuple[float, str], ...]] = (
    (1 / 1000, "the recording in milli-units, the model in units: mg and g"),
    (1000.0, "the recording in units, the model in milli-units: g and mg"),
    (1 / STANDARD_GRAVITY, "the recording in m/s², the model in g"),
    (STANDARD_GRAVITY, "the recording in g, the model in m/s²"),
    (STANDARD_GRAVITY / 1000, "the recording in mg, the model in m/s²"),
    (math.pi / 180, "the recording in degrees, the model in radians"),
    (180 / math.pi, "the recording in radians, the model in degrees"),
    (1 / 100, "the recording in percent, the model in shares"),
    (100.0, "the recording in shares, the model in percent"),
    (1 / 255, "the recording in 8-bit integers, the model from 0 to 1"),
    (1 / 32768, "the recording in 16-bit integers, the model from -1 to 1"),
)
"""What to multiply raw samples by, and the misunderstanding that it mends; the likely ones first."""

NEAR_A_UNIT: Final = 1.5
"""A unit is named where it explains the sizes to within this factor."""
