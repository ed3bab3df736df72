"""Agent and uplink killed together at random moments, with the real engine and a real broker."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from edge_agent import schema
from edge_agent.config import (
    AgentConfig,
    Archive,
    JsonlSink,
    MqttSink,
    Output,
    StdinSource,
    Stream,
)

if TYPE_CHECKING:
    from tests.integration.mqtt.conftest import Broker, Listener

pytestmark = pytest.mark.native
edgekit_runtime = pytest.importorskip("edgekit_runtime")
onnx = pytest.importorskip("onnx")

ROOT = Path(__file__).parents[3]
WINDOW, HOP = 4, 2
Wait = Callable[[Callable[[], object], str], None]


def make_device(folder: Path, port: int) -> Path:
    """Write the agent.json of a device that sends the mean of each window, and its archive; return the path."""
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["samples"], ["prediction"], axes=[0], keepdims=0)],
        "means",
        [helper.make_tensor_value_info("samples", float32, [WINDOW, 2])],
        [helper.make_tensor_value_info("prediction", float32, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    archive: bytes = edgekit_runtime.import_onnx(model.SerializeToString())
    engine = edgekit_runtime.engine()
    (folder / "model.nnef.tar").write_bytes(archive)
    agent = AgentConfig(
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
        # in this order: what stands in the file is in the spool
        sinks=(
            MqttSink(kind="mqtt", url=f"mqtt://127.0.0.1:{port}", predictions=True),
            JsonlSink(path="out.jsonl"),
        ),
    )
    path = folder / "agent.json"
    path.write_text(schema.to_text(agent))
    return path


def start(path: Path) -> subprocess.Popen[bytes]:
    """Start the agent, and by it the uplink."""
    command = [sys.executable, "-m", "edge_agent", "run", str(path), "--log"]
    command += ["--state", str(path.parent), "--status", str(path.parent / "status.json")]
    with (path.parent / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            bufsize=0,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


def feed(agent: subprocess.Popen[bytes], first: int) -> None:
    """Write samples, each of them once in all the test, until the agent is gone."""
    assert agent.stdin is not None
    with agent.stdin as pipe, contextlib.suppress(OSError):
        pipe.write(b"ax,ay\n")
        for number in range(first, first + 1_000_000):
            pipe.write(f"{number},1\n".encode())
            time.sleep(0.002)


def kill(agent: subprocess.Popen[bytes], random: Random) -> None:
    """Kill it and what it has started, in any order."""
    children: list[str] = []
    for task in Path(f"/proc/{agent.pid}/task").iterdir():
        with contextlib.suppress(OSError):
            children += (task / "children").read_text().split()
    pids = [agent.pid, *{int(child) for child in children}]
    random.shuffle(pids)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it ends with its agent
            os.kill(pid, signal.SIGKILL)
    agent.wait()


def results(text: str) -> list[tuple[float, ...]]:
    """Return the values of the predictions in whole lines of a file."""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    documents = [json.loads(line) for line in lines if line.strip()]
    return [tuple(each["values"]) for each in documents if each["type"] == "prediction"]


def survive(folder: Path, broker: Broker, listener: Listener, wait: Wait, kills: int) -> None:
    """Kill, start again, and hold what came to the broker against what stands in the file."""
    random = Random(kills)
    path = make_device(folder, broker.port)
    out = folder / "out.jsonl"
    before = 0
    for turn in range(kills):
        agent = start(path)
        feeding = threading.Thread(target=feed, args=(agent, turn * 10_000))
        feeding.start()
        try:
            wait(partial(has_grown, out, before), "a prediction")
            time.sleep(random.random() * random.choice((0.05, 0.5, 1.5)))
            assert agent.poll() is None, (folder / "log").read_text()
        finally:
            kill(agent, random)
            feeding.join()
        before = out.stat().st_size
    expected = set(results(out.read_text()))
    agent = start(path)
    assert agent.stdin is not None
    try:
        agent.stdin.write(b"ax,ay\n")
        wait(lambda: expected <= {values for _, values in arrived(listener)}, "all of the file")
        wait(partial(tells_of_the_uplink, folder / "status.json", agent), "the status")
    finally:
        kill(agent, random)
        agent.stdin.close()

    ids: dict[str, tuple[float, ...]] = {}
    for id_, values in arrived(listener):
        assert ids.setdefault(id_, values) == values, "one id for two records"
    assert len(set(ids.values())) == len(ids), "one record with two ids"
    numbers: dict[str, set[int]] = {}
    for id_ in listener.ids():
        boot, _, number = id_.rpartition("/")
        numbers.setdefault(boot, set()).add(int(number))
    assert len(numbers) == kills
    holes = {boot for boot, found in numbers.items() if found != set(range(1, max(found) + 1))}
    assert not holes, "a number is missing though nothing was dropped"


def tells_of_the_uplink(status: Path, agent: subprocess.Popen[bytes]) -> bool:
    """Return whether the status of this agent says that its uplink runs, and what that reports itself."""
    document = json.loads(status.read_bytes())
    delivery = document.get("delivery") or {}
    process, report = delivery.get("uplink_process"), delivery.get("uplink")
    assert agent.poll() is None
    return bool(process and process["running"] and process["starts"] == 1 and report)


def has_grown(path: Path, size: int) -> bool:
    """Return whether a file is there and larger than that."""
    return path.exists() and path.stat().st_size > size


def arrived(listener: Listener) -> list[tuple[str, tuple[float, ...]]]:
    """Return id and values of the predictions that came, in their order."""
    contents = [content for _, content, _ in list(listener.messages)]
    return [
        (content["id"], tuple(content["values"]))
        for content in contents
        if content.get("type") == "prediction"
    ]


def test_five_kills(tmp_path: Path, broker: Broker, listener: Listener, wait: Wait) -> None:
    """Every prediction that stands in the file arrives, under one id, and no number is missing."""
    survive(tmp_path, broker, listener, wait, 5)


@pytest.mark.slow
def test_two_hundred_kills(tmp_path: Path, broker: Broker, listener: Listener, wait: Wait) -> None:
    """The same for some minutes."""
    survive(tmp_path, broker, listener, wait, 200)
