"""
Power monitors that Linux shows below /sys/class/hwmon: INA219, 226, 238, 260 and 3221.

Chips are known by `name`, channels by number and label: the numbers of the hwmon folders change from boot to
boot. Units are those of the kernel's hwmon ABI: energy in µJ, power in µW, current in mA, voltage in mV.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_agent.meters import Reading

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = {
    "ina209": ((1, 1),),
    "ina219": ((1, 1),),
    "ina226": ((1, 1),),
    "ina230": ((1, 1),),
    "ina231": ((1, 1),),
    "ina238": ((1, 1),),
    "ina237": ((1, 1),),
    "ina260": ((1, 1),),
    "ina3221": ((1, 1), (2, 2), (3, 3)),
}
"""By chip: which `inN` is the bus voltage of which `currN`. `in0`, and `in4` to `in7` of an INA3221, are of the shunts."""
TOTALS = ("VDD_IN", "VIN", "POM_5V_IN", "5V_IN", "BOARD")
"""Labels of a channel through which the whole board is fed: `VDD_IN` on Jetson Orin Nano and NX."""
UNUSED_LABELS = ("NC", "")
UNCERTAINTY_PERCENT = 3.0
"""Largest gain errors in the data sheets are 0.5 to 1 %, shunts have 1 %; for averages over many readings."""


@dataclass(frozen=True)
class Channel:
    """One measured line."""

    folder: Path
    chip: str
    voltage: int
    """Number of its `in` files."""
    current: int
    """Number of its `curr`, `power` and `energy` files."""
    label: str

    @property
    def name(self) -> str:
        """The chip, and the label or the number of the channel."""
        return f"{self.chip} {self.label or f'channel {self.current}'}"

    def power_mw(self) -> float | None:
        """Return the power of this moment; None if it cannot be read."""
        for name in (f"power{self.current}_input", f"power{self.current}_average"):
            microwatts = _number(self.folder / name)
            if microwatts is not None:
                return microwatts / 1e3
        millivolts = _number(self.folder / f"in{self.voltage}_input")
        milliamperes = _number(self.folder / f"curr{self.current}_input")
        if millivolts is None or milliamperes is None:
            return None
        return millivolts * milliamperes / 1e3

    def energy_mj(self) -> float | None:
        """Return the energy counted since the chip was started; None if it counts none."""
        microjoules = _number(self.folder / f"energy{self.current}_input")
        return None if microjoules is None else microjoules / 1e3


class HwmonMeter:
    """The sum of channels; by their energy counters where they have one, else by the power of the moment."""

    measured = True

    def __init__(self, channels: tuple[Channel, ...], *, total: bool) -> None:
        self._channels = channels
        names = " + ".join(channel.name for channel in channels)
        self.source = names if total else f"{names} (not the whole board)"
        self._uncertainty_percent = UNCERTAINTY_PERCENT if total else None
        self._before: dict[Channel, tuple[float, float]] = {}
        """Time and energy of the last reading."""

    def read(self, now_s: float) -> Reading | None:
        """Return the power; None if a channel cannot be read."""
        total_mw = 0.0
        for channel in self._channels:
            power_mw = self._power_mw(channel, now_s)
            if power_mw is None:
                return None
            total_mw += power_mw
        return Reading(
            mw=total_mw,
            source=self.source,
            uncertainty_percent=self._uncertainty_percent,
            measured=True,
        )

    def _power_mw(self, channel: Channel, now_s: float) -> float | None:
        energy_mj = channel.energy_mj()
        if energy_mj is None:
            return channel.power_mw()
        before = self._before.get(channel)
        self._before[channel] = (now_s, energy_mj)
        if (
            before is None or now_s <= before[0] or energy_mj < before[1]
        ):  # the first, or the counter began anew
            return channel.power_mw()
        return (energy_mj - before[1]) / (now_s - before[0])


def find_hwmon(root: Path) -> HwmonMeter | None:
    """
    Return the meter that comes nearest to the whole board; None where there is none or where one cannot be told from others.

    A channel with the label of a total; else the one channel of the one chip; else the sum of the labelled channels
    of INA3221s, which leaves out what they do not feed (Jetson AGX Orin).
    """
    channels = [channel for channel in _channels(root) if channel.power_mw() is not None]
    totals = [channel for channel in channels if channel.label.upper() in TOTALS]
    if totals:
        return HwmonMeter((totals[0],), total=True)
    if len(channels) == 1:
        return HwmonMeter((channels[0],), total=True)
    rails = tuple(
        channel
        for channel in channels
        if channel.chip == "ina3221" and channel.label.upper() not in UNUSED_LABELS
    )
    return HwmonMeter(rails, total=False) if rails else None


def _channels(root: Path) -> list[Channel]:
    """Return the channels that are switched on, in an order that does not depend on the folders' numbers."""
    found = []
    for folder in (root / "sys/class/hwmon").glob("hwmon*"):
        chip = _text(folder / "name")
        for voltage, current in PAIRS.get(chip, ()):
            names = (f"in{voltage}", f"curr{current}", f"power{current}")
            if any(_number(folder / f"{name}_enable") == 0 for name in names):
                continue
            label = (
                _text(folder / f"in{voltage}_label")
                or _text(folder / f"curr{current}_label")
                or _text(folder / f"power{current}_label")
                or _text(folder / "label")
            )
            found.append(Channel(folder, chip, voltage, current, label))
    return sorted(
        found, key=lambda channel: (channel.chip, str(channel.folder.resolve()), channel.current)
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(int(path.read_bytes()))
    except (OSError, ValueError):
        return None
