"""`[budget]` in edgekit.toml: read strictly, refused with file, line and key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_agent.config import Budget
from edgekit.errors import ConfigError
from edgekit.project import Project

if TYPE_CHECKING:
    from pathlib import Path

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

[budget]
"""


def _load(folder: Path, budget: str) -> Project:
    (folder / "edgekit.toml").write_text(f"{PROJECT}{budget}\n")
    return Project.load(folder)


def test_a_budget_is_read(tmp_path: Path) -> None:
    """All keys, whole numbers where fractions may stand; without the section there is no limit."""
    text = """\
memory_mib = 48
power_mw = 2500
scope = "dynamic"
cpu_percent = 25
latency_ms = 50
window_s = 30
meter = "model"
on_exceed = ["report", "stretch-hop"]
"""
    assert _load(tmp_path, text).budget == Budget(
        memory_mib=48,
        power_mw=2500,
        scope="dynamic",
        cpu_percent=25,
        latency_ms=50,
        window_s=30,
        meter="model",
        on_exceed=("report", "stretch-hop"),
    )
    assert _load(tmp_path, "").budget == Budget()


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("memory_mib = 0", ":14: `budget.memory_mib` is 0: must be positive", None),
        ("power_mw = -1", "`budget.power_mw` is -1: must be positive", None),
        ("powr_mw = 1", "`budget.powr_mw` is an unknown key", "did you mean `power_mw`?"),
        ("memory = 48", "`budget.memory` is an unknown key", "did you mean `memory_mib`?"),
        ('memory_mib = "48"', '`budget.memory_mib` is "48": must be a number', None),
        ('scope = "boards"', '`budget.scope` is "boards": must be', "did you mean `board`?"),
        (
            'cpu_percent = 20\non_exceed = ["report", "strech-hop"]',
            '`budget.on_exceed[1]` is "strech-hop": must be',
            "did you mean `stretch-hop`?",
        ),
        ('on_exceed = ["skip"]', "`budget.on_exceed` asks for `skip`, but there is no", None),
        ("cpu_percent = inf", "`budget.cpu_percent` is inf: must be a finite number", None),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str, hint: str | None) -> None:
    """The line, the dotted key, the value, and the near word."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)

    assert said in caught.value.message
    assert caught.value.hint == hint
