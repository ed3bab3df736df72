"""
A serial port as a source: opened again whenever it is gone, for as long as it takes.

A port that is not there is a state, `absent`, and no failure: cables are pulled, hubs restart.
"""

from __future__ import annotations

import math
import select
import time
from typing import TYPE_CHECKING, Protocol

from edge_agent.arrivals import JITTER_S, PROMPT_S, RATE_TOLERANCE, Arrival, longest_gap_s
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
"""After the first byte bytes are gathered for so long at most: waking up for each sample costs more than reading it."""
LONGEST_BEAT_S = 0.25
"""So long at most where the next window is further away, and where it does not matter when a sample is read."""
HOP_SHARE = 0.25
"""After the first byte for so much of a hop at most."""
MARGIN_S = 0.005
"""A window's last sample is read so much later than it is due, half a period at most: too early is another waking up."""
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
        self._rate_hz = stream.rate_hz
        self._period_s = period_s = 1 / stream.rate_hz
        self._window, self._hop = stream.window, stream.hop
        self._margin_s = min(MARGIN_S, period_s / 2)
        self._segment_samples = 0
        # No gap can be among what is gathered after the first byte.
        self._share_s = min(
            HOP_SHARE * stream.hop * period_s, longest_gap_s(stream.rate_hz, stream.max_gap_s)
        )
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
                    self._segment_samples *= not block.begin
                    self._segment_samples += block.count
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
        beat_s = self._beat_s(asked_s) if self.state == "running" else 0.0
        if beat_s > 2 * self._period_s:
            # When each came shows by their time, or by their number: one waking up does for many samples.
            stop.wait(beat_s)
            data, arrival = self._taken(port, asked_s, asked_s)
            if self._is_short(data, arrival.done_s - asked_s):
                late, arrival = self._await_late(port, stop, arrival)
                data += late
            return data, arrival
        readable, _, _ = select.select([port.fileno(), stop.fileno()], [], [], HEARTBEAT_S)
        first_s = self._clock()
        if port.fileno() not in readable or stop.requested:
            if first_s - self._last_read_s > self._silence_s:
                self.state = "waiting"
            return b"", Arrival(first_s, first_s)
        quiet_s = first_s - self._last_read_s
        rest_s = (self._missing - 1) * self._period_s + self._margin_s
        gather_s = min(BEAT_S, self._share_s, self._fill_s, rest_s)
        stop.wait(max(gather_s, SETTLE_S if quiet_s > JITTER_S else 0.0))
        return self._taken(port, asked_s, first_s)

    def _beat_s(self, now_s: float) -> float:
        """
        Return how long no sample need be read: until a window can be full, in equal parts where that is far away.

        Zero unless samples come as the rate says, or say themselves when they were taken.
        """
        rate_hz = self._input.rate_hz_measured
        regular = rate_hz is not None and abs(rate_hz / self._rate_hz - 1) <= RATE_TOLERANCE
        if not (regular or self._input.stamped):
            return 0.0
        due_s = (
            self._last_read_s + self._missing / (rate_hz or self._rate_hz) + self._margin_s - now_s
        )
        return min(due_s / math.ceil(due_s / LONGEST_BEAT_S), self._fill_s) if due_s > 0 else 0.0

    @property
    def _missing(self) -> int:
        """How many samples the next window still needs."""
        seen, window = self._segment_samples, self._window
        return window - seen if seen < window else self._hop - (seen - window) % self._hop

    @property
    def _fill_s(self) -> float:
        """How long bytes may gather in the kernel."""
        return GATHERED_BYTES / self._bytes_per_s if self._bytes_per_s else LONGEST_BEAT_S

    def _is_short(self, data: bytes, waited_s: float) -> bool:
        """Return whether so little came that something may be late, or a gap among it."""
        if self._input.stamped:
            return False
        usual_bytes_per_s = self._bytes / max(self._input.counts.read, 1) * self._rate_hz
        return len(data) < (waited_s - JITTER_S / 2) * usual_bytes_per_s

    def _await_late(self, port: Port, stop: Stop, arrival: Arrival) -> tuple[bytes, Arrival]:
        """Wait for what may only be late, which costs nothing: no window is full. Return it, and when all of it came."""
        select.select([port.fileno(), stop.fileno()], [], [], HEARTBEAT_S)
        stop.wait(SETTLE_S)
        try:
            data, late = self._taken(port, arrival.done_s, arrival.done_s)
        except PortError:  # the next read says it again; what came before is not lost
            return b"", arrival
        return data, arrival._replace(done_s=late.done_s)

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
        elif done_s - self._last_read_s > LONGEST_BEAT_S:
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
