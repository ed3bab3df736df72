"""The systemd units: hardened, and allowing what the app needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.config import (
    BoardFacts,
    Budget,
    CommandSink,
    JsonlSink,
    MqttSink,
    PluginSource,
    SerialSource,
)
from edge_agent.errors import ConfigError
from edge_agent.unit import Unit, units

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_agent.config import AgentConfig

    Make = Callable[..., AgentConfig]

ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSED = 2.5
PI = BoardFacts(id="raspberry-pi-4", cores=4, memory_mib=2048)
MQTT = MqttSink(kind="mqtt", url="mqtts://broker", password_file="credential:broker")
COMMAND = CommandSink(kind="command", command=("beep",))
EVERYTHING: dict[str, Any] = {
    "source": PluginSource(kind="adc:Adc", package="adc"),
    "sinks": (MQTT, COMMAND, JsonlSink(path="/data/out.jsonl")),
    "budget": Budget(memory_mib=48),
    "board": PI,
}
ORDINARY: dict[str, Any] = {
    "source": SerialSource(port="/dev/serial/by-id/usb-x"),
    "sinks": (MQTT, JsonlSink(path="out.jsonl")),
    "budget": Budget(memory_mib=48),
    "board": PI,
}


def settings(unit: Unit) -> dict[str, list[str]]:
    """Return the values of every key of a unit."""
    found: dict[str, list[str]] = {}
    for line in unit.text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed here")
@pytest.mark.parametrize("changes", [{}, ORDINARY, EVERYTHING], ids=["bare", "serial", "plugin"])
def test_the_services_are_hardened(
    agent_config: Make, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """`systemd-analyze security` finds an exposure of 2.5 at most, and no line that it cannot read."""
    for unit in units(agent_config(**changes)):
        path = tmp_path / unit.name
        path.write_text(unit.text)
        if unit.name.endswith(".slice"):
            continue
        found = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        matched = re.search(r"Overall exposure level for \S+: ([\d.]+)", found.stdout)

        assert matched, found.stderr
        assert float(matched[1]) <= MOST_EXPOSED, found.stdout
        unknown = re.findall(r"Unknown key '(\w+)'", found.stderr)
        assert set(unknown) <= {"RestartSteps", "RestartMaxDelaySec"}  # of systemd 254


def test_agent_and_uplink_share_nothing_but_the_spool(agent_config: Make) -> None:
    """The one has the sensor and no network, the other the network and no device."""
    agent, uplink, around = units(agent_config(**ORDINARY))
    own, sending = settings(agent), settings(uplink)

    assert [agent.name, uplink.name, around.name] == [
        "edgekit-gait.service",
        "edgekit-gait-uplink.service",
        "edgekit-gait.slice",
    ]
    assert own["PrivateNetwork"] == ["yes"]
    assert own["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert own["DeviceAllow"][:2] == ["char-ttyUSB rw", "char-ttyACM rw"]
    assert sending["PrivateDevices"] == ["yes"]
    assert "DeviceAllow" not in sending
    assert own["StateDirectory"] == sending["StateDirectory"] == ["edgekit/gait"]
    assert own["User"] == sending["User"] == ["edgekit"]
    assert "--no-uplink" in own["ExecStart"][0]
    assert own["Wants"] == [uplink.name]


def test_without_a_broker_there_is_no_uplink(agent_config: Make) -> None:
    """One service, and without a budget no slice."""
    (agent,) = units(agent_config())

    assert "Wants" not in settings(agent)
    assert "Slice" not in settings(agent)


def test_the_budget_is_that_of_both(agent_config: Make) -> None:
    """Reclaim at the budget, kill at 15 % more, nothing swapped; in a slice that a hyphen does not split."""
    agent, uplink, around = units(agent_config(**ORDINARY, name="my-gait"))
    limits = settings(around)

    assert around.name == "edgekit-my_gait.slice"
    assert settings(agent)["Slice"] == settings(uplink)["Slice"] == [around.name]
    assert limits["MemoryHigh"] == [str(48 << 20)]
    assert int(limits["MemoryMax"][0]) == pytest.approx(1.15 * (48 << 20), abs=1)
    assert limits["MemorySwapMax"] == ["0"]


def test_the_watchdog_and_the_restarts(agent_config: Make) -> None:
    """A device on a roof never gives up, and hangs for half a minute at most."""
    found = settings(units(agent_config())[0])

    assert found["Type"] == ["notify"]
    assert found["WatchdogSec"] == ["30"]
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert found["RestartSteps"] == ["6"]
    assert "MALLOC_ARENA_MAX=2" in found["Environment"]


@pytest.mark.parametrize(
    ("port", "allowed"),
    [
        ("/dev/ttyAMA0", ["char-ttyAMA rw"]),
        ("/dev/ttyTHS1", ["char-ttyTHS rw"]),
        ("/dev/serial/by-id/usb-y", ["char-ttyUSB rw", "char-ttyACM rw"]),
        ("/dev/sensor", [f"char-tty{name} rw" for name in ("USB", "ACM", "AMA", "S", "THS")]),
    ],
)
def test_a_port_is_allowed_by_its_driver(agent_config: Make, port: str, allowed: list[str]) -> None:
    """The node may come back under another number; of other drivers nothing is open."""
    found = settings(units(agent_config(source=SerialSource(port=port)))[0])

    assert found["DeviceAllow"] == allowed
    assert found["SupplementaryGroups"] == ["dialout"]


def test_groups_are_those_of_the_system(agent_config: Make) -> None:
    """`gpio` is Raspberry Pi OS's own: named elsewhere it would keep the unit from starting."""
    on_pi = settings(units(agent_config(**EVERYTHING))[0])
    elsewhere = settings(units(agent_config(**{**EVERYTHING, "board": None}))[0])

    assert on_pi["SupplementaryGroups"] == ["dialout gpio i2c spi video"]
    assert "/dev/vcio rw" in on_pi["DeviceAllow"]
    assert elsewhere["SupplementaryGroups"] == ["dialout"]


def test_code_that_is_not_ours_may_use_the_network(agent_config: Make) -> None:
    """A command that cannot reach its server is of no use, nor is a sensor on Ethernet."""
    for changes in ({"sinks": (COMMAND,)}, {"source": EVERYTHING["source"]}):
        found = settings(units(agent_config(**changes))[0])

        assert "AF_INET" in found["RestrictAddressFamilies"][0]
        assert "PrivateNetwork" not in found


def test_secrets_come_as_credentials(agent_config: Make) -> None:
    """By name from a folder that only root reads; to the uplink alone."""
    agent, uplink, _ = units(agent_config(**ORDINARY))

    assert settings(uplink)["LoadCredential"] == ["broker:/etc/edgekit/gait/credentials/broker"]
    assert "LoadCredential" not in agent.text


def test_a_file_outside_of_the_state_folder_can_be_written(agent_config: Make) -> None:
    """Its folder is opened; paths with spaces and percent signs stay what they are."""
    sinks = (JsonlSink(path="/data/50% of it/out.jsonl"), JsonlSink(path="out.jsonl"))
    found = settings(units(agent_config(sinks=sinks))[0])

    assert found["ReadWritePaths"] == ['"-/data/50%% of it"']
    quoted = (JsonlSink(path='/data/a "b" c\\x/out.jsonl'),)
    found = settings(units(agent_config(sinks=quoted))[0])
    assert found["ReadWritePaths"] == [r'"-/data/a \"b\" c\\x"']


def test_a_version_makes_no_second_line(agent_config: Make) -> None:
    """Nothing in agent.json can add a setting to a unit that root installs."""
    text = units(agent_config(version="1\nExecStartPre=/bin/sh"))[0].text

    assert "\nExecStartPre" not in text


def test_no_app_takes_the_unit_of_another_ones_uplink(agent_config: Make) -> None:
    """Two apps on one board never write the same file."""
    with pytest.raises(ConfigError, match="the uplink of `gait`"):
        units(agent_config(name="gait-uplink"))
