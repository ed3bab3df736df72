"""The power management chip of a Raspberry Pi 5: currents and voltages of its own rails, told by the firmware."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edge_agent.meters import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = "pmic_read_adc"
_LINE = re.compile(r"\s*(\w+)_([AV])\s+(?:current|volt)\(\d+\)=([\d.]+)[AV]\s*")
FIT_SLOPE, FIT_OFFSET_W = 1.1451, 0.5879
"""From the sum of the rails to what the board draws: jfikar/RPi5-power, README (a fit to a plug meter; its script has 1.1327 and 0.6444)."""
UNCERTAINTY_PERCENT = 10.0
"""The two fits are 1 % apart from 2 to 8 W, but stand for one board and one supply, and the chip's readings fluctuate."""
SOURCE = "Raspberry Pi 5 PMIC, with a published fit for its losses; without USB, HATs and NVMe on the 5 V line"


def rails_power_w(answer: str) -> float | None:
    """Return the sum of V·I over the rails of the firmware's answer, paired by name; None if there are none."""
    values: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    for line in answer.splitlines():
        found = _LINE.fullmatch(line)
        if found is not None:
            rail, unit, number = found.groups()
            try:
                values[unit][rail] = float(number)
            except ValueError:  # digits with two points
                return None
    rails = (
        values["A"].keys() & values["V"].keys()
    )  # the input and the clock's battery have no current
    if not rails:
        return None
    return sum(values["A"][rail] * values["V"][rail] for rail in sorted(rails))


class PmicMeter:
    """Asks the firmware at each reading: one ioctl, no other program where the mailbox may be used."""

    measured = True
    source = SOURCE

    def __init__(self, ask: Callable[[str], str | None]) -> None:
        self._ask = ask

    def read(self, _now_s: float) -> Reading | None:
        """Return the power of the moment; None if the firmware does not answer."""
        rails_w = rails_power_w(self._ask(COMMAND) or "")
        if rails_w is None:
            return None
        return Reading(
            mw=1e3 * (FIT_SLOPE * rails_w + FIT_OFFSET_W),
            source=SOURCE,
            uncertainty_percent=UNCERTAINTY_PERCENT,
            measured=True,
        )
