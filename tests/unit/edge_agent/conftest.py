"""A small configuration that the agent's tests share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.config import AgentConfig, Archive, Output, ReplaySource, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = AgentConfig(
    name="gait",
    version="1.0.0",
    model=Archive(
        path="model.nnef.tar", sha256="0" * 64, engine="tract 0.23.9", registries=("tract_nnef",)
    ),
    labels=("low", "high"),
    input=Stream(channels=("ax", "ay"), rate_hz=50.0, window=4, hop=2),
    output=Output(kind="classes"),
    source=ReplaySource(path="walk.csv"),
)


@pytest.fixture
def agent_config() -> Callable[..., AgentConfig]:
    """Make a configuration; the keywords are those of `input`, or whole sections."""

    def make(**changes: Any) -> AgentConfig:
        of_input = {name: changes.pop(name) for name in list(changes) if hasattr(BASE.input, name)}
        return replace(BASE, input=replace(BASE.input, **of_input), **changes)

    return make
