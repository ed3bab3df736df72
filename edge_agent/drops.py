"""Samples that go no further: counted by reason, each with its first example."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_agent.records import SampleCounts


AROUND_GAP = "around_gap"
"""Reason of samples that came with a gap among them, nobody knows where."""


class Drops:
    """Counts what is dropped in `counts`, and remembers an example of each reason."""

    def __init__(self, counts: SampleCounts) -> None:
        self._counts = counts
        self._examples: dict[str, str] = {}

    def add(self, reason: str, example: str, count: int = 1) -> None:
        """Count samples as dropped."""
        self._counts.drop(reason, count)
        self._examples.setdefault(reason, example)

    @property
    def phrases(self) -> list[str]:
        """What was dropped, a phrase a reason, with an example."""
        return [
            f"dropped as {reason.replace('_', ' ')}: {self._counts.dropped[reason]}, first in {example}"
            for reason, example in self._examples.items()
        ]

    @property
    def notes(self) -> list[str]:
        """What was dropped and what was mended: one sentence each."""
        counts = self._counts
        mended = (
            (counts.held, 'samples with a value held from before (`on_bad = "hold"`)'),
            (counts.clipped, 'samples with a value moved to `min` or `max` (`on_bad = "clip"`)'),
            (counts.marked, 'samples with a bad value, marked (`on_bad = "mark"`)'),
        )
        return self.phrases + [f"{what}: {count}" for count, what in mended if count]
