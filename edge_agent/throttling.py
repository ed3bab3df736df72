"""Under-voltage and throttling: what makes figures of speed and power unlike those of a healthy board."""

from __future__ import annotations

from pathlib import Path

FLAGS = {
    0: "under-voltage",
    1: "capped clock",
    2: "throttling",
    3: "soft temperature limit",
}
"""Bits of the firmware's `get_throttled`; the same, 16 higher, say that it has happened since the board started."""
SINCE_START = 16
FIRMWARE_FILES = "sys/devices/platform/soc*/*firmware*/get_throttled"
VOLTAGE_ALARM = "in0_lcrit_alarm"
"""Of the hwmon `rpi_volt`; its driver clears it, so that it is remembered here."""


class Throttling:
    """Reads the flags of the firmware; what has been seen once stays."""

    def __init__(self, flags: Path | None, alarm: Path | None) -> None:
        self._flags = flags
        self._alarm = alarm
        self._seen: set[int] = set()

    def read(self) -> tuple[str, ...]:
        """Return what was seen so far, such as `under-voltage` (it is so now) or `throttling has occurred`."""
        now = self._read_flags()
        self._seen |= {bit % SINCE_START for bit in now}
        return tuple(
            text if bit in now else f"{text} has occurred"
            for bit, text in FLAGS.items()
            if bit in self._seen
        )

    def _read_flags(self) -> set[int]:
        value = _number(self._flags, 16)
        bits = {bit for bit in (*FLAGS, *(SINCE_START + bit for bit in FLAGS)) if value >> bit & 1}
        if _number(self._alarm, 10):
            bits.add(0)
        return bits


def find_throttling(root: Path = Path("/")) -> Throttling | None:
    """Return what tells of throttling on a Raspberry Pi; None elsewhere."""
    flags = next(iter(sorted(root.glob(FIRMWARE_FILES))), None)
    alarm = next(
        (
            name.with_name(VOLTAGE_ALARM)
            for name in sorted((root / "sys/class/hwmon").glob("hwmon*/name"))
            if _text(name) == "rpi_volt"
        ),
        None,
    )
    return Throttling(flags, alarm) if flags or alarm else None


def _number(path: Path | None, base: int) -> int:
    """Return the number in a file, 0 where it cannot be read."""
    try:
        return int(_text(path), base) if path else 0
    except ValueError:
        return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
