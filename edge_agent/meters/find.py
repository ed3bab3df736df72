"""Which meter there is: one on the board, else the board's model, else none."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.meters.hwmon import find_hwmon
from edge_agent.meters.model import ModelMeter, busy_of_board
from edge_agent.meters.pi_pmic import PmicMeter
from edge_agent.meters.videocore import find_firmware

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_agent.config import BoardFacts, Budget
    from edge_agent.meters import Meter, Reading


def find_meter(
    budget: Budget,
    board: BoardFacts | None,
    *,
    root: Path = Path("/"),
    find_firmware: Callable[[Path], Callable[[str], str | None] | None] = find_firmware,
) -> Meter | None:
    """
    Return the best meter for the budget's scope: hwmon, the PMIC of a Raspberry Pi 5, the board's model; None without any.

    What is above idle can be told only where the board's idle power is known.
    """
    model = board.power if board is not None else None
    if budget.meter == "auto":
        meter = _measuring(root, find_firmware)
        if meter is not None and (budget.scope == "board" or model is not None):
            return (
                meter
                if model is None or budget.scope == "board"
                else AboveIdle(meter, model.idle_mw)
            )
    if model is None or model.core_mw is None:
        return None
    if budget.scope == "dynamic":
        return ModelMeter(model, model.core_mw, time.process_time, with_idle=False)
    return ModelMeter(model, model.core_mw, busy_of_board(root), with_idle=True)


def may_enforce(budget: Budget, meter: Meter | None) -> bool:
    """Return whether a meter's figures may change what the agent does: a modelled one only where it was asked for."""
    return meter is not None and (meter.measured or budget.meter == "model")


class AboveIdle:
    """What a meter shows above the idle power of the board."""

    def __init__(self, meter: Meter, idle_mw: float) -> None:
        self._meter = meter
        self._idle_mw = idle_mw
        self.measured = meter.measured
        self.source = f"{meter.source}, less {idle_mw:g} mW idle"

    def read(self, now_s: float) -> Reading | None:
        """Return the power above idle, never below 0."""
        reading = self._meter.read(now_s)
        if reading is None:
            return None
        mw = max(0.0, reading.mw - self._idle_mw)
        uncertainty = reading.uncertainty_percent
        if uncertainty is not None and mw > 0:
            uncertainty *= reading.mw / mw  # an error of the whole, seen from the part
        return replace(reading, mw=mw, source=self.source, uncertainty_percent=uncertainty)


def _measuring(
    root: Path, find_firmware: Callable[[Path], Callable[[str], str | None] | None]
) -> Meter | None:
    hwmon = find_hwmon(root)
    if hwmon is not None:
        return hwmon
    ask = find_firmware(root)
    if ask is None:
        return None
    pmic = PmicMeter(ask)
    return pmic if pmic.read(0.0) is not None else None  # firmware of other models has no such chip
