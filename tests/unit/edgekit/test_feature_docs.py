"""The page docs/features.md: its examples are taken, every key and value stands on it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from edgekit.features_section import KINDS, Statistic
from edgekit.project import Project, StreamInput

PAGE = (Path(__file__).parents[3] / "docs" / "features.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PROJECT = """
[project]
name = "p"
[model]
path = "m.onnx"
[input]
channels = ["audio"]
rate_hz = 16000
window = 15873
hop = 512
"""


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_are_taken(example: str, tmp_path: Path) -> None:
    """Each as it stands, behind the other keys of [input]."""
    (tmp_path / "edgekit.toml").write_text(PROJECT + example, encoding="utf-8")
    stream = Project.load(tmp_path).input

    assert isinstance(stream, StreamInput)
    assert stream.features is not None


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_explained(kind: str) -> None:
    """And every kind."""
    names = {item.name for item in fields(KINDS[kind])} | {kind}

    assert not [name for name in names if f"`{name}`" not in PAGE and f"{name} = " not in PAGE]


def test_every_statistic_is_explained() -> None:
    """In the table of values."""
    assert not [name for name in get_args(Statistic) if f"`{name}`" not in PAGE]
