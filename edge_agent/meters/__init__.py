"""Meters: what the board draws, measured or modelled, always with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Power since the last reading, or at this moment where the meter knows no more."""

    mw: float
    source: str
    """What measured or modelled it, and of what."""
    uncertainty_percent: float | None
    """None where nobody knows it."""
    measured: bool
    """False: from a model of the board."""


class Meter(Protocol):
    """Tells what the board draws."""

    @property
    def source(self) -> str:
        """What measures or models it, and of what."""
        ...

    @property
    def measured(self) -> bool:
        """False: from a model of the board."""
        ...

    def read(self, now_s: float) -> Reading | None:
        """Return the power; None when it cannot be read this time."""
        ...
