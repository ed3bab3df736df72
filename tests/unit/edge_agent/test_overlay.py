"""A device sets what is its own, and nothing else; no refusal repeats a secret."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.config import (
    Calibration,
    CommandSink,
    Decision,
    JsonlSink,
    MqttSink,
    PluginSource,
    SerialSource,
    SysfsSource,
)
from edge_agent.errors import ConfigError
from edge_agent.overlay import default_device, overlay_path, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_agent.config import AgentConfig
    from edge_agent.overlay import Settings

    Make = Callable[..., AgentConfig]

SERIAL = SerialSource(port="/dev/ttyUSB0")
SINKS = (
    JsonlSink(path="out.jsonl"),
    MqttSink(kind="mqtt", url="mqtt://broker"),
    MqttSink(kind="mqtt", url="mqtt://second"),
    CommandSink(kind="command", command=("beep",)),
)


@pytest.fixture
def read(agent_config: Make, tmp_path: Path) -> Callable[..., Settings]:
    """Return a function that lays a document over a configuration with all kinds of sinks."""

    def read(document: Any, **changes: Any) -> Settings:
        agent = agent_config(**{"source": SERIAL, "sinks": SINKS, **changes})
        path = tmp_path / "device.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return read_settings(agent, tmp_path / "agent.json", path, root=tmp_path)

    return read


def test_what_is_the_devices_own_is_laid_over(read: Callable[..., Settings]) -> None:
    """Id, port, addresses, credential files, calibration and threshold; all else stays."""
    settings = read(
        {
            "device": "roof-17",
            "source": {"port": "/dev/serial/by-id/usb-x", "baud": 9600},
            "sink": {
                "jsonl": {"path": "/data/out.jsonl"},
                "mqtt": {"url": "mqtts://other", "user": "roof", "password_file": "/etc/x/pw"},
                "mqtt-2": {"url": "mqtt://third"},
            },
            "calibration": {"gain": [1.01, 0.99], "offset": [0, -0.5]},
            "decision": {"threshold": {"high": 0.7}},
        },
        decision=Decision(hold=3),
    )
    agent = settings.agent

    assert settings.device == "roof-17"
    assert agent.source == SerialSource(port="/dev/serial/by-id/usb-x", baud=9600)
    assert agent.sinks == (
        JsonlSink(path="/data/out.jsonl"),
        MqttSink(kind="mqtt", url="mqtts://other", user="roof", password_file="/etc/x/pw"),
        MqttSink(kind="mqtt", url="mqtt://third"),
        SINKS[3],
    )
    assert agent.calibration == Calibration(gain=(1.01, 0.99), offset=(0.0, -0.5))
    assert agent.decision == Decision(threshold={"high": 0.7}, hold=3)
    assert agent.input.rate_hz == 50


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        (SysfsSource(files=("/sys/a", "/sys/b")), {"files": ["/sys/c", "/sys/d"]}),
        (PluginSource(kind="adc:Adc", package="adc"), {"options": {"pin": 4}}),
    ],
)
def test_each_source_has_its_own_keys(
    read: Callable[..., Settings], source: Any, keys: dict[str, Any]
) -> None:
    """Files of a sysfs source, options of one's own class."""
    found = read({"source": keys}, source=source).agent.source
    (name,) = keys
    wanted = tuple(keys[name]) if name == "files" else keys[name]

    assert found == replace(source, **{name: wanted})


@pytest.mark.parametrize(
    ("document", "said", "hint"),
    [
        ({"devise": "x"}, "`devise` is no key", "did you mean `device`?"),
        ({"model": {}}, "`model` belongs to the release", "edgekit.toml"),
        ({"source": {"prot": "x"}}, "`source.prot` is no key", "did you mean `port`?"),
        ({"source": {"format": "cobs"}}, "`source.format` belongs to the release", "`port`"),
        ({"source": {"baud": "fast"}}, '`source.baud` is `"fast"`', None),
        ({"source": []}, "`source` must be an object", None),
        ({"sink": {"mqtt": {"uri": "x"}}}, "`sink.mqtt.uri` is no key", "did you mean `url`?"),
        ({"sink": {"mqtt": {"topic": "x"}}}, "`sink.mqtt.topic` belongs to the release", None),
        ({"sink": {"mqtt-3": {}}}, "`sink.mqtt-3` is no key", "did you mean `mqtt-2`?"),
        ({"sink": {"command": {"command": ["rm"]}}}, "`sink.command.command` belongs", "nothing"),
        ({"sink": {"mqtt": {"url": "http://x"}}}, "in `sink.mqtt`: `url` is", None),
        ({"decision": {"hold": 9}}, "`decision.hold` belongs to the release", "`threshold`"),
        ({"calibration": {"gain": [1]}}, "in `calibration`: `gain` has 1 values for 2", None),
        ({"calibration": {"gain": [0, 1]}}, "`gain` is 0", None),
        ({"device": "a/b"}, "`device` must be letters", None),
        ({"device": ""}, "`device` must be letters", None),
        ({"device": "x" * 65}, "`device` has more than 64", None),
        ({"format": 2}, "`format` is not 1", None),
        ({"format": True}, "`format` is not 1", None),
        ({"format": 1.0}, "`format` is not 1", None),
        ("[]", "the whole of it must be an object", None),
        ("{", "is no JSON", None),
        ('{"device": "a", "device": "b"}', "`device` stands twice", None),
    ],
)
def test_what_is_not_the_devices_is_refused_by_name(
    read: Callable[..., Settings], document: Any, said: str, hint: str | None
) -> None:
    """The key, the file, and what to do."""
    with pytest.raises(ConfigError) as caught:
        read(document)

    assert said in caught.value.message
    assert "device.json" in caught.value.message
    if hint is not None:
        assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "document",
    [
        {"sink": {"mqtt": {"password": "hunter2"}}},
        {"password": "hunter2"},
        {"sink": {"mqtt": {"token": {"a": "hunter2"}}}},
        {"sink": {"mqtt": {"url": "mqtt://roof:hunter2@broker"}}},
        {"sink": {"mqtt": {"password_file": ["hunter2"]}}},
        {"sink": {"mqtt": {"user": {"roof": "hunter2"}}}},
        {
            "sink": {
                "mqtt": {"url": "mqtt://h", "key_file": "hunter2-key"},
                "jsonl": {"pw": "hunter2"},
            }
        },
    ],
)
def test_a_refusal_repeats_no_secret(read: Callable[..., Settings], document: Any) -> None:
    """A password that was written in the wrong place does not end up in a journal."""
    with pytest.raises(ConfigError) as caught:
        read(document)

    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_a_huge_file_is_not_read_whole(read: Callable[..., Settings]) -> None:
    """It would fill the memory of a small board."""
    with pytest.raises(ConfigError, match="is larger than 256 KiB"):
        read('{"device": "' + "a" * (1 << 18) + '"}')


def test_a_password_belongs_into_a_file(read: Callable[..., Settings]) -> None:
    """The hint names the key that was meant."""
    with pytest.raises(ConfigError) as caught:
        read({"sink": {"mqtt": {"password": "x"}}})

    assert "`password_file`" in (caught.value.hint or "")


def test_digests_say_what_runs(read: Callable[..., Settings], tmp_path: Path) -> None:
    """The release by its manifest, the settings by their bytes."""
    (tmp_path / "manifest.json").write_bytes(b"{}")
    settings = read({"device": "a"})

    assert settings.release == hashlib.sha256(b"{}").hexdigest()
    assert settings.overlay == hashlib.sha256(b'{"device": "a"}').hexdigest()
    assert settings.overlay_path == tmp_path / "device.json"


def test_a_device_without_settings_runs_the_release_as_it_is(
    agent_config: Make, tmp_path: Path
) -> None:
    """The default path may be missing; a path that was asked for may not."""
    (tmp_path / "agent.json").write_bytes(b"agent")
    settings = read_settings(agent_config(), tmp_path / "agent.json", root=tmp_path)

    assert settings.agent == agent_config()
    assert settings.overlay is None
    assert settings.release == hashlib.sha256(b"agent").hexdigest()
    with pytest.raises(ConfigError, match="there are no settings"):
        read_settings(agent_config(), tmp_path / "agent.json", tmp_path / "none.json")


def test_the_default_settings_are_those_of_the_app(agent_config: Make, tmp_path: Path) -> None:
    """/etc/edgekit/<app>/device.json, below the root."""
    path = tmp_path / overlay_path("gait").relative_to("/")
    path.parent.mkdir(parents=True)
    path.write_text('{"device": "shed"}')

    assert read_settings(agent_config(), tmp_path / "agent.json", root=tmp_path).device == "shed"


def test_copied_cards_have_ids_of_their_own(tmp_path: Path) -> None:
    """Two machines of one host name differ; the machine id itself stays at home."""
    names = set()
    for machine in ("0" * 32, "1" * 32):
        (tmp_path / "etc").mkdir(exist_ok=True)
        (tmp_path / "etc/machine-id").write_text(machine + "\n")
        names.add(default_device(tmp_path))

    assert len(names) == 2
    assert not any("000000" in name or "111111" in name for name in names)
