"""A real broker, a network that fails on demand, a listener, and the uplink as a process."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.config import AgentConfig, Archive, MqttSink, Output, ReplaySource, Stream
from edge_agent.schema import to_text
from edge_agent.spool.files import DiskFiles
from edge_agent.spool.place import spool_folders
from edge_agent.spool.writer import SpoolWriter
from edge_agent.uplink.report import uplink_pids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
PATIENCE_S = 60.0
"""For what is waited for; nothing is concluded from how long it took."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip where the distribution's packages are not installed."""
    missing = [name for name in ("mosquitto_passwd", "openssl") if shutil.which(name) is None]
    missing += ["mosquitto"] if MOSQUITTO is None else []
    if missing:
        reason = f"there is no {', '.join(missing)} (Debian's packages `mosquitto` and `openssl`)"
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))


def wait_for(done: Callable[[], object], what: str) -> None:
    """Wait until it is so; fail if it never is."""
    until_s = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < until_s, f"waited for {what}"
        time.sleep(0.02)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """A mosquitto on a loopback port; `settings` are lines of its configuration."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self._config = folder / f"mosquitto-{self.port}.conf"
        lines = [f"listener {self.port} 127.0.0.1", "max_inflight_messages 0", *settings]
        if (
            os.geteuid() == 0
        ):  # else it becomes another user, who may not read what the test has made
            lines.append("user root")
        if not any(line.startswith("allow_anonymous") for line in lines):
            lines.append("allow_anonymous true")
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return when it listens."""
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._listens, "the broker")

    def kill(self) -> None:
        """End it without a goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the broker has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False


class Listener:
    """Subscribes to everything and keeps it; `messages` are those that are not retained ones from before."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, dict[str, Any], bool]] = []
        """Topic, content, and whether it was retained."""
        self.subscriptions = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(1, 1)
        # QoS 0: it answers nothing, so it reads to the end what a broker had sent before it was killed
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=0)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_for(lambda: self.subscriptions, "the subscription")

    def ids(self) -> list[str]:
        """Return the ids of the records, in the order in which they came."""
        return [content["id"] for _, content, _ in list(self.messages) if "id" in content]

    def numbers(self) -> set[int]:
        """Return the `number` of all records that came."""
        return {content["number"] for _, content, _ in list(self.messages) if "number" in content}

    def has_more_than(self, count: int) -> bool:
        """Return whether more than so many records came."""
        return len(self.numbers()) > count

    def links(self) -> list[str]:
        """Return what the status topic has said, in order."""
        return [content["link"] for _, content, _ in list(self.messages) if "link" in content]

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_subscribe(self, *_: object) -> None:
        self.subscriptions += 1

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self.messages.append((message.topic, json.loads(message.payload), message.retain))


class Proxy:
    """A TCP proxy on the loopback. `mode`: `pass`, `refuse` connections, swallow all (`black-hole`), or `slow`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.mode = "pass"
        self.accepted = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Reset all connections, as a router does that was restarted."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()

    def close(self) -> None:
        """End it."""
        self._closed = True
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self.accepted += 1
            if self.mode == "refuse":
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._pairs.append((client, server))
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        try:
            while True:
                if self.mode == "black-hole":
                    time.sleep(0.05)
                    if client.fileno() < 0:
                        return
                    continue
                readable, _, _ = select.select([client, server], [], [], 0.1)
                for end in readable:
                    slow = self.mode == "slow"
                    data = end.recv(16 if slow else 65536)
                    if not data:
                        raise ConnectionResetError
                    if slow:
                        time.sleep(0.002)
                    other[end].sendall(data)
        except (OSError, ValueError):  # ValueError: closed by `cut`
            client.close()
            server.close()


class Device:
    """A state folder with a spool, and the uplink beside it as a process of its own."""

    def __init__(self, folder: Path, sink: MqttSink) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.agent_json = folder / "agent.json"
        self.config = AgentConfig(
            name="gait",
            version="1.0.0",
            model=Archive(path="m", sha256="0" * 64, engine="tract", registries=()),
            labels=("still", "walk"),
            input=Stream(channels=("ax",), rate_hz=50.0, window=4, hop=2),
            output=Output(),
            source=ReplaySource(path="walk.csv"),
            sinks=(sink,),
        )
        folder.mkdir(exist_ok=True)
        self.agent_json.write_text(to_text(self.config))
        overlay = folder / "device.json"
        overlay.write_text('{"device": "board-7"}')
        self._command = [sys.executable, "-m", "edge_agent", "uplink", str(self.agent_json)]
        self._command += ["--state", str(self.state), "--overlay", str(overlay), "--log"]
        self._command += ["--status", str(folder / "status.json")]
        self.processes: list[subprocess.Popen[bytes]] = []

    def spool(self, **options: Any) -> SpoolWriter:
        """Open the spool as the agent does."""
        ((_, place),) = spool_folders(self.config, self.state).values()
        return SpoolWriter(DiskFiles(place), **{"quota_bytes": 64 << 20, **options})

    def start(self, **options: Any) -> subprocess.Popen[bytes]:
        """Start an uplink; its log is collected in `log`."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(self._command, stderr=log, env=environment, **options)
        self.processes.append(process)
        return process

    def is_reported(self, process: subprocess.Popen[bytes]) -> bool:
        """Return whether this very uplink has written a report: its signals are taken care of then."""
        return uplink_pids(self.folder) == (process.pid,)

    @property
    def log(self) -> str:
        """What all uplinks have written."""
        return (self.folder / "log").read_text()

    @property
    def report(self) -> dict[str, Any]:
        """How the uplink says that it is."""
        try:
            document: dict[str, Any] = json.loads((self.folder / "uplink.json").read_text())
        except FileNotFoundError:
            return {}
        return dict(document["sinks"]["mqtt"])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Return a running broker without a password."""
    made = Broker(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Return a function that starts a broker with settings of its own."""
    made: list[Broker] = []

    def make(*settings: str) -> Broker:
        made.append(Broker(tmp_path, *settings))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    """Return a subscriber to everything at the broker."""
    made = Listener(broker.port)
    yield made
    made.close()


@pytest.fixture
def proxy(broker: Broker) -> Iterator[Proxy]:
    """Return a network that fails on demand, in front of the broker."""
    made = Proxy(broker.port)
    yield made
    made.close()


@pytest.fixture
def make_device(tmp_path: Path) -> Iterator[Callable[..., Device]]:
    """Return a function that makes a device with one sink, from the keys of the sink."""
    made: list[Device] = []

    def make(**keys: Any) -> Device:
        made.append(Device(tmp_path / "device", MqttSink(kind="mqtt", **keys)))
        return made[-1]

    yield make
    for device in made:
        for process in device.processes:
            process.kill()
            process.wait()


@pytest.fixture
def wait() -> Callable[[Callable[[], object], str], None]:
    """Return the function that waits until something is so."""
    return wait_for
