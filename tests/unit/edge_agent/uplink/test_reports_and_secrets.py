"""What the uplink says of itself, and where its secrets come from."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.config import MqttSink
from edge_agent.spool.record import Boot, Kind, Record, encode
from edge_agent.uplink.credentials import read_login
from edge_agent.uplink.link import LinkError
from edge_agent.uplink.messages import Messages
from edge_agent.uplink.report import NAME, Report, read_document, uplink_notes, uplink_pids
from edge_agent.uplink.start import uplink_command

if TYPE_CHECKING:
    from pathlib import Path

DOWN = {"link": "disconnected", "broker": "b:1883", "failure": "refused", "waiting_bytes": 7}
UP = {"link": "online", "broker": "b:1883", "failure": "", "waiting_bytes": 0}


def messages(**keys: Any) -> Messages:
    """Make those of a device whose names have signs in them that mean something in topics."""
    sink = MqttSink(kind="mqtt", url="mqtt://b", **keys)
    return Messages(sink, name="gait", version="1", device="a/b+c")


def test_a_topic_has_no_level_that_was_filled_in() -> None:
    """Nor a wildcard; an empty label is a name all the same."""
    made = messages(topic="{name}/{device}/{type}/{event}")
    for label, last in (("x/#", "x__"), ("", "_"), ("{device}", "{device}")):
        payload = json.dumps({"type": "event", "label": label}).encode()
        topic, content = made.of(Record(Boot(7, 1), 3, Kind.EVENT, payload, 0))
        assert topic == f"gait/a_b_c/event/{last}"
        assert json.loads(content) == {
            "id": "a/b+c/7-00000001/3",
            "type": "event",
            "label": label,
        }


@pytest.mark.parametrize(
    ("label", "level"),
    [
        ("a\tb", "a_b"),  # mosquitto closes the connection on these
        ("a\x85b", "a_b"),
        ("a\uffffb\ufdd0", "a_b_"),
        ("\U0010fffe", "_"),
        ("a\udc80b", "a_b"),  # and this one is no UTF-8
        ("x" * 70_000, "x" * 200),
        ("Tür öffnen", "Tür öffnen"),
        ("$SYS", "_SYS"),  # a broker acknowledges it and tells nobody
    ],
)
def test_a_topic_that_every_broker_takes(label: str, level: str) -> None:
    """Whatever the label: else this record would hold up all that come behind it."""
    made = messages(topic="{event}/x")
    payload = encode({"type": "event", "label": label})
    topic, content = made.of(Record(Boot(7, 1), 3, Kind.EVENT, payload, 0))
    assert topic == f"{level}/x"
    assert json.loads(content)["label"] == label


def test_the_report_is_written_when_something_changed(tmp_path: Path) -> None:
    """Or every ten seconds; it can be read at any time."""
    report = Report(tmp_path)
    for now_s, facts, expected in (
        (0.0, DOWN, "disconnected"),
        (1.0, {**DOWN, "waiting_bytes": 8}, 7),
        (11.0, {**DOWN, "waiting_bytes": 8}, 8),
        (11.5, UP, "online"),
    ):
        report.write({"mqtt": facts}, now_s)
        document, age_s = read_document(tmp_path / NAME)
        assert document is not None
        assert age_s is not None
        assert expected in document["sinks"]["mqtt"].values()
    assert uplink_pids(tmp_path) == (os.getpid(),)


def test_what_the_user_is_told_of_the_uplink(tmp_path: Path) -> None:
    """A sentence for a connection that is down; nothing of one that is up, nor where nothing is known."""
    assert uplink_notes(tmp_path) == ()
    Report(tmp_path).write({"mqtt": UP, "mqtt-2": DOWN}, 0.0)
    assert uplink_notes(tmp_path) == ("nothing reaches b:1883 (refused): 7 bytes wait on the disk",)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x", "sinks": 3}', '{"pid": 4194305}'])
def test_a_report_that_is_none(tmp_path: Path, text: str) -> None:
    """Whoever reads it goes on."""
    (tmp_path / NAME).write_text(text)
    assert uplink_pids(tmp_path) == ()
    assert uplink_notes(tmp_path) == ()


def test_a_login_from_a_file_or_a_credential(tmp_path: Path) -> None:
    """The first line, without the end of it that Windows has."""
    (tmp_path / "password").write_bytes(b"top:secret\r\nsecond line\n")

    def login(environment: dict[str, str] | None = None, **keys: str) -> object:
        return read_login(MqttSink(kind="mqtt", url="mqtt://b", **keys), environment or {})  # type: ignore[arg-type]

    path = str(tmp_path / "password")
    assert login() is None
    assert login(user="u") == ("u", None)
    assert login(user="u", password_file=path) == ("u", "top:secret")
    assert login(password_file=path) == ("top", "secret")
    folder = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert login(folder, user="u", password_file="credential:password") == ("u", "top:secret")
    with pytest.raises(LinkError, match="needs systemd"):
        login(password_file="credential:password")
    with pytest.raises(LinkError, match="cannot read the password file"):
        login(folder, password_file="credential:nothing")


def test_the_command_that_starts_the_uplink(tmp_path: Path) -> None:
    """It ends with the agent, and names what the agent was given."""
    command = uplink_command(
        tmp_path / "agent.json", tmp_path, status=tmp_path / "s", overlay=tmp_path / "o", log=True
    )
    start = command.index("-m")
    assert command[start:] == (
        *("-m", "edge_agent", "uplink", str(tmp_path / "agent.json"), "--state", str(tmp_path)),
        *("--status", str(tmp_path / "s"), "--overlay", str(tmp_path / "o"), "--log"),
        "--with-parent",
    )
