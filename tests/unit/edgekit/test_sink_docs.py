"""The examples in docs/sinks are configurations that EdgeKit takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_agent.config import MqttSink
from edgekit.project import Project
from edgekit.staging import _absolute

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs" / "sinks").glob("*.md"))
PROJECT = """\
[project]
name = "gait"
[model]
path = "gait.onnx"
[input]
channels = ["ax"]
rate_hz = 50
window = 128
hop = 16
"""


def examples(page: Path) -> list[str]:
    """Return the TOML of a page."""
    return re.findall(
        r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_are_taken(page: Path, tmp_path: Path) -> None:
    """Each of them, and the page is about the sink in its name."""
    assert examples(page)
    for example in examples(page):
        (tmp_path / "edgekit.toml").write_text(PROJECT + example, encoding="utf-8")
        (sink,) = Project.load(tmp_path).sink
        assert sink.kind == page.stem


def test_every_sink_has_a_page() -> None:
    """And every key of the mqtt sink stands on it."""
    assert [page.stem for page in PAGES] == ["command", "jsonl", "mqtt", "terminal"]
    text = (ROOT / "docs/sinks/mqtt.md").read_text(encoding="utf-8")
    keys = set(MqttSink.__dataclass_fields__) - {"kind"}
    assert not [key for key in keys if f"`{key}`" not in text]


def test_paths_of_a_sink_count_from_the_project(tmp_path: Path) -> None:
    """Files become absolute; credentials, programs on PATH and addresses stay."""
    sink = MqttSink(
        kind="mqtt", url="mqtts://b", user="u", password_file="credential:x", ca_file="certs/ca.pem"
    )
    moved = _absolute(sink, tmp_path)
    assert isinstance(moved, MqttSink)
    assert moved.password_file == "credential:x"
    assert moved.ca_file == str(tmp_path / "certs/ca.pem")
    assert moved.cert_file is None
