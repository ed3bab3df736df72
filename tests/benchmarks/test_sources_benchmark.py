"""What live samples cost: everything of the agent but the engine, in CPU time."""

from __future__ import annotations

import math
import os
import pty
import random
import struct
import subprocess
import sys
import threading
import time
import tty
from typing import TYPE_CHECKING, Any

import pytest
import serial  # noqa: F401 (imported before the clock runs: it is paid for once, not a sample)

from edge_agent.arrivals import Arrival
from edge_agent.config import AgentConfig, Archive, Output, SerialSource, StdinSource, Stream
from edge_agent.delivery import Delivery
from edge_agent.pipeline import Pipeline
from edge_agent.sources.framing.checksum import crc32
from edge_agent.sources.port_input import port_input
from edge_agent.sources.serial import SerialSource as Serial
from edge_agent.stop import StopSignal
from edge_agent.testing import FakeStream, ListSink, encode_cobs, no_memory

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

FAST = Stream(channels=("x", "y", "z"), rate_hz=6400.0, window=1024, hop=512, min=-32768, max=32767)
SLOW = Stream(channels=("ax", "ay", "az", "gx", "gy", "gz"), rate_hz=100.0, window=128, hop=64)
PACED_S = 5.0


def moving(count: int) -> list[tuple[int, int, int]]:
    """Return samples of a machine that shakes."""
    noise = random.Random(0)
    return [
        tuple(int(9000 * math.sin(i / (9 + axis)) + noise.gauss(0, 300)) for axis in range(3))  # type: ignore[misc]
        for i in range(count)
    ]


def chunks(data: bytes, size: int) -> list[bytes]:
    """Cut data as reads do."""
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize(
    "checks", [{}, {"stuck_samples": 50}, {"max": 9800.0}], ids=["range", "stuck", "some-bad"]
)
@pytest.mark.parametrize("kind", ["binary", "cobs"])
def test_one_second_of_three_axes_at_6400_hz(
    benchmark: BenchmarkFixture, kind: str, checks: dict[str, Any]
) -> None:
    """Bytes to checked blocks: 10 ms are 1 % of a core."""
    packed = [struct.pack("<3h", *values) for values in moving(6400)]
    if kind == "binary":
        source = SerialSource(port="x", format="binary", frame="<3h", sync="aa55")
        data = b"".join(b"\xaa\x55" + each for each in packed) + b"\xaa\x55"
    else:
        source = SerialSource(port="x", format="cobs", frame="<3h")
        data = b"".join(encode_cobs(each + crc32(each)) for each in packed)
    settings = {"on_bad": "clip", **checks}
    stream = Stream(**{**vars(FAST), **settings})
    reads = chunks(data, 2560)

    def run() -> int:
        reader = port_input(stream, source, None)
        reader.opened(0.0)
        count = 0
        for number, read in enumerate(reads):
            arrival = Arrival(0.05 * number, 0.05 * number + 0.05)
            count += sum(block.count for block in reader.feed(read, arrival))
        return count

    assert benchmark(run) == 6400


class Idle(FakeStream):
    """Predictions without windows: the agent's share of the work is measured, not the fake's."""

    def push(self, samples: bytes, *, infer: bool = True) -> list[tuple[int, bytes]]:  # noqa: ARG002 (the protocol's)
        """Count."""
        self._seen += len(samples) // (4 * self.channels)
        found = []
        while self._seen >= self._windows * self.hop + self.window:
            found.append((self._windows * self.hop + self.window, samples[: 4 * self.channels]))
            self._windows += 1
        return found


CSV_SENDER = """
import os, sys, time
port, count, period = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
due = time.monotonic()
descriptor = os.open(port, os.O_WRONLY | os.O_NOCTTY) if port.startswith("/") else int(port)
for i in range(count):
    os.write(descriptor, b"%d,%.4f,-0.1234,9.8123,0.0123,1.5,-%.4f\\r\\n" % (10 * i, i % 7 / 3, i % 11 / 7))
    due += period
    time.sleep(max(0.0, due - time.monotonic()))
"""
BINARY_SENDER = """
import os, struct, sys, time
descriptor, seconds = int(sys.argv[1]), float(sys.argv[2])
begin = time.monotonic(); sent = 0
while time.monotonic() - begin < seconds:
    due = int((time.monotonic() - begin) * 6400)
    os.write(descriptor, b"".join(b"\\xaa\\x55" + struct.pack("<3h", i % 9000, -i % 8000, i % 777) for i in range(sent, due)))
    sent = due
    time.sleep(0.005)
"""


@pytest.mark.parametrize("kind", ["csv-100-hz", "binary-6400-hz"])
def test_a_live_port(benchmark: BenchmarkFixture, kind: str) -> None:
    """
    A sensor on a pseudo terminal, in real time: waiting, reading, decoding, deciding, sinks and status.

    See `extra_info`: CPU time of this process a sample, and as a share of one core. (What the benchmark
    itself measures is how long the sensor takes.)
    """
    master, slave = pty.openpty()
    tty.setraw(slave)
    csv = kind == "csv-100-hz"
    stream = SLOW if csv else FAST
    source = (
        SerialSource(port=os.ttyname(slave), time="time_ms")
        if csv
        else SerialSource(port=os.ttyname(slave), format="binary", frame="<3h", sync="aa55")
    )
    config = AgentConfig(
        name="bench",
        version="1",
        model=Archive(path="", sha256="", engine="", registries=()),
        labels=stream.channels,
        input=stream,
        output=Output(),
        source=StdinSource(),
    )
    code, arguments = (
        (CSV_SENDER, [str(master), str(int(PACED_S * 100)), "0.01"])
        if csv
        else (BINARY_SENDER, [str(master), str(PACED_S)])
    )

    def run() -> tuple[int, float, float]:
        stop = StopSignal()
        source_of_port = Serial(stream, source, header="time_ms,ax,ay,az,gx,gy,gz" if csv else "")
        pipeline = Pipeline(
            config,
            Idle(stream.window, stream.hop, len(stream.channels)),
            source_of_port,
            Delivery([ListSink()], lossless=False),
            memory=no_memory,
        )
        sender = subprocess.Popen([sys.executable, "-c", code, *arguments], pass_fds=(master,))

        def wait() -> None:
            sender.wait()
            time.sleep(0.2)
            stop.request()

        waiting = threading.Thread(target=wait)
        waiting.start()
        began_s, cpu_s = time.monotonic(), time.process_time()
        facts = pipeline.run(stop)
        cpu_s = time.process_time() - cpu_s
        waiting.join()
        stop.close()
        return facts.samples.read, cpu_s, time.monotonic() - began_s

    count, cpu_s, seconds = benchmark.pedantic(run, rounds=1, iterations=1)  # type: ignore[no-untyped-call] # shipped half typed
    os.close(slave)
    os.close(master)

    benchmark.extra_info["cpu_us_a_sample"] = round(cpu_s / count * 1e6, 2)
    benchmark.extra_info["cpu_percent"] = round(100 * cpu_s / seconds, 2)
    assert count > 0.8 * PACED_S * stream.rate_hz
