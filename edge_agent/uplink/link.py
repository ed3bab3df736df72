"""The seam to the network: one connection to a broker."""

from __future__ import annotations

from typing import Protocol


class LinkError(Exception):
    """There is no connection, or none any more; the message says why, without a secret."""


class Link(Protocol):
    """One connection; it is used once. Every method but `close` may raise LinkError."""

    def open(self) -> None:
        """Connect; return when the broker has agreed."""
        ...

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send a message that is to be acknowledged; return its number."""
        ...

    def work(self, timeout_s: float) -> list[int]:
        """Send and receive, for so long at most; return the numbers of the messages that were acknowledged."""
        ...

    def close(self, *, farewell: bool) -> None:
        """End it; without a `farewell` the broker publishes the Last Will."""
        ...
