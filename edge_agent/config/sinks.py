"""Where results go: one dataclass for each kind of sink."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, Union

from edge_agent.config.checks import STRICT, check

_URL = re.compile(
    r"(?P<scheme>mqtts?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/:@\[\]\s?#]+)(:(?P<port>\d{1,5}))?/?"
)
CREDENTIAL = "credential:"
"""What a file of a secret begins with that systemd passes on."""
_CREDENTIAL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = ("name", "device", "type", "event")
_LONGEST_TOPIC_BYTES = 1024
"""Far below MQTT's 65535; device and labels come on top."""
_FIRST_MIB = 1
_SHORTEST_WINDOW_S = 0.05


@dataclass(frozen=True, kw_only=True)
class TerminalSink:
    """A live line in a terminal, a line an event elsewhere."""

    __pydantic_config__ = STRICT

    kind: Literal["terminal"] = "terminal"


@dataclass(frozen=True, kw_only=True)
class JsonlSink:
    """One JSON object a line."""

    __pydantic_config__ = STRICT

    kind: Literal["jsonl"] = "jsonl"
    path: str
    """File to append to; relative to the folder of the project (on a device: the working folder)."""
    predictions: bool = True
    """Write every prediction, not events alone."""
    rotate_mib: float | None = None
    """Size at which the file becomes `path.1` and a new one is begun; by default it grows without bound."""
    keep: int = 5
    """How many older files stay: `path.1` is the newest of them."""

    def __post_init__(self) -> None:
        check(
            self.rotate_mib is None or 0 < self.rotate_mib < math.inf,
            f"`rotate_mib` is {self.rotate_mib}: must be positive",
        )
        check(self.keep >= 1, f"`keep` is {self.keep}: must be at least 1")


@dataclass(frozen=True, kw_only=True)
class CommandSink:
    """A program that is run on every event, one at a time: JSON on its standard input, `EDGEKIT_…` in its environment."""

    __pydantic_config__ = STRICT

    kind: Literal["command"]
    command: tuple[str, ...]
    """The program and its arguments; no shell is between."""
    timeout_s: float = 10.0
    """How long it may take; then it is ended, with all that it started."""

    def __post_init__(self) -> None:
        check(bool(self.command and self.command[0]), "`command` is empty: name a program")
        check(0 < self.timeout_s < math.inf, f"`timeout_s` is {self.timeout_s}: must be positive")


class Broker(NamedTuple):
    """Where an MQTT broker listens."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, kw_only=True)
class MqttSink:
    """Messages to an MQTT broker, kept on the disk until it has acknowledged them."""

    __pydantic_config__ = STRICT

    kind: Literal["mqtt"]
    url: str
    """`mqtt://host[:1883]`, or with TLS `mqtts://host[:8883]`."""
    topic: str = "edgekit/{name}/{device}/{type}"
    """Topic of a message: `{name}` of the project, `{device}`, `{type}` of the record, `{event}`: the label of an event, else the type."""
    status_topic: str = "edgekit/{name}/{device}/status"
    """Topic of the retained heartbeat and of the Last Will."""
    user: str | None = None
    """User name at the broker; without it, `password_file` may hold `user:password`."""
    password_file: str | None = None
    """File whose first line is the password, or `credential:NAME` for a credential that systemd passes on."""
    ca_file: str | None = None
    """Certificate that the broker's is checked against; by default those of the system."""
    cert_file: str | None = None
    """This device's own certificate, with `key_file`, where the broker asks for one."""
    key_file: str | None = None
    """Its private key; a file or `credential:NAME`."""
    predictions: bool = False
    """Send every prediction, not events alone."""
    heartbeat_s: float = 60.0
    """Seconds from one retained heartbeat to the next."""
    spool_mib: int = 64
    """How much may wait on the disk for the broker."""
    reserve_mib: int = 64
    """Free space of the disk that the waiting messages do not grow into."""
    loss_window_s: float = 1.0
    """The latest records that a power cut may cost, in seconds: how often they are forced to the disk."""
    drop: Literal["oldest", "newest"] = "oldest"
    """Which messages give way when there is no more room."""

    def __post_init__(self) -> None:
        matched = _URL.fullmatch(self.url)
        # What stands before an `@` may be a password: the value is not repeated in the message.
        check(
            "@" not in self.url,
            "`url` has an `@`: give user and password by `user` and `password_file`",
        )
        check(
            matched is not None and 0 < int(matched["port"] or 1) < 1 << 16,
            f"`url` is `{self.url}`: must be `mqtt://host`, `mqtts://host`, each with `:port` or without",
        )
        for name in ("password_file", "ca_file", "cert_file", "key_file"):
            _check_credential(name, getattr(self, name))
        for name in ("topic", "status_topic"):
            _check_topic(name, getattr(self, name))
        check(
            (self.cert_file is None) == (self.key_file is None),
            "`cert_file` and `key_file` go together: one of them is missing",
        )
        check(
            self.broker.tls or (self.ca_file is None and self.cert_file is None),
            "`ca_file`, `cert_file` and `key_file` are for TLS: use `mqtts://` in `url`",
        )
        check(self.user is None or bool(self.user), "`user` is empty: leave it out, or name one")
        check(
            1 <= self.heartbeat_s < math.inf,
            f"`heartbeat_s` is {self.heartbeat_s}: must be at least 1",
        )
        check(self.spool_mib >= _FIRST_MIB, f"`spool_mib` is {self.spool_mib}: must be at least 1")
        check(self.reserve_mib >= 0, f"`reserve_mib` is {self.reserve_mib}: must not be negative")
        check(
            _SHORTEST_WINDOW_S <= self.loss_window_s < math.inf,
            f"`loss_window_s` is {self.loss_window_s}: must be at least {_SHORTEST_WINDOW_S}",
        )

    @property
    def broker(self) -> Broker:
        """Host, port and whether there is TLS, from the URL."""
        matched = _URL.fullmatch(self.url)
        if matched is None:
            raise ValueError("`url` names no broker")
        scheme = matched["scheme"]
        return Broker(
            matched["host"].strip("[]"), int(matched["port"] or _PORTS[scheme]), scheme == "mqtts"
        )


def _check_credential(key: str, file: str | None) -> None:
    """Raise ValueError for a credential that could not stand in a unit, or be a file's name."""
    if file is not None and file.startswith(CREDENTIAL):
        name = file.removeprefix(CREDENTIAL)
        check(
            _CREDENTIAL_NAME.fullmatch(name) is not None and name.strip(".") != "",
            f"`{key}` is `{file}`: the name of a credential has letters, digits, `_`, `-` and `.`",
        )


def _check_topic(key: str, topic: str) -> None:
    """Raise ValueError for what is no topic to publish to."""
    unknown = next(
        (name for name in _PLACEHOLDER.findall(topic) if name not in _PLACEHOLDERS), None
    )
    known = ", ".join(f"`{{{name}}}`" for name in _PLACEHOLDERS)
    check(unknown is None, f"`{key}` has `{{{unknown}}}`: known are {known}")
    plain = _PLACEHOLDER.sub("", topic)
    wrong = next((sign for sign in ("+", "#", "\0", "{", "}") if sign in plain), None)
    check(wrong is None, f"`{key}` is `{topic}`: {wrong!r} cannot stand in a topic")
    check(
        0 < len(topic.encode()) <= _LONGEST_TOPIC_BYTES and not topic.startswith("$"),
        f"`{key}` is `{topic}`: must be a topic of 1 to {_LONGEST_TOPIC_BYTES} bytes that does not begin with `$`",
    )


Sink = Union[TerminalSink, JsonlSink, CommandSink, MqttSink]  # noqa: UP007 (evaluated on Python 3.10 as well)
