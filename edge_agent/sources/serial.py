"""
A serial port as a source: opened again whenever it is gone, for as long as it takes.

A port that is not there is a state, `absent`, and no failure: cables are pulled, hubs restart.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Protocol

from edge_agent.arrivals import JITTER_S, PROMPT_S, Arrival
from edge_agent.backoff import Backoff
from edge_agent.sources.port_input import port_input
from edge_agent.sources.serial_port import PortError, SerialPort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_agent.config import Calibration, Stream
    from edge_agent.config import SerialSource as Configuration
    from edge_agent.records import Block, SampleCounts
    from edge_agent.stop import Stop

HEARTBEAT_S = 0.5
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 1.0
SILENCE_S = 2.0
"""After so long without a byte the source is waiting, unless its samples are further apart."""
BEAT_S = 0.05
"""Bytes are gathered for so long at most: waking up for each sample would cost more than reading it."""
STAMPED_BEAT_S = 0.25
"""The same for samples that carry their own time."""
HOP_SHARE = 0.25
"""A prediction is late by no more than so much of a hop."""
SETTLE_S = 0.02
"""After a pause, what belongs together may still be on its way."""
GATHERED_BYTES = 2048
"""Half of what a tty keeps."""


class Port(Protocol):
    """An open port, or a fake of one."""

    def fileno(self) -> int:
        """Return the descriptor, to wait for input."""
        ...

    def read(self) -> bytes:
        """Return what is there. Raises PortError when the device is gone."""
        ...

    def close(self) -> None:
        """Give the port back."""
        ...


class SerialSource:
    """
    Samples from a serial port, on CLOCK_MONOTONIC.

    `header` is a line with the names of the columns that was heard before, should the sensor not say it again.
    """

    def __init__(  # noqa: PLR0913 (the seams are given by name)
        self,
        stream: Stream,
        source: Configuration,
        *,
        calibration: Calibration | None = None,
        header: str = "",
        open_port: Callable[[str, int], Port] = SerialPort,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._input = port_input(stream, source, calibration, header)
        self._open_port = open_port
        self._clock = clock
        self._period_s = period_s = 1 / stream.rate_hz
        self._share_s = HOP_SHARE * stream.hop * period_s
        self._silence_s = max(SILENCE_S, 2 * period_s)
        self.state = "waiting"
        self._port: Port | None = None
        self._problem: PortError | None = None
        self._backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        self._retry_at_s = 0.0
        self._absent_since_s: float | None = None
        self._absent_s = 0.0
        self._opened = 0
        self._bytes = 0
        self._last_read_s = 0.0
        self._bytes_per_s = 0.0

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples read so far."""
        return self._input.counts

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the port and what came from it."""
        problem = self._problem
        if problem is None:
            return self._input.notes
        advice = f" ({problem.hint})" if problem.hint else ""
        return (f"{problem}{advice}", *self._input.notes)

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second by their time, or as they came."""
        return self._input.rate_hz_measured

    @property
    def details(self) -> dict[str, int | float | str]:
        """Counters for the status."""
        absent_s = self._absent_s
        if self._absent_since_s is not None:
            absent_s += self._clock() - self._absent_since_s
        return {
            "port": self._source.port,
            "bytes": self._bytes,
            "reconnects": max(0, self._opened - 1),
            "absent_s": round(absent_s, 3),
            **self._input.details,
        }

    def blocks(self, stop: Stop) -> Iterator[Block | None]:
        """Yield samples as they come; None while none do, also while there is no port."""
        self._last_read_s = self._clock()
        try:
            while not stop.requested:
                port = self._port or self._open()
                if port is None:
                    stop.wait(min(HEARTBEAT_S, self._retry_at_s - self._clock()))
                    yield None
                    continue
                try:
                    data, arrival = self._read(port, stop)
                except PortError as problem:
                    yield from self._lose(problem)
                    continue
                if not data:
                    yield None
                    continue
                made = False
                for block in self._input.feed(data, arrival):
                    made = True
                    yield block
                    if stop.requested:  # the rest stays pending
                        break
                if not made:
                    yield None
            self.state = "stopped"
        finally:
            if self._port is not None:
                self._port.close()

    def _read(self, port: Port, stop: Stop) -> tuple[bytes, Arrival]:
        """Wait for bytes for a moment; return them, and when they came."""
        asked_s = self._clock()
        beat_s = self._gather_s(STAMPED_BEAT_S)
        if self._input.stamped and self.state == "running" and beat_s > 2 * self._period_s:
            # When it is read does not matter: one waking up does for many samples.
            stop.wait(beat_s)
            return self._taken(port, asked_s, asked_s)
        readable, _, _ = select.select([port.fileno(), stop.fileno()], [], [], HEARTBEAT_S)
        first_s = self._clock()
        if port.fileno() not in readable or stop.requested:
            if first_s - self._last_read_s > self._silence_s:
                self.state = "waiting"
            return b"", Arrival(first_s, first_s)
        quiet_s = first_s - self._last_read_s
        stop.wait(max(self._gather_s(BEAT_S), SETTLE_S if quiet_s > JITTER_S else 0.0))
        return self._taken(port, asked_s, first_s)

    def _gather_s(self, longest_s: float) -> float:
        """Return for how long bytes may gather."""
        fill_s = GATHERED_BYTES / self._bytes_per_s if self._bytes_per_s else longest_s
        return min(longest_s, self._share_s, fill_s)

    def _taken(self, port: Port, asked_s: float, first_s: float) -> tuple[bytes, Arrival]:
        """Read what is there; return it, and when it came."""
        data = port.read()
        done_s = self._clock()
        if data:
            self._bytes += len(data)
            self._bytes_per_s = len(data) / max(done_s - self._last_read_s, 1e-6)
            self._last_read_s = done_s
            self._backoff.reset()
            self.state = "running"
        elif done_s - self._last_read_s > STAMPED_BEAT_S:
            self.state = "waiting"  # for the descriptor to become readable, and not for the clock
        return data, Arrival(first_s, done_s, first_s - asked_s > PROMPT_S)

    def _open(self) -> Port | None:
        """Open the port if it is time to; return None if that has to wait, or was of no use."""
        now_s = self._clock()
        if now_s < self._retry_at_s:
            return None
        try:
            self._port = self._open_port(self._source.port, self._source.baud)
        except PortError as problem:
            self._note_problem(problem, now_s)
            return None
        if self._absent_since_s is not None:
            self._absent_s += now_s - self._absent_since_s
        self._absent_since_s = self._problem = None
        self._opened += 1
        self._input.opened(now_s)
        self._last_read_s = now_s
        self._bytes_per_s = 0.0
        self.state = "waiting"
        return self._port

    def _lose(self, problem: PortError) -> Iterator[Block]:
        """Give up a port that is gone; nothing after it continues what was before."""
        if self._port is not None:
            self._port.close()
        self._port = None
        self._note_problem(problem, self._clock())
        yield from self._input.interrupt()

    def _note_problem(self, problem: PortError, now_s: float) -> None:
        self._problem = problem
        self.state = problem.state
        if self._absent_since_s is None:
            self._absent_since_s = now_s
        self._retry_at_s = now_s + self._backoff.next_s()
