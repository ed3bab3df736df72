"""What a sink may be told, and what is refused without repeating a secret."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from edge_agent.config import CommandSink, JsonlSink, MqttSink
from edge_agent.errors import ConfigError
from edge_agent.schema import from_document


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://broker", "broker", 1883, False),
        ("mqtts://broker.local", "broker.local", 8883, True),
        ("mqtt://10.0.0.7:1884/", "10.0.0.7", 1884, False),
        ("mqtts://[fe80::1]:9", "fe80::1", 9, True),
    ],
)
def test_where_a_broker_is(url: str, host: str, port: int, tls: bool) -> None:
    """Scheme, host, port; each scheme has its usual port."""
    assert MqttSink(kind="mqtt", url=url).broker == (host, port, tls)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"url": "broker"}, "`url` is `broker`: must be"),
        ({"url": "http://broker"}, "`url` is"),
        ({"url": "mqtt://broker:0"}, "`url` is"),
        ({"url": "mqtt://broker:70000"}, "`url` is"),
        ({"url": "mqtt://broker/path"}, "`url` is"),
        ({"topic": "gait/#"}, "'#' cannot stand in a topic"),
        ({"topic": "gait/{labl}"}, "`topic` has `{labl}`: known are"),
        ({"topic": "gait/{"}, "'{' cannot stand in a topic"),
        ({"topic": ""}, "`topic` is ``"),
        ({"status_topic": "$SYS/x"}, "does not begin with `$`"),
        ({"ca_file": "ca.pem"}, "are for TLS"),
        ({"url": "mqtts://broker", "cert_file": "a"}, "one of them is missing"),
        ({"user": ""}, "`user` is empty"),
        ({"password_file": "credential:a/b"}, "the name of a credential"),
        ({"password_file": "credential:a b"}, "the name of a credential"),
        ({"password_file": "credential:.."}, "the name of a credential"),
        ({"password_file": "credential:"}, "the name of a credential"),
        ({"heartbeat_s": 0}, "`heartbeat_s` is 0"),
        ({"spool_mib": 0}, "`spool_mib` is 0"),
        ({"reserve_mib": -1}, "`reserve_mib` is -1"),
        ({"loss_window_s": 0.001}, "`loss_window_s` is 0.001"),
        ({"drop": "all"}, "`drop` is"),
        ({"pasword_file": "x"}, "is no key"),
    ],
)
def test_what_is_refused(keys: dict[str, Any], says: str) -> None:
    """With the key and the value."""
    document = {"kind": "mqtt", "url": "mqtt://broker", **keys}
    with pytest.raises(ConfigError) as caught:
        from_document(MqttSink, document, where="agent.json")
    assert says in caught.value.message


def test_a_password_in_the_url_is_not_repeated() -> None:
    """Whoever reads the log of a build does not learn it."""
    with pytest.raises(ConfigError, match="`url` has an `@`") as caught:
        from_document(
            MqttSink, {"kind": "mqtt", "url": "mqtt://gait:Zebra@broker"}, where="agent.json"
        )
    assert "Zebra" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("cls", "document", "says"),
    [
        (JsonlSink, {"path": "x", "rotate_mib": 0}, "`rotate_mib` is 0"),
        (JsonlSink, {"path": "x", "keep": 0}, "`keep` is 0"),
        (CommandSink, {"kind": "command", "command": []}, "`command` is empty"),
        (CommandSink, {"kind": "command", "command": ["x"], "timeout_s": 0}, "`timeout_s` is 0"),
    ],
)
def test_the_other_sinks(cls: type, document: dict[str, Any], says: str) -> None:
    """Limits that make no sense."""
    with pytest.raises(ConfigError) as caught:
        from_document(cls, document, where="agent.json")
    assert says in caught.value.message


def test_a_sink_comes_back_as_it_went() -> None:
    """Through agent.json."""
    sink = MqttSink(kind="mqtt", url="mqtt://broker", user="gait")
    assert from_document(MqttSink, asdict(sink), where="agent.json") == sink
