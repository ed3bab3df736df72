"""Listening to a port before there is a project: at which speed, what comes, how fast, and the lines for edgekit.toml."""

from __future__ import annotations

import json
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_agent.sources.serial_port import PortError, SerialPort, problem_of
from edgekit.errors import DataError
from edgekit.sniff import Heard, sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_agent.sources.serial import Port
    from edge_agent.stop import Stop

BAUDS = (115200, 9600, 57600, 38400, 19200, 230400, 460800, 921600, 250000, 500000, 1000000)
"""Speeds that are tried, the usual ones first."""
TRY_S = 1.2
"""At a wrong speed as at a right one, a sensor of 10 Hz says enough in so long."""
LONGEST_SILENCE_S = 5.0
"""A board that was restarted by the opening of its port says nothing for some seconds."""
UPDATE_S = 0.25
KEPT_BYTES = 1 << 16
LEAST_RATE_S = 0.5


class Capture:
    """The last of what came, and when."""

    def __init__(self) -> None:
        self._chunks: list[tuple[float, bytes]] = []
        self._size = 0
        self.total_bytes = 0

    def add(self, now_s: float, data: bytes) -> None:
        """Take the bytes of one read."""
        self._chunks.append((now_s, data))
        self._size += len(data)
        self.total_bytes += len(data)
        while self._size - len(self._chunks[0][1]) > KEPT_BYTES:
            self._size -= len(self._chunks.pop(0)[1])

    @property
    def data(self) -> bytes:
        """All that is kept."""
        return b"".join(data for _, data in self._chunks)

    def rate_hz(self, samples: int) -> float | None:
        """Return samples a second, by the bytes that came after the first read; None where that is too short."""
        if len(self._chunks) < 2 or not samples:  # noqa: PLR2004 (between the first and the last)
            return None
        passed_s = self._chunks[-1][0] - self._chunks[0][0]
        later = 1 - len(self._chunks[0][1]) / self._size
        return samples * later / passed_s if passed_s >= LEAST_RATE_S else None


@dataclass(frozen=True, kw_only=True)
class Listening:
    """How things stand."""

    port: str
    baud: int
    heard: Heard | None
    rate_hz: float | None
    total_bytes: int

    def lines(self) -> str:
        """Return the lines for edgekit.toml; empty while nothing is known."""
        heard = self.heard
        if heard is None:
            return ""
        source = [
            f"port = {_toml(self.port)}",
            f"baud = {self.baud}",
            f"format = {_toml(heard.format)}",
        ]
        for key, value in (("sync", heard.sync), ("frame", heard.frame), ("crc", heard.crc)):
            if value is not None:
                source.append(f"{key} = {_toml(value)}")
        if heard.time is not None:
            source.append(f"time = {_toml(heard.time)}")
        channels = ", ".join(map(_toml, heard.channels))
        rate = (
            "1.0  # not measured yet" if self.rate_hz is None else f"{round_rate(self.rate_hz):g}"
        )
        return "\n".join(
            [
                "[source]",
                'kind = "serial"',
                *source,
                "",
                "[input]",
                f"channels = [{channels}]",
                f"rate_hz = {rate}",
            ]
        )


def listen(  # noqa: PLR0913 (given by name)
    port: str,
    stop: Stop,
    *,
    baud: int | None = None,
    seconds: float | None = None,
    open_port: Callable[[str, int], Port] = SerialPort,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Listening]:
    """
    Listen until a stop, or for so many seconds; yield how things stand several times a second.

    Without `baud` the usual speeds are tried until one makes sense. Raises DataError for a port that cannot be used.
    """
    problem = problem_of(port) if open_port is SerialPort else None
    if problem is not None:
        raise DataError(str(problem), hint=problem.hint)
    until_s = float("inf") if seconds is None else clock() + seconds
    candidates = BAUDS if baud is None else (baud,)
    number = 0
    while not stop.requested and clock() < until_s:
        speed = candidates[number % len(candidates)]
        number += 1
        try:
            opened = open_port(port, speed)
            try:
                yield from _at(
                    opened, stop, port, speed, clock, until_s, alone=len(candidates) == 1
                )
            finally:
                opened.close()
        except PortError as error:
            raise DataError(str(error), hint=error.hint) from None


def round_rate(rate_hz: float) -> float:
    """Return a measured rate as its sensor's program states it: 99.7 is 100, 52.1 stays."""
    for digits in (1, 2):
        rounded = float(f"{rate_hz:.{digits}g}")
        if abs(rounded / rate_hz - 1) < 0.02 / digits:
            return rounded
    return float(f"{rate_hz:.3g}")


def _at(  # noqa: PLR0913, PLR0917 (what one attempt is made of)
    port: Port,
    stop: Stop,
    name: str,
    baud: int,
    clock: Callable[[], float],
    until_s: float,
    alone: bool,
) -> Iterator[Listening]:
    """Listen at one speed; give up when what comes makes no sense and there are others to try."""
    capture = Capture()
    began_s = update_s = clock()
    first_s: float | None = None
    heard: Heard | None = None
    while not stop.requested and clock() < until_s:
        select.select([port.fileno(), stop.fileno()], [], [], UPDATE_S / 2)
        data = port.read()
        now_s = clock()
        if data:
            first_s = now_s if first_s is None else first_s
            capture.add(now_s, data)
        if now_s - update_s < UPDATE_S:
            continue
        update_s = now_s
        heard = sniff(capture.data) or heard
        rate_hz = None if heard is None else capture.rate_hz(heard.count)
        yield Listening(
            port=name, baud=baud, heard=heard, rate_hz=rate_hz, total_bytes=capture.total_bytes
        )
        patience_s = LONGEST_SILENCE_S if first_s is None else TRY_S
        if heard is None and not alone and now_s - (first_s or began_s) > patience_s:
            return


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
