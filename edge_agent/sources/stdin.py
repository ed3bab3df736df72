"""Lines on standard input, taken as they come."""

from __future__ import annotations

import os
import select
import sys
from typing import TYPE_CHECKING

from edge_agent.errors import DataError
from edge_agent.recording import CHUNK_BYTES, RecordingParser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.config import Calibration, Columns, Stream
    from edge_agent.records import Block, SampleCounts
    from edge_agent.stop import Stop

HEARTBEAT_S = 0.5


class StdinSource:
    """
    Samples as CSV or JSONL lines on a file descriptor.

    What is there is handed over at once; waiting ends when a stop is requested.
    """

    def __init__(
        self,
        stream: Stream,
        columns: Columns,
        *,
        descriptor: int | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        if descriptor is None and sys.stdin is None:
            raise DataError("standard input is closed", hint="pipe samples into the agent")
        self._descriptor = 0 if descriptor is None else descriptor
        self._parser = RecordingParser(
            stream, columns, where="standard input", live=True, calibration=calibration
        )
        self.state = "waiting"

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples read so far."""
        return self._parser.counts

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about what came in."""
        return self._parser.notes

    @property
    def rate_hz_measured(self) -> float | None:
        """Samples per second by the time stamps in the lines."""
        return self._parser.rate_hz_measured

    @property
    def details(self) -> dict[str, int | float | str]:
        """Nothing is counted beyond the samples."""
        return {}

    def blocks(self, stop: Stop) -> Iterator[Block | None]:
        """Yield samples as they come, None while none do."""
        while not stop.requested:
            # select and not a blocking read: it also wakes for the stop, and for the heartbeat
            readable, _, _ = select.select([self._descriptor, stop.fileno()], [], [], HEARTBEAT_S)
            if stop.requested:
                break
            if self._descriptor not in readable:
                self.state = "waiting"
                yield None
                continue
            chunk = self._read()
            self.state = "running"
            if not chunk:
                yield from self._parser.finish()
                self.state = "ended"
                return
            for block in self._parser.feed(chunk):
                yield block
                if stop.requested:  # the rest of the chunk is not read
                    break
        self.state = "stopped"

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, CHUNK_BYTES)
        except OSError as error:
            raise DataError(f"cannot read standard input: {error.strerror}") from None
