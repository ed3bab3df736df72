"""Results for the network: into the spool, from where another process sends them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from edge_agent.clock import WallClock
from edge_agent.errors import EdgeKitError
from edge_agent.records import event_to_json, prediction_to_json
from edge_agent.spool.files import DiskFiles
from edge_agent.spool.lock import FolderLock
from edge_agent.spool.record import Kind, encode
from edge_agent.spool.writer import SpoolWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edge_agent.config import MqttSink
    from edge_agent.records import Event, Prediction

MIB = 1 << 20


class SpoolSink:
    """
    Appends every event, and every prediction if that is wished, with the time on the wall.

    A full or failing disk costs records, which are counted, and never ends the run.
    """

    kind = "mqtt"

    def __init__(
        self,
        folder: Path,
        sink: MqttSink,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: WallClock | None = None,
    ) -> None:
        """Raise EdgeKitError if the spool cannot be opened, or another agent writes to it."""
        self._predictions = sink.predictions
        self.prompt = sink.predictions
        """The loss window counts from the prediction: it must not wait before it is in the spool."""
        self._clock = clock
        self._wall_clock = wall_clock or WallClock(monotonic=clock)
        try:
            files = DiskFiles(folder)
            self._lock = FolderLock(folder, "writer")
            self._writer = SpoolWriter(
                files,
                quota_bytes=sink.spool_mib * MIB,
                reserve_bytes=sink.reserve_mib * MIB,
                loss_window_s=sink.loss_window_s,
                drop=sink.drop,
            )
        except OSError as error:
            raise EdgeKitError(
                f"cannot open the spool `{folder}`: {error.strerror}",
                hint="give the agent a state folder that it can write to: `--state DIR`",
            ) from None

    @property
    def counters(self) -> dict[str, Any]:
        """How the spool is, and what it has kept and dropped since it was opened."""
        writer = self._writer
        return {
            "state": writer.state,
            "failure": writer.failure,
            "boot": str(writer.boot),
            "written": writer.written,
            "used_bytes": writer.used_bytes,
            "dropped": {reason: dict(kinds) for reason, kinds in list(writer.dropped.items())},
            "corrupt": writer.corrupt,
            "sync_failures": writer.sync_failures,
        }

    def write(self, predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """Append the results; each event stands behind the prediction that made it."""
        if not events and not (predictions and self._predictions):
            return
        found = [(Kind.EVENT, event_to_json(event)) for event in events]
        if self._predictions:
            found += [(Kind.PREDICTION, prediction_to_json(item)) for item in predictions]
            found.sort(key=lambda item: (item[1]["index"], item[0]))
        now_s = self._clock()
        wall = self._wall_clock.at(now_s)
        date = {"unix_s": round(wall.unix_s, 3), "clock_synced": wall.synced}
        items = [(kind, encode({**document, **date})) for kind, document in found]
        self._writer.put(items, now_s)

    def tick(self, now_s: float) -> None:
        """Force to the disk what is due."""
        self._writer.tick(now_s)

    def close(self) -> None:
        """Force the rest to the disk."""
        self._writer.close(self._clock())
        self._lock.close()
