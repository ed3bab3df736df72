"""model.json: what is written is read, strictly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import Archive
from edge_agent.errors import ConfigError
from edge_agent.model_facts import (
    MemoryPlan,
    ModelFacts,
    OutputTensor,
    StreamFacts,
    Tensor,
    read_model_facts,
    to_text,
)

if TYPE_CHECKING:
    from pathlib import Path

FACTS = ModelFacts(
    archive=Archive(path="model.nnef.tar", sha256="0" * 64, engine="tract 0.23.9", registries=()),
    inputs=(Tensor(name="samples", dtype="float32", shape=(128, 6)),),
    outputs=(OutputTensor(name="prediction", dtype="float32", shape=(7,), tolerance=1e-5),),
    stream=StreamFacts(window=128, hop=16, channels=6),
    plan=MemoryPlan(live_bytes=1000, peak_bytes=2000),
)


@pytest.mark.parametrize("facts", [FACTS, replace(FACTS, stream=None)])
def test_what_is_written_is_read(tmp_path: Path, facts: ModelFacts) -> None:
    """Of a stream and of a model with named tensors."""
    (tmp_path / "model.json").write_text(to_text(facts), encoding="utf-8")

    assert read_model_facts(tmp_path / "model.json") == facts
    assert to_text(facts) == to_text(replace(facts))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"float32"', '"float31"', r"`inputs\[0\]\.dtype` is `\"float31\"`"),
        ('"tolerance"', '"tolerence"', "did you mean `tolerance`|is no key"),
        ("128,", "0,", "must be positive"),
        ('"format": 1', '"format": 2', "`format` is `2`"),
        ("{", "", "is no JSON"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    """File and key."""
    path = tmp_path / "model.json"
    path.write_text(to_text(FACTS).replace(old, new, 1), encoding="utf-8")

    with pytest.raises(ConfigError, match=message) as caught:
        read_model_facts(path)

    assert "model.json" in caught.value.message


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    """Missing, or no text."""
    path = tmp_path / "model.json"
    with pytest.raises(ConfigError, match="cannot read"):
        read_model_facts(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no UTF-8"):
        read_model_facts(path)
