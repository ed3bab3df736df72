"""A device's correction of its own sensor, applied to raw samples before anything else looks at them."""

from __future__ import annotations

from array import array
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_agent.config import Calibration


class Calibrator:
    """Applies `raw * gain + offset` to rows and to columns, in place; raises ValueError for another number of channels."""

    def __init__(self, calibration: Calibration, channels: tuple[str, ...]) -> None:
        calibration.check_fits(channels)
        gains = calibration.gain or (1.0,) * len(channels)
        offsets = calibration.offset or (0.0,) * len(channels)
        self._terms = list(zip(gains, offsets))  # noqa: B905 (both have one number a channel)

    def correct(self, values: list[float]) -> None:
        """Correct consecutive samples, given one after the other."""
        values[:] = [
            value * gain + offset for value, (gain, offset) in zip(values, cycle(self._terms))
        ]

    def correct_columns(self, columns: list[array[float]]) -> None:
        """Correct consecutive samples, given channel by channel."""
        for position, (gain, offset) in enumerate(self._terms):
            columns[position] = array("d", [value * gain + offset for value in columns[position]])
