"""The agent as a service, with the real engine: a manager that listens, a line that is unplugged, a disk that hangs."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import time
import tty
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent import schema
from edge_agent.budget_report import budget_report
from edge_agent.config import (
    AgentConfig,
    Archive,
    Budget,
    JsonlSink,
    MqttSink,
    Output,
    SerialSource,
    StdinSource,
    Stream,
)
from edge_agent.delivery import Delivery
from edge_agent.governor import Governor
from edge_agent.latency import RecentLatency
from edge_agent.memory_limit import enforce
from edge_agent.pace import GovernedPace
from edge_agent.pipeline import Pipeline
from edge_agent.records import Block
from edge_agent.session import open_stream
from edge_agent.sinks.jsonl import JsonlSink as Jsonl
from edge_agent.status import StatusFile, resident_bytes
from edge_agent.testing import ListSource, ManualClock, pack_samples
from edge_agent.usage import UsageReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edge_agent.records import Event, Prediction

pytestmark = pytest.mark.native
edgekit_runtime = pytest.importorskip("edgekit_runtime")
onnx = pytest.importorskip("onnx")
pytest.importorskip("serial")

ROOT = Path(__file__).parents[2]
WINDOW, HOP = 10, 5
SECRET = "hunter2-of-the-broker"


class Place:
    """A device's folder: agent.json with its archive, a state folder, a status."""

    def __init__(self, folder: Path, archive: bytes) -> None:
        engine = edgekit_runtime.engine()
        self.folder = folder
        self.agents: list[subprocess.Popen[bytes]] = []
        self.status = folder / "run" / "status.json"
        (folder / "model.nnef.tar").write_bytes(archive)
        self.config = AgentConfig(
            name="gait",
            version="1.0.0",
            model=Archive(
                path="model.nnef.tar",
                sha256=hashlib.sha256(archive).hexdigest(),
                engine=f"{engine.name} {engine.version}",
                registries=engine.registries,
            ),
            labels=("left", "right"),
            input=Stream(channels=("ax", "ay"), rate_hz=100.0, window=WINDOW, hop=HOP),
            output=Output(),
            source=StdinSource(),
            sinks=(JsonlSink(path="out.jsonl"),),
        )

    def start(
        self, *arguments: str, environment: dict[str, str] | None = None, **changes: Any
    ) -> subprocess.Popen[bytes]:
        """Start the agent with sections of its configuration changed."""
        self.config = AgentConfig(
            **{name: getattr(self.config, name) for name in self.config.__dataclass_fields__}
            | changes
        )
        path = self.folder / "agent.json"
        path.write_text(schema.to_text(self.config))
        command = [sys.executable, "-m", "edge_agent", "run", str(path), "--json", "--log"]
        command += ["--status", str(self.status), "--state", str(self.folder), *arguments]
        pythonpath = f"{self.folder}{os.pathsep}{ROOT}"
        agent = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": pythonpath, **(environment or {})},
        )
        self.agents.append(agent)
        return agent

    def facts(self) -> dict[str, Any]:
        """Return the status; empty before there is one."""
        try:
            found: dict[str, Any] = json.loads(self.status.read_bytes())
        except FileNotFoundError:
            return {}
        return found


@pytest.fixture(scope="module")
def archive() -> bytes:
    """Make the archive of a model that gives the mean of each channel."""
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["samples"], ["prediction"], axes=[0], keepdims=0)],
        "means",
        [helper.make_tensor_value_info("samples", float32, [WINDOW, 2])],
        [helper.make_tensor_value_info("prediction", float32, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    made: bytes = edgekit_runtime.import_onnx(model.SerializeToString())
    return made


@pytest.fixture
def place(tmp_path: Path, archive: bytes) -> Iterator[Place]:
    """Make a device's folder; an agent that a failed test leaves behind is ended."""
    made = Place(tmp_path, archive)
    yield made
    for agent in made.agents:
        agent.kill()
        agent.communicate()


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """Return a serial line: the descriptor of its far end, the path of the near one."""
    far, near = os.openpty()
    tty.setraw(near, termios.TCSANOW)
    yield far, os.ttyname(near)
    os.close(far)
    os.close(near)


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for a condition; fail when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_systemd_hears_that_it_is_ready_alive_and_stopping(place: Place) -> None:
    """With the sensor unplugged all the while: that is a state, and SIGTERM ends it with exit code 0."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(place.folder / "notify"))
    manager.settimeout(30)
    environment = {"NOTIFY_SOCKET": str(place.folder / "notify"), "WATCHDOG_USEC": "600000"}
    agent = place.start(
        environment=environment, source=SerialSource(port=str(place.folder / "ttyUSB9"))
    )
    heard: list[str] = []
    absent = "STATUS=source absent, level full"
    while heard.count("WATCHDOG=1") < 3 or not {"READY=1", absent} <= set(heard):
        heard.append(manager.recv(4096).decode())
    agent.send_signal(signal.SIGTERM)
    out, err = agent.communicate(timeout=30)
    while "STOPPING=1" not in heard:
        heard.append(manager.recv(4096).decode())
    manager.close()

    assert agent.returncode == 0, err
    assert b"event=source state=absent" in err
    assert json.loads(out)["state"] == "stopped"
    assert place.facts()["source"]["kind"] == "serial"


def test_a_run_by_process_is_repeated_byte_for_byte(place: Place) -> None:
    """Recorded from standard input, with a gap and a bad value; the replay needs no input at all."""
    rows = [f"{i * 10},{i % 7},{-i % 5}" for i in range(200)]
    rows[60] = "600,x,1"
    del rows[100:130]
    text = "\n".join(["time_ms,ax,ay", *rows]) + "\n"
    first = place.start("--record", str(place.folder / "field.run"))
    out, err = first.communicate(text.encode(), timeout=60)
    assert first.returncode == 0, err
    written = (place.folder / "out.jsonl").read_bytes()
    (place.folder / "out.jsonl").unlink()
    again = place.start("--replay", str(place.folder / "field.run"), "--speed", "max")
    out_again, err = again.communicate(timeout=60)

    assert again.returncode == 0, err
    assert (place.folder / "out.jsonl").read_bytes() == written
    assert written.count(b'"prediction"') > 20
    told, repeated = json.loads(out), json.loads(out_again)
    assert repeated["samples"]["dropped"] == told["samples"]["dropped"]
    assert repeated["windows"] == told["windows"]


def test_no_secret_leaves_its_file(place: Place) -> None:
    """Neither status nor log nor summary nor units nor spool hold it, whatever the device's settings name."""
    (place.folder / "password").write_text(f"roof:{SECRET}\n")
    overlay = place.folder / "device.json"
    overlay.write_text(
        json.dumps(
            {
                "device": "roof-17",
                "sink": {
                    "mqtt": {
                        "url": "mqtt://127.0.0.1:9",
                        "password_file": str(place.folder / "password"),
                    }
                },
            }
        )
    )
    agent = place.start(
        "--overlay", str(overlay), sinks=(MqttSink(kind="mqtt", url="mqtt://broker"),)
    )
    assert agent.stdin
    agent.stdin.write(b"ax,ay\n" + b"1,0\n" * 40)
    agent.stdin.flush()
    until(lambda: (place.facts().get("delivery") or {}).get("uplink"))
    uplink = place.facts()
    out, err = agent.communicate(timeout=60)
    unit = subprocess.run(
        [sys.executable, "-m", "edge_agent", "unit", "agent.json", "--overlay", str(overlay)],
        cwd=place.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )

    assert uplink["device"] == "roof-17"
    assert uplink["overlay"] == hashlib.sha256(overlay.read_bytes()).hexdigest()
    assert uplink["release"]
    written = [path for path in place.folder.rglob("*") if path.is_file()]
    everything = out + err + unit.stdout + b"".join(path.read_bytes() for path in written)
    assert everything.count(SECRET.encode()) == 1, "only the file that was named"
    assert b"mqtt" in unit.stdout or b"uplink" in unit.stdout


STALL = """
import os, socket, time
_sync, _stalled = os.fdatasync, []
def fdatasync(descriptor):
    if not _stalled:
        _stalled.append(True)
        time.sleep({seconds})
        open({mark!r}, "w").close()
    _sync(descriptor)
os.fdatasync = fdatasync
def getaddrinfo(*arguments, **options):
    time.sleep(3600)
socket.getaddrinfo = getaddrinfo
"""


@pytest.mark.parametrize("seconds", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_a_disk_that_hangs_and_a_name_server_that_is_mute_cost_no_sample(
    place: Place, line: tuple[int, str], seconds: int
) -> None:
    """At 100 Hz through the real process: all samples in windows, no result dropped, nothing waited for."""
    mark = place.folder / "stalled"
    shim = STALL.format(seconds=seconds, mark=str(mark))
    (place.folder / "sitecustomize.py").write_text(shim)
    patient = replace(place.config.input, max_gap_s=1.0)  # the machine may hold up who sends
    agent = place.start(
        input=patient,
        source=SerialSource(port=line[1]),
        sinks=(
            MqttSink(kind="mqtt", url="mqtt://broker.example", predictions=True),
            JsonlSink(path="out.jsonl"),
        ),
    )
    sent, began_s, last = 0, time.monotonic(), 1 << 30
    while sent < last:
        os.write(line[0], b"%d,0\n" % sent)  # numbered: a sample that is lost shows
        sent += 1
        if last == 1 << 30 and place.facts().get("windows"):
            last = sent + 100 * (seconds + 2)
        time.sleep(max(0.0, began_s + sent / 100 - time.monotonic()))
        assert sent < 100 * 60, "the agent does not read"
    until(mark.exists)
    time.sleep(0.5)  # the last samples are on their way
    agent.send_signal(signal.SIGTERM)
    out, err = agent.communicate(timeout=60)
    facts = json.loads(out)
    lines = map(json.loads, (place.folder / "out.jsonl").read_text().splitlines())
    means = [document["values"][0] for document in lines if document["type"] == "prediction"]

    assert agent.returncode == 0, err
    assert {later - sooner for sooner, later in pairwise(means)} == {float(HOP)}
    assert means[-1] + WINDOW / 2 > sent - 1 - HOP
    assert facts["samples"]["dropped"] == {}
    assert facts["windows"] == len(means)
    assert facts["delivery"]["dropped"] == {"predictions": 0, "events": 0}
    assert facts["delivery"]["mqtt"]["written"] >= facts["windows"]


SLOW = """
import os, time
from edge_agent.sinks.jsonl import JsonlSink
write, sync = JsonlSink.write, os.fsync
def slow_write(*arguments):
    time.sleep(0.3)
    write(*arguments)
def noted_sync(descriptor):
    sync(descriptor)
    with open({mark!r}, "a") as file:
        print(os.readlink("/proc/self/fd/%d" % descriptor), file=file)
JsonlSink.write, os.fsync = slow_write, noted_sync
"""


def test_a_stop_leaves_nothing_behind(place: Place, line: tuple[int, str]) -> None:
    """With a sink that is slow and records that wait for it: SIGTERM, and all of them are in the file, which is synced."""
    mark = place.folder / "synced"
    (place.folder / "sitecustomize.py").write_text(SLOW.format(mark=str(mark)))
    agent = place.start(source=SerialSource(port=line[1]))
    sent = 0
    while place.facts().get("windows", 0) < 40:
        os.write(line[0], b"".join(b"%d,0\n" % number for number in range(sent, sent + 10)))
        sent += 10
        time.sleep(0.1)
        assert sent < 100 * 60, "the agent does not read"
    agent.send_signal(signal.SIGTERM)
    out, err = agent.communicate(timeout=30)
    facts = json.loads(out)
    written = (place.folder / "out.jsonl").read_text().splitlines()
    predictions = [text for text in written if json.loads(text)["type"] == "prediction"]

    assert agent.returncode == 0, err
    assert facts["state"] == "stopped"
    assert len(predictions) == facts["windows"]
    assert facts["delivery"]["waiting"] == 0
    assert facts["delivery"]["delivered"] == len(written)
    assert str(place.folder / "out.jsonl") in mark.read_text().splitlines()


@pytest.mark.parametrize(
    "hours", [2, pytest.param(24, marks=pytest.mark.slow)], ids=["short", "day"]
)
def test_a_day_does_not_make_it_grow(place: Place, hours: float) -> None:
    """A virtual day at 100 Hz with gaps, sinks, status and budget: the engine keeps every byte, the process less than a megabyte."""
    clock, count = ManualClock(), 200
    seconds = count / 100
    samples = pack_samples([(i % 7, i % 5) for i in range(count)])
    sizes: list[tuple[int, int]] = []

    def day() -> Iterator[Block]:
        for number in range(round(hours * 3600 / seconds)):
            clock.advance(seconds)
            gap = number % 300 == 0
            yield Block(samples, count, clock(), 0.01, "gap" if gap else "")
            if number in (WARM, round(hours * 3600 / seconds) - 1):
                sizes.append((edgekit_runtime.memory().live_bytes, resident_bytes() or 0))

    budget = Budget(memory_mib=256, cpu_percent=90)
    governor = Governor(budget, None, power_enforced=False, now_s=clock())
    enforcement = enforce(None)
    pace = GovernedPace(
        governor,
        UsageReader(),
        RecentLatency(budget.window_s, clock()),
        lambda usage, governor, now_s: budget_report(budget, enforcement, usage, governor, now_s),
    )
    # A short queue, full at least once before anything is measured: how full it gets later is the machine's to say.
    sink = LateSink(Path("/dev/null"))
    delivery = Delivery([sink], capacity=QUEUE, lossless=True, status=StatusFile(place.status))
    sink.delivery = delivery
    stream = open_stream(place.config, place.folder)
    facts = Pipeline(place.config, stream, ListSource(day()), delivery, pace=pace, clock=clock).run(
        clock
    )

    (live_before, resident_before), (live_after, resident_after) = sizes
    assert facts.windows > hours * 3600 * 100 / HOP * 0.95
    assert live_after == live_before
    assert resident_after - resident_before < 1 << 20


QUEUE = 100


class LateSink(Jsonl):
    """Lets the queue fill up once before it writes anything."""

    delivery: Delivery | None = None

    def write(self, predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """Write, the first time when no more can wait."""
        if predictions and self.delivery is not None:
            while self.delivery.counters["waiting"] < QUEUE:
                time.sleep(0.001)
            self.delivery = None
        super().write(predictions, events)


WARM = 1800
"""Blocks until every buffer has been as large as it gets."""
