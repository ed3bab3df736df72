"""Sinks: where results go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.records import Event, Prediction


class Sink(Protocol):
    """Where results go."""

    def write(self, predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """
        Take the results of one block; both are empty while no samples come.

        Raises EdgeKitError when they cannot be written.
        """
        ...

    def close(self) -> None:
        """Write what is left and give everything back."""
        ...
