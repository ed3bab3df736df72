"""Sources: where samples come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.records import Block, SampleCounts
    from edge_agent.stop import Stop


class Source(Protocol):
    """Where samples come from."""

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples read so far."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the samples: one sentence each."""
        ...

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second as measured; None where it is not known."""
        ...

    @property
    def state(self) -> str:
        """How the source is: `running`, `waiting` for samples, `absent` (no such device: healthy), `stopped` or `ended`."""
        ...

    @property
    def details(self) -> dict[str, int | float | str]:
        """Counters for the status, such as `bad_frames` or `reconnects`; empty where there is nothing to count."""
        ...

    def blocks(self, stop: Stop) -> Iterator[Block | None]:
        """
        Yield blocks until the source ends, or for 0.2 s at most after a stop is requested.

        None at least once a second without samples, so that the loop can do what is due. Raises DataError
        when what comes is no stream of samples.
        """
        ...
