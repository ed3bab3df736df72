"""
What the whole agent costs but for the engine: CPU time, not wall time.

On a serial line at its own pace a good part of it is waking up: once a window for samples, once for the sinks, once a second
for the status. `a bare waking up` says what one costs on this machine at this moment; it is three times as much on a busy one.
Without pauses, with every cache warm, it is the work itself: a hop at a time as a serial line is read, or a sample at a time.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.config import AgentConfig, Archive, Output, SerialSource, StdinSource, Stream
from edge_agent.delivery import Delivery
from edge_agent.pipeline import Pipeline
from edge_agent.sources.serial import SerialSource as Serial
from edge_agent.sources.stdin import StdinSource as Stdin
from edge_agent.status import StatusFile
from edge_agent.stop import StopSignal
from edge_agent.testing import ListSink, no_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

    from edge_agent.sources import Source

pytest.importorskip("serial")

WARM_S = 5.0
"""Until the rate is known, and where the windows end."""
SECONDS = 20.0
WRITER = """
import sys, time
rate_hz, seconds, chunk = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
line = {"csv": b"0.1234,-0.5678,9.8123,0.0012,-0.0345,0.0678\\n", "binary": b"\\xaaU" + bytes(6)}[sys.argv[4]]
sent, began_s = 0, time.monotonic()
while sent < rate_hz * seconds:
    sys.stdout.buffer.write(line * chunk)
    sys.stdout.buffer.flush()
    sent += chunk
    time.sleep(max(0.0, began_s + sent / rate_hz - time.monotonic()))
"""
LINE = b"0.1234,-0.5678,9.8123,0.0012,-0.0345,0.0678\n"
SAMPLES = 20_000
AT_ONCE = 160
"""Lines that are sent together: as many as a socket keeps."""
CASES = {
    "6 channels of CSV at 100 Hz": ("csv", 6, 100.0, 1, 128, 16),
    "6 channels of CSV at 50 Hz": ("csv", 6, 50.0, 1, 128, 16),
    "3 x 6.4 kHz binary": ("binary", 3, 6400.0, 100, 1024, 512),
}
"""Format, channels, rate, samples that are sent together, window, hop. At 50 Hz the example's windows."""


class QuickStream:
    """A stream that does nothing but count."""

    outputs = 4
    skipped = 0
    mode = "window"

    def __init__(self, window: int, hop: int, channels: int) -> None:
        self.window, self.hop, self.channels = window, hop, channels
        self._seen = 0

    @property
    def pending(self) -> int:
        """Samples that no window has held yet."""
        return self._seen if self._seen < self.window else (self._seen - self.window) % self.hop

    def push(self, samples: bytes, *, infer: bool = True) -> list[tuple[int, bytes]]:  # noqa: ARG002 (the protocol's)
        """Count; every hop a prediction of nothing."""
        before, self._seen = self._seen, self._seen + len(samples) // (4 * self.channels)
        first = max(self.window, before + self.hop - (before - self.window) % self.hop)
        return [(end, bytes(16)) for end in range(first, self._seen + 1, self.hop)]

    def reset(self) -> int:
        """Begin anew."""
        pending, self._seen = self.pending, 0
        return pending


class EndingStop:
    """A stop at a time of the monotonic clock."""

    def __init__(self, at_s: float) -> None:
        self._at_s = at_s
        self._reading, self._writing = os.pipe()

    @property
    def requested(self) -> bool:
        """Whether the time has come."""
        return time.monotonic() >= self._at_s

    def wait(self, seconds: float) -> bool:
        """Wait so long, or less until the stop."""
        time.sleep(max(0.0, min(seconds, self._at_s - time.monotonic())))
        return self.requested

    def fileno(self) -> int:
        """Return a descriptor that never becomes readable."""
        return self._reading

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._reading)
        os.close(self._writing)


class Feeder(EndingStop):
    """A far end in the same process that sends its lines whenever all are read, and hangs up after the last."""

    def __init__(self, config: AgentConfig, source: StdinSource, lines: int) -> None:
        """Send so many lines that one read takes together."""
        super().__init__(math.inf)
        self._lines = lines
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sent = 0
        self.source = Stdin(config.input, source, descriptor=self._near.fileno())
        self._counts = self.source.counts

    @property
    def requested(self) -> bool:
        """Feed: a source asks this before each read."""
        if self._counts.read == self._sent:
            if self._sent == SAMPLES:
                self._far.close()
                return False
            for _ in range(AT_ONCE // self._lines):
                self._far.send(LINE * self._lines)
            self._sent += AT_ONCE
        return False

    def clock(self) -> float:
        """Return the time in seconds at 100 Hz."""
        return self._counts.read * 0.01

    def close(self) -> None:
        """Give everything back."""
        super().close()
        self._near.close()


def agent_config(
    source: SerialSource | StdinSource, channels: int, rate_hz: float, window: int, hop: int
) -> AgentConfig:
    """Return an agent for samples of that many channels."""
    return AgentConfig(
        name="bench",
        version="1",
        model=Archive(path="", sha256="", engine="", registries=()),
        labels=("a", "b", "c", "d"),
        input=Stream(channels=tuple("abcdef"[:channels]), rate_hz=rate_hz, window=window, hop=hop),
        output=Output(),
        source=source,
    )


def agent(config: AgentConfig, source: Source, status: Path, **options: Any) -> Pipeline:
    """Return a whole agent but for the engine, with a status file and a sink that keeps everything."""
    delivery = Delivery([ListSink()], lossless=False, status=StatusFile(status))
    stream = QuickStream(config.input.window, config.input.hop, len(config.input.channels))
    return Pipeline(config, stream, source, delivery, memory=no_memory, **options)


def taken_s(benchmark: BenchmarkFixture) -> float:
    """Return the CPU time of the quickest round."""
    assert benchmark.stats is not None
    least: float = benchmark.stats.stats.min
    return least


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """Return a serial line: the descriptor of its far end, the path of the near one."""
    far, near = os.openpty()
    tty.setraw(near, termios.TCSANOW)
    yield far, os.ttyname(near)
    os.close(far)
    os.close(near)


class SteadyStop(StopSignal):
    """The agent's own stop, asked for by an alarm; one before it takes note of samples and CPU time when all has settled."""

    def __init__(self, source: Serial) -> None:
        super().__init__()
        self._counts = source.counts
        self.before: tuple[float, int] | None = None
        self._handler = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, WARM_S, SECONDS)

    def close(self) -> None:
        """Give alarm and pipe back."""
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, self._handler)
        super().close()

    def _ring(self, *_: object) -> None:
        if self.before is None:
            self.before = time.process_time(), self._counts.read
        else:
            self.request()


def a_bare_waking_up_us() -> float:
    """Return what it costs to wait for a tenth of a second and to wake up."""
    began_s = time.process_time()
    for _ in range(20):
        time.sleep(0.1)
    return (time.process_time() - began_s) / 20 * 1e6


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow  # half a minute of real time each
def test_everything_but_the_engine(
    benchmark: BenchmarkFixture, line: tuple[int, str], case: str
) -> None:
    """
    Serial line, decoding, checks, loop, decision, queue, status: CPU time of this process, in real time.

    See `extra_info`; what the benchmark itself measures is how long the sensor takes. The status lies in memory, as a
    service's does.
    """
    kind, channels, rate_hz, chunk, window, hop = CASES[case]
    framing = {"csv": {}, "binary": {"frame": "<3h", "sync": "aa55"}}[kind]
    source = SerialSource(port=line[1], format=kind, **framing)  # type: ignore[arg-type]
    config = agent_config(source, channels, rate_hz, window, hop)
    port = Serial(config.input, source)

    def run() -> tuple[float, int]:
        sent = [str(rate_hz), str(WARM_S + SECONDS + 1), str(chunk), kind]
        writer = subprocess.Popen([sys.executable, "-c", WRITER, *sent], stdout=line[0])
        stop = SteadyStop(port)
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            facts = agent(config, port, Path(folder) / "s.json").run(stop)
        used_s, read = time.process_time(), port.counts.read
        writer.kill()
        writer.wait()
        stop.close()
        assert facts.delivery["delivered"]
        assert stop.before is not None
        return used_s - stop.before[0], read - stop.before[1]

    used_s, read = benchmark.pedantic(run, rounds=1)  # type: ignore[no-untyped-call]

    assert read > 0.5 * SECONDS * rate_hz
    benchmark.extra_info["microseconds a sample"] = round(used_s / read * 1e6, 2)
    benchmark.extra_info["percent of a core"] = round(100 * used_s / SECONDS, 2)
    benchmark.extra_info["a bare waking up, microseconds"] = round(a_bare_waking_up_us(), 1)


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("lines", [1, 16])
def test_without_pauses(benchmark: BenchmarkFixture, tmp_path: Path, lines: int) -> None:
    """Six channels of CSV, so many lines a read; the clock goes on 10 ms a sample, so that what is due is done as at 100 Hz."""
    source = StdinSource()
    config = agent_config(source, 6, 100.0, 128, 16)

    def run() -> int:
        feeder = Feeder(config, source, lines)
        runs = agent(config, feeder.source, tmp_path / "s.json", clock=feeder.clock)
        read = runs.run(feeder).samples.read
        feeder.close()
        return read

    read = benchmark.pedantic(run, rounds=3, warmup_rounds=1)  # type: ignore[no-untyped-call]

    assert read == SAMPLES
    if benchmark.enabled:  # elsewhere this is a test that it runs
        benchmark.extra_info["microseconds a sample"] = round(taken_s(benchmark) / read * 1e6, 2)
