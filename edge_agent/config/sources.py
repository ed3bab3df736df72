"""Where samples come from: one dataclass for each kind of source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Union

from edge_agent.config.stream import Columns


@dataclass(frozen=True, kw_only=True)
class ReplaySource(Columns):
    """A recording, played back."""

    kind: Literal["replay"] = "replay"
    path: str
    """CSV (with a header) or JSONL file."""


@dataclass(frozen=True, kw_only=True)
class StdinSource(Columns):
    """Lines on standard input: CSV (header optional when every column is a channel, in order), JSONL or `ax:1.0,ay:2.0`."""

    kind: Literal["stdin"] = "stdin"


Source = Union[ReplaySource, StdinSource]  # noqa: UP007 (evaluated on Python 3.10 as well)
