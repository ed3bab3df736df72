"""
The systemd units of one app: generated from its configuration, so that they allow what it needs and no more.

Two services: the agent reads the sensor and has no network; the uplink has the network and no devices. A slice
around both holds the memory of the budget. Settings that a systemd is too old for are ignored by it with a line
in the journal (`RestartSteps` needs 254).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from edge_agent.config import (
    AgentConfig,
    PluginSource,
    SerialSource,
)
from edge_agent.config.sinks import CommandSink, JsonlSink, MqttSink
from edge_agent.errors import ConfigError
from edge_agent.overlay import FOLDER as SETTINGS

RELEASES = Path("/opt/edgekit")
STATE = Path("/var/lib/edgekit")
RUN = Path("/run/edgekit")
WATCHDOG_S = 30
HARD_LIMIT_FACTOR = 1.15
"""The kernel reclaims and slows at the budget; it kills at so much more."""
FALLBACK_UPLINK_MIB = 64
UPLINK = "-uplink"
CREDENTIAL = "credential:"
USB_SERIAL = ("char-ttyUSB", "char-ttyACM")
SERIAL = (*USB_SERIAL, "char-ttyAMA", "char-ttyS", "char-ttyTHS")
"""Names of serial drivers as in /proc/devices: a device node may come and go and change its number."""
BUSES = ("char-i2c", "char-spi", "char-gpiochip", *SERIAL)
BOARD_GROUPS = {"raspberry-pi": ("gpio", "i2c", "spi", "video"), "jetson": ("gpio", "i2c", "video")}
"""Groups that these systems have beside Debian's own: naming one that is not there keeps a unit from starting."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One file for /etc/systemd/system."""

    name: str
    text: str


def units(
    agent: AgentConfig, *, user: str = "edgekit", python: str = "/usr/bin/python3"
) -> tuple[Unit, ...]:
    """
    Return the units of an app, with this device's settings already in `agent`.

    Raises ConfigError for a name that would be taken twice. The release lies in /opt/edgekit/<app>/current; `user` owns state and processes; `python` is the interpreter.
    """
    if agent.name.endswith(UPLINK):
        raise ConfigError(
            f"the name `{agent.name}` ends in `{UPLINK}`: its unit would be the uplink of `{agent.name.removesuffix(UPLINK)}`",
            hint="change `name` under [project] in edgekit.toml",
        )
    found = [_agent_unit(agent, user, python)]
    if has_uplink(agent):
        found.append(_uplink_unit(agent, user, python))
    if agent.budget.memory_mib is not None:
        found.append(_slice_unit(agent))
    return tuple(found)


def has_uplink(agent: AgentConfig) -> bool:
    """Return whether anything goes to the network by way of the spool."""
    return any(isinstance(sink, MqttSink) for sink in agent.sinks)


def service_name(app: str) -> str:
    """Return the name of the agent's unit."""
    return f"edgekit-{app}.service"


def uplink_name(app: str) -> str:
    """Return the name of the uplink's unit."""
    return f"edgekit-{app}{UPLINK}.service"


def slice_name(app: str) -> str:
    """Return the name of the slice around both; in such a name `-` would mean a slice within a slice."""
    return f"edgekit-{app.replace('-', '_')}.slice"


def _agent_unit(agent: AgentConfig, user: str, python: str) -> Unit:
    app = agent.name
    after = ("local-fs.target", *([uplink_name(app)] if has_uplink(agent) else []))
    head = {
        "Description": f"EdgeKit agent: {app} {agent.version}",
        "After": after[0],
        "Wants": after[1:],
        "StartLimitIntervalSec": 0,  # a device on a roof never gives up
    }
    service = {
        "Type": "notify",
        "NotifyAccess": "main",
        "WatchdogSec": WATCHDOG_S,
        "ExecStart": f"{python} -m edge_agent run {RELEASES / app}/current/agent.json --log --no-uplink"
        f" --status {RUN / app}/status.json",
        **_process(agent, user),
        "SupplementaryGroups": _groups(agent),
        "OOMScoreAdjust": 200,  # the system survives the agent, which is restarted
        **_hardening(),
        "PrivateUsers": "no",  # the groups below own the devices
        "DevicePolicy": "closed",
        "DeviceAllow": _devices(agent),
        "ReadWritePaths": _written(agent),
        "SystemCallFilter": (
            "@system-service",
            "~@privileged",
        ),  # @resources: a limit on its own memory
        **(_network() if _needs_network(agent) else _no_network()),
    }
    return _unit(service_name(app), head, service, agent)


def _uplink_unit(agent: AgentConfig, user: str, python: str) -> Unit:
    app = agent.name
    head = {
        "Description": f"EdgeKit uplink: {app} {agent.version}",
        "After": "network.target",
        "PartOf": service_name(app),
        "StartLimitIntervalSec": 0,
    }
    service = {
        "Type": "exec",
        "ExecStart": f"{python} -m edge_agent uplink {RELEASES / app}/current/agent.json"
        f" --state {STATE / app} --status {RUN / app}/status.json --log",
        **_process(agent, user),
        "LoadCredential": tuple(
            f"{name}:{SETTINGS / app}/credentials/{name}" for name in _credentials(agent)
        ),
        "OOMScoreAdjust": 400,  # before the agent: the spool keeps what it cannot send
        **({} if agent.budget.memory_mib else {"MemoryMax": f"{FALLBACK_UPLINK_MIB}M"}),
        **_hardening(),
        "PrivateDevices": "yes",
        "PrivateUsers": "yes",
        "DevicePolicy": "closed",
        "SystemCallFilter": ("@system-service", "~@privileged @resources"),
        **_network(),
    }
    return _unit(uplink_name(app), head, service, agent)


def _slice_unit(agent: AgentConfig) -> Unit:
    budget = agent.budget.memory_bytes or 0
    text = _text(
        "Slice",
        {
            "MemoryAccounting": "yes",
            "MemoryHigh": budget,
            "MemoryMax": math.ceil(budget * HARD_LIMIT_FACTOR),
            "MemorySwapMax": 0,
        },
    )
    head = _text("Unit", {"Description": f"EdgeKit: memory of {agent.name}"})
    return Unit(name=slice_name(agent.name), text=f"{head}\n{text}")


def _process(agent: AgentConfig, user: str) -> dict[str, object]:
    """Return what both processes share: who they are, where they live, how they come back."""
    app = agent.name
    release = RELEASES / app / "current"
    return {
        "WorkingDirectory": str(release),
        "Environment": (
            f"PYTHONPATH={release}/site",
            "PYTHONSAFEPATH=1",
            "PYTHONDONTWRITEBYTECODE=1",
            "MALLOC_ARENA_MAX=2",  # an arena a thread would keep what each once needed
        ),
        "User": user,
        "Group": user,
        "Slice": slice_name(app) if agent.budget.memory_mib else (),
        "StateDirectory": f"edgekit/{app}",
        "StateDirectoryMode": "0750",
        "RuntimeDirectory": f"edgekit/{app}",
        "RuntimeDirectoryMode": "0755",  # `status.json` is for everybody, and in memory
        "RuntimeDirectoryPreserve": "yes",  # the other service has its file there as well
        "UMask": "0027",
        "Restart": "always",
        "RestartSec": 2,
        "RestartSteps": 6,
        "RestartMaxDelaySec": 60,
        "TimeoutStopSec": 10,
        "TasksMax": 32,
        "OOMPolicy": "stop",
    }


def _hardening() -> dict[str, object]:
    yes = (
        "NoNewPrivileges",
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "PrivateTmp",
        "PrivateMounts",
        "ProtectClock",
        "ProtectControlGroups",
        "ProtectHome",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "RemoveIPC",
        "RestrictNamespaces",
        "RestrictRealtime",
        "RestrictSUIDSGID",
    )
    return {
        **dict.fromkeys(yes, "yes"),
        "ProtectSystem": "strict",
        "ProtectProc": "invisible",
        "CapabilityBoundingSet": "",
        "AmbientCapabilities": "",
        "KeyringMode": "private",
        "SystemCallArchitectures": "native",
        "SystemCallErrorNumber": "EPERM",
    }


def _network() -> dict[str, object]:
    return {"RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6"}


def _no_network() -> dict[str, object]:
    return {
        "RestrictAddressFamilies": "AF_UNIX",  # the service manager
        "PrivateNetwork": "yes",
        "IPAddressDeny": "any",
    }


def _needs_network(agent: AgentConfig) -> bool:
    """Return whether code that is not ours runs in the agent: it may well talk to the network."""
    return isinstance(agent.source, PluginSource) or any(
        isinstance(sink, CommandSink) for sink in agent.sinks
    )


def _devices(agent: AgentConfig) -> tuple[str, ...]:
    devices: tuple[str, ...] = ()
    if isinstance(agent.source, PluginSource):
        devices = BUSES
    elif isinstance(agent.source, SerialSource):
        driver = re.fullmatch(r"/dev/(tty[A-Z]+)\d+", agent.source.port)
        if driver:
            devices = (f"char-{driver[1]}",)
        else:
            devices = USB_SERIAL if "/by-id/" in agent.source.port else SERIAL
    if _is_on(agent, "raspberry-pi"):
        devices += ("/dev/vcio", "/dev/vcio_gencmd")  # the firmware's meter and throttling
    return tuple(f"{device} rw" for device in devices)


def _groups(agent: AgentConfig) -> tuple[str, ...]:
    groups: set[str] = set()
    if isinstance(agent.source, SerialSource | PluginSource):
        groups.add("dialout")
    if _is_on(agent, "raspberry-pi"):
        groups.add("video")
    if isinstance(agent.source, PluginSource):
        for board, names in BOARD_GROUPS.items():
            groups.update(names if _is_on(agent, board) else ())
    return (" ".join(sorted(groups)),) if groups else ()


def _is_on(agent: AgentConfig, family: str) -> bool:
    return agent.board is not None and agent.board.id.startswith(family)


def _written(agent: AgentConfig) -> tuple[str, ...]:
    """Return the folders of sinks outside of the state folder; one that is missing is no reason not to start."""
    folders = {Path(sink.path).parent for sink in agent.sinks if isinstance(sink, JsonlSink)}
    return tuple(sorted(_quoted(f"-{folder}") for folder in folders if folder.is_absolute()))


def _quoted(word: str) -> str:
    r"""Return a word as systemd reads it in a list: `\` and `"` would end it, or mean something."""
    escaped = word.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _credentials(agent: AgentConfig) -> tuple[str, ...]:
    names = set()
    for sink in agent.sinks:
        if isinstance(sink, MqttSink):
            for file in (sink.password_file, sink.ca_file, sink.cert_file, sink.key_file):
                if file is not None and file.startswith(CREDENTIAL):
                    names.add(file.removeprefix(CREDENTIAL))
    return tuple(sorted(names))


def _unit(
    name: str, head: dict[str, object], service: dict[str, object], agent: AgentConfig
) -> Unit:
    made = f"# Made by EdgeKit for {_one_line(f'{agent.name} {agent.version}')}"
    parts = [
        f"{made}; `systemctl edit` adds to it, an update replaces it.\n" + _text("Unit", head),
        _text("Service", service),
        _text("Install", {"WantedBy": "multi-user.target"}),
    ]
    return Unit(name=name, text="\n".join(parts))


def _text(section: str, settings: dict[str, object]) -> str:
    """Return a section; a tuple makes a line for each item, an empty one none. `%` would be a specifier."""
    lines = [f"[{section}]"]
    for key, value in settings.items():
        values = value if isinstance(value, tuple) else (value,)
        lines += [f"{key}={_one_line(str(item)).replace('%', '%%')}" for item in values]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    """Return a text that cannot add a setting to a file that root installs."""
    return "".join(mark if mark.isprintable() else "?" for mark in text)
