"""What systemd hears: readiness, progress and nothing that is not true."""

from __future__ import annotations

import os
import socket
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from edge_agent.delivery import Delivery
from edge_agent.notify import Notifier
from edge_agent.pipeline import Pipeline
from edge_agent.records import Block
from edge_agent.testing import (
    FakeStream,
    ListSink,
    ListSource,
    ManualClock,
    no_memory,
    pack_samples,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge_agent.config import AgentConfig

    Make = Callable[..., AgentConfig]

WATCHDOG_S = 30


class Manager:
    """The service manager's end: a socket, and the environment that names it."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self._socket.setblocking(False)
        self.environment = {
            "NOTIFY_SOCKET": address,
            "WATCHDOG_USEC": str(WATCHDOG_S * 1_000_000),
            "WATCHDOG_PID": str(os.getpid()),
        }

    def heard(self) -> list[str]:
        """Return what was said since the last call."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """Return a service manager."""
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.close()


def run(
    config: AgentConfig,
    source: ListSource,
    stream: FakeStream,
    notifier: Notifier,
    *,
    clock: ManualClock,
) -> None:
    """Run a pipeline that talks to a service manager."""
    delivery = Delivery([ListSink()], lossless=True)
    Pipeline(
        config, stream, source, delivery, notifier=notifier, memory=no_memory, clock=clock
    ).run(clock)


@pytest.mark.parametrize("abstract", [False, True])
def test_it_speaks_to_either_kind_of_address(tmp_path: Path, abstract: bool) -> None:
    """A path, or a name without a file."""
    manager = Manager(f"@edgekit-test-{os.getpid()}" if abstract else str(tmp_path / "n"))
    notifier = Notifier(manager.environment)
    notifier.ready()
    notifier.ready()
    notifier.status("source absent")
    notifier.status("source absent")
    notifier.stopping()

    assert manager.heard() == ["READY=1", "STATUS=source absent", "STOPPING=1"]
    notifier.close()
    manager.close()


def test_programs_that_are_started_do_not_speak_for_the_agent(manager: Manager) -> None:
    """The variables are gone from the environment."""
    Notifier(manager.environment).close()

    assert manager.environment == {}


def test_another_process_watchdog_is_not_ours(manager: Manager) -> None:
    """`WATCHDOG_PID` of another process: nothing is petted."""
    manager.environment["WATCHDOG_PID"] = "1"
    notifier = Notifier(manager.environment)
    notifier.progress(1e6)

    assert manager.heard() == []
    notifier.close()


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket"])
def test_without_a_manager_nothing_is_said(address: str) -> None:
    """In a terminal everything works as it does, in silence."""
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "soon"})
    notifier.ready()
    notifier.progress(1.0)
    notifier.stopping()
    notifier.close()


def test_an_hour_without_the_sensor_is_no_reason_to_restart(
    agent_config: Make, manager: Manager
) -> None:
    """The source is absent: ready, petted all the time, and the status says why there is nothing."""
    clock = ManualClock()
    pets: list[float] = []
    others: list[str] = []

    def listen() -> None:
        for message in manager.heard():
            if message == "WATCHDOG=1":
                pets.append(clock())
            else:
                others.append(message)

    def unplugged() -> Iterator[None]:
        source.state = "absent"
        while clock() < 3600:
            clock.advance(0.5)
            yield None
            listen()

    source = ListSource(unplugged())
    run(agent_config(), source, FakeStream(4, 2, 2), Notifier(manager.environment), clock=clock)
    listen()

    assert others.count("READY=1") == 1
    assert "STATUS=source absent, level full" in others
    assert others[-1] == "STOPPING=1"
    waits = [later - sooner for sooner, later in pairwise(pets)]
    assert max(waits) <= WATCHDOG_S / 2
    assert 3600 - pets[-1] <= WATCHDOG_S / 2


def test_an_engine_that_hangs_is_not_petted(agent_config: Make, manager: Manager) -> None:
    """No timer speaks for a loop that stands still: systemd hears nothing for as long as it does."""
    clock = ManualClock()
    during: list[str] = []

    def hang(_window: object) -> tuple[float, float]:
        manager.heard()
        clock.advance(10 * WATCHDOG_S)
        during.extend(manager.heard())
        return (0.0, 1.0)

    block = Block(pack_samples([(0.0, 1.0)] * 4), 4, 0.0, 0.02, "start")
    stream = FakeStream(4, 2, 2, model=hang)
    run(agent_config(), ListSource([block]), stream, Notifier(manager.environment), clock=clock)

    assert during == []
    assert "WATCHDOG=1" in manager.heard()  # and it is again as soon as it gets on


def test_a_slow_model_is_petted_within_a_block(agent_config: Make, manager: Manager) -> None:
    """A block that takes minutes is progress, window by window."""
    clock = ManualClock()
    pets: list[float] = []

    def slow(_window: object) -> tuple[float, float]:
        pets.extend(clock() for message in manager.heard() if message == "WATCHDOG=1")
        clock.advance(5)
        return (0.0, 1.0)

    block = Block(pack_samples([(0.0, 1.0)] * 100), 100, 0.0, 0.02, "start")
    stream = FakeStream(4, 2, 2, model=slow)
    run(agent_config(), ListSource([block]), stream, Notifier(manager.environment), clock=clock)

    assert clock() > 200
    assert max(later - sooner for sooner, later in pairwise(pets)) <= 15
