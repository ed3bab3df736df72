"""The bundle's NOTICE."""

from __future__ import annotations

from edgekit.bundle.notice import notice, own_licences
from edgekit.bundle.wheels import Distribution


def test_everyones_work_is_named() -> None:
    """With the licence, and where its text is."""
    theirs = Distribution(
        name="paho-mqtt",
        version="2.2.0",
        licence="EPL-2.0 OR\n BSD-3-Clause",
        files={"paho/__init__.py": b"", "paho_mqtt-2.2.0.dist-info/licenses/edl-v10": b""},
    )
    bare = Distribution(name="pyserial", version="3.5", licence="BSD", files={"serial.py": b""})

    text = notice([theirs, bare], ["licences/edgekit/LICENSE-MIT"], model="m.onnx", plugin="p")
    lines = text.decode().splitlines()

    assert lines[lines.index("paho-mqtt 2.2.0: EPL-2.0 OR BSD-3-Clause") + 1].strip() == (
        "site/paho_mqtt-2.2.0.dist-info/licenses/edl-v10"
    )
    assert lines[lines.index("pyserial 3.5: BSD") + 1] == "  its licence is stated in its files"
    assert "- its model, made of `m.onnx`" in lines
    assert "- its package `p`" in lines


def test_our_own_licences_are_found() -> None:
    """Both texts go along."""
    assert list(own_licences()) == [
        "licences/edgekit/LICENSE-APACHE",
        "licences/edgekit/LICENSE-MIT",
    ]
