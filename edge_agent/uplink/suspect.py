"""The record that a broker answers by closing the connection: found, so that it does not hold up all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_agent.spool.record import Record

REFUSALS = 5


class Suspect:
    """
    Watches connections that end; a record that is too large for a broker ends each one.

    The first record that was on its way when a connection ended is suspected. On the next connections it is sent alone,
    and not before the broker has acknowledged something else: then it is no lost network, five times in a row.
    """

    def __init__(self) -> None:
        self._record: Record | None = None
        self._refusals = 0

    @property
    def there_is_one(self) -> bool:
        """Whether the next record is to be sent alone."""
        return self._record is not None

    def acknowledged(self) -> None:
        """Take note that a record has arrived: it was the network."""
        self._record = None

    def connection_ended(self, in_flight: Iterable[Record]) -> Record | None:
        """Take note of what was on its way, oldest first; return the record that is to be left out, if it has come to that."""
        first = next(iter(in_flight), None)
        if first is None:
            return None
        if self._record is None or (first.boot, first.seq) != (self._record.boot, self._record.seq):
            self._record, self._refusals = first, 0
            return None
        self._refusals += 1
        if self._refusals < REFUSALS:
            return None
        self._record = None
        return first
