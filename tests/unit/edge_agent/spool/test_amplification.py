"""What the spool costs a memory card: pages written for each byte that was to be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_agent.spool.files import DiskFiles
from edge_agent.spool.reader import SpoolReader
from edge_agent.spool.record import Kind, encode
from edge_agent.spool.writer import SpoolWriter

if TYPE_CHECKING:
    from pathlib import Path

PAGE_BYTES = 4096
RECORDS = 2000
PAYLOAD = encode({"type": "event", "filler": "x" * 172})


class CountingFiles(DiskFiles):
    """Counts the pages that each sync has to write, and one more for each name that is forced to the disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.pages = 0
        self._places: dict[int, tuple[int, int]] = {}

    def create(self, name: str) -> int:
        """Begin a file."""
        descriptor = super().create(name)
        self._places[descriptor] = (0, 0)
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        """Append."""
        count = super().write(descriptor, data)
        synced, size = self._places[descriptor]
        self._places[descriptor] = (synced, size + count)
        return count

    def sync(self, descriptor: int) -> None:
        """Count the pages that have changed since the last time, the half-filled one again."""
        super().sync(descriptor)
        synced, size = self._places[descriptor]
        self.pages += -(-size // PAGE_BYTES) - synced // PAGE_BYTES
        self._places[descriptor] = (size, size)

    def sync_folder(self) -> None:
        """Count one page."""
        super().sync_folder()
        self.pages += 1


@pytest.mark.parametrize(("batch", "most"), [(100, 2.0), (10, 6.0)])
def test_write_amplification(tmp_path: Path, batch: int, most: float) -> None:
    """At most twice the payload at a hundred records a sync, with the reader's cursor and its deletions."""
    assert len(PAYLOAD) == 200
    files = CountingFiles(tmp_path)
    writer = SpoolWriter(files, quota_bytes=1 << 26, batch_records=batch)
    reader = SpoolReader(files)
    for number in range(RECORDS):
        writer.put([(Kind.EVENT, PAYLOAD)], number * 0.001)
        if number % 500 == 0:
            for record in reader.read(1000):
                reader.acknowledge(record)
            reader.tidy(number * 0.001)
    writer.close(0.0)

    assert 1.0 < files.pages * PAGE_BYTES / (RECORDS * 200) <= most
