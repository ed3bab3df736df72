"""
What one device has of its own: `/etc/edgekit/<app>/device.json`, laid over the bundle's agent.json.

One bundle serves five hundred boards, so each says for itself where its sensor is plugged in, where its results
go, who it is and how its sensor is off. Only the keys below may be set; everything else belongs to the release.
Secrets are never in it: it names the files that hold them.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from edge_agent.config import AgentConfig, Calibration
from edge_agent.digest import sha256_hex
from edge_agent.errors import ConfigError
from edge_agent.schema import from_document, read_json

FOLDER = Path("/etc/edgekit")
NAME = "device.json"
FORMAT = 1

SOURCE_KEYS = {
    "serial": ("port", "baud"),
    "sysfs": ("files",),
    "replay": ("path",),
    "stdin": (),
}
PLUGIN_KEYS = ("options",)
SINK_KEYS = {
    "mqtt": ("url", "user", "password_file", "ca_file", "cert_file", "key_file"),
    "jsonl": ("path",),
    "command": (),
    "terminal": (),
}
DECISION_KEYS = ("threshold",)
SECTIONS = ("format", "device", "source", "sink", "calibration", "decision")
SECRETS = ("password", "token", "secret", "key", "username")
"""What people write who mean `password_file` or `key_file`."""

DEVICE_MARKS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
LONGEST_DEVICE = 64
LARGEST_BYTES = 1 << 18
"""A file that is larger would fill the memory of a small board before anybody could say what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What this device runs: the release's configuration with its own settings in it."""

    agent: AgentConfig
    device: str
    """Id of the device: it stands in topics and message ids."""
    release: str
    """SHA-256 of the bundle's manifest; of agent.json where there is no bundle around it."""
    overlay: str | None
    """SHA-256 of the device's own settings; None where it has none."""
    overlay_path: Path | None = None
    """Where they lie."""


def overlay_path(app: str) -> Path:
    """Return where the settings of this device lie."""
    return FOLDER / app / NAME


def read_settings(
    agent: AgentConfig, agent_json: Path, overlay: Path | None = None, *, root: Path = Path("/")
) -> Settings:
    """
    Lay the device's settings over `agent`, which was read from `agent_json`.

    `overlay` must exist if it is given; the default one need not. Below `root` lie /etc/edgekit and
    /etc/machine-id. Raises ConfigError naming the key that is unknown, not the device's to set, or wrong.
    """
    path = overlay or root / overlay_path(agent.name).relative_to("/")
    release = _release(agent_json)
    text = _read_text(path, needed=overlay is not None)
    if text is None:
        return Settings(agent=agent, device=default_device(root), release=release, overlay=None)
    document = _object(read_json(text, where=str(path)), "", str(path))
    laid = _Overlay(document, str(path)).lay_over(agent)
    return Settings(
        agent=laid,
        device=document.get("device") or default_device(root),
        release=release,
        overlay=sha256_hex(text.encode()),
        overlay_path=path,
    )


def default_device(root: Path = Path("/")) -> str:
    """
    Return an id for a device that was given none: its host name and six digits of its machine's own.

    Cards that were copied share their host name, never the machine id, which is made at the first start.
    machine-id(5) asks to publish only a digest of it.
    """
    host = os.uname().nodename.partition(".")[0]
    name = "".join(mark if mark in DEVICE_MARKS else "-" for mark in host) or "device"
    try:
        machine = (root / "etc/machine-id").read_bytes().strip()
    except OSError:
        return name
    return f"{name[: LONGEST_DEVICE - 7]}-{sha256_hex(b'edgekit' + machine)[:6]}"


class _Overlay:
    """One device.json: each section checked against what a device may set, then against the schema."""

    def __init__(self, document: dict[str, Any], where: str) -> None:
        self._document = document
        self._where = where

    def lay_over(self, agent: AgentConfig) -> AgentConfig:
        """Return the configuration with the device's settings. Raises ConfigError."""
        names = tuple(field.name for field in fields(AgentConfig))
        self._check_keys("", self._document, SECTIONS, known=names)
        number = self._document.get("format", FORMAT)
        if type(number) is not int or number != FORMAT:  # True equals 1
            raise self._refusal("format", f"is not {FORMAT}: it is for another version of EdgeKit")
        self._check_device()
        changes: dict[str, Any] = {}
        if "source" in self._document:
            keys = SOURCE_KEYS.get(agent.source.kind, PLUGIN_KEYS)
            changes["source"] = self._laid(agent.source, "source", keys)
        if "decision" in self._document:
            changes["decision"] = self._laid(agent.decision, "decision", DECISION_KEYS)
        if "calibration" in self._document:
            changes["calibration"] = self._calibration(agent.input.channels)
        if "sink" in self._document:
            changes["sinks"] = self._sinks(agent)
        return replace(agent, **changes)

    def _sinks(self, agent: AgentConfig) -> tuple[Any, ...]:
        sinks = list(agent.sinks)
        places = _sink_names([sink.kind for sink in sinks])
        section = self._section("sink")
        self._check_keys("sink", section, tuple(places))
        for name in section:
            place = places[name]
            keys = SINK_KEYS[sinks[place].kind]
            self._check_texts(f"sink.{name}", section[name], keys)
            sinks[place] = self._laid(sinks[place], f"sink.{name}", keys, section[name])
        return tuple(sinks)

    def _check_texts(self, key: str, section: Any, keys: tuple[str, ...]) -> None:
        """Refuse what is no text by its key: the schema would show the value, which may be a secret."""
        for name, value in _object(section, key, self._where).items():
            if name in keys and value is not None and not isinstance(value, str):
                raise self._refusal(f"{key}.{name}", "must be a string")

    def _calibration(self, channels: tuple[str, ...]) -> Calibration:
        key = "calibration"
        calibration = from_document(Calibration, self._section(key), where=self._where, key=key)
        try:
            calibration.check_fits(channels)
        except ValueError as error:
            raise ConfigError(f"{self._where}: in `{key}`: {error}") from None
        return calibration

    def _laid(self, part: Any, key: str, allowed: tuple[str, ...], section: Any = None) -> Any:
        """Return one dataclass of the configuration with the values of a section in place of its own."""
        section = self._section(key) if section is None else _object(section, key, self._where)
        self._check_keys(key, section, allowed, known=tuple(item.name for item in fields(part)))
        document = {**json.loads(json.dumps(asdict(part))), **section}
        return from_document(type(part), document, where=self._where, key=key)

    def _section(self, key: str) -> dict[str, Any]:
        return _object(self._document[key], key, self._where)

    def _check_device(self) -> None:
        device = self._document.get("device")
        if device is None:
            return
        if not isinstance(device, str) or not device or not DEVICE_MARKS.issuperset(device):
            raise self._refusal("device", "must be letters, digits, `-`, `_` and `.`")
        if len(device) > LONGEST_DEVICE:
            raise self._refusal("device", f"has more than {LONGEST_DEVICE} characters")

    def _check_keys(
        self,
        key: str,
        section: dict[str, Any],
        allowed: tuple[str, ...],
        *,
        known: tuple[str, ...] = (),
    ) -> None:
        """Refuse a key by its name alone: what stands behind it may be a secret."""
        for name in section:
            dotted = f"{key}.{name}" if key else name
            if name in allowed:
                continue
            if name in SECRETS and f"{name}_file" in allowed:
                raise self._refusal(
                    dotted,
                    "would put a secret into the settings",
                    hint=f"write it into a file of its own and name that: `{name}_file`",
                )
            choices = ", ".join(f"`{item}`" for item in allowed) or "nothing"
            if name in known:
                raise self._refusal(
                    dotted,
                    "belongs to the release: a device cannot set it",
                    hint=f"set it in edgekit.toml; here a device may set {choices}",
                )
            near = difflib.get_close_matches(name, allowed, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"a device may set {choices}"
            raise self._refusal(dotted, "is no key that is known here", hint=hint)

    def _refusal(self, key: str, message: str, hint: str | None = None) -> ConfigError:
        return ConfigError(f"{self._where}: `{key}` {message}", hint=hint)


def _sink_names(kinds: list[str]) -> dict[str, int]:
    """Return what the overlay calls each sink: its kind, and with a number where there are several (`mqtt-2`)."""
    names: dict[str, int] = {}
    for place, kind in enumerate(kinds):
        number = kinds[: place + 1].count(kind)
        names[kind if number == 1 else f"{kind}-{number}"] = place
    return names


def _object(value: Any, key: str, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        what = f"`{key}`" if key else "the whole of it"
        raise ConfigError(f"{where}: {what} must be an object")
    return value


def _read_text(path: Path, *, needed: bool) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
        if len(data) > LARGEST_BYTES:
            raise ConfigError(
                f"`{path}` is larger than {LARGEST_BYTES >> 10} KiB: it holds no settings of a device",
                hint='write them anew: `{"device": "…"}`',
            )
        return data.decode("utf-8")
    except FileNotFoundError:
        if not needed:
            return None
        raise ConfigError(
            f"there are no settings `{path}`", hint='write them: `{"device": "…"}`'
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot read `{path}`: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"`{path}` is no UTF-8 text") from None


def _release(agent_json: Path) -> str:
    for path in (agent_json.with_name("manifest.json"), agent_json):
        with contextlib.suppress(OSError):
            return sha256_hex(path.read_bytes())
    return ""
