"""Where results go: one dataclass for each kind of sink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Union

from edge_agent.config.checks import STRICT


@dataclass(frozen=True, kw_only=True)
class TerminalSink:
    """A live line in a terminal, a line an event elsewhere."""

    __pydantic_config__ = STRICT

    kind: Literal["terminal"] = "terminal"


@dataclass(frozen=True, kw_only=True)
class JsonlSink:
    """One JSON object a line."""

    __pydantic_config__ = STRICT

    kind: Literal["jsonl"] = "jsonl"
    path: str
    """File to append to; relative to the folder of the project (on a device: the working folder)."""
    predictions: bool = True
    """Write every prediction, not events alone."""


Sink = Union[TerminalSink, JsonlSink]  # noqa: UP007 (evaluated on Python 3.10 as well)
