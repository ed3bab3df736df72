"""The spool's throughput, and what it writes as the kernel counts it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_agent.spool.files import DiskFiles
from edge_agent.spool.reader import SpoolReader
from edge_agent.spool.record import Kind, encode
from edge_agent.spool.writer import SpoolWriter

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

RECORDS = 5000
PAYLOAD = encode({"type": "event", "filler": "x" * 172})


def written_bytes() -> int:
    """Return what this process has caused to be written to disks (proc(5): write_bytes); 0 for a file system in memory."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


@pytest.mark.parametrize("batch", [1, 10, 100])
def test_put_and_acknowledge(benchmark: BenchmarkFixture, tmp_path: Path, batch: int) -> None:
    """5000 records of 200 bytes, put one by one, read, acknowledged, deleted; `amplification` stands in the extra info."""
    turns = iter(range(1000))
    before = written_bytes()

    def run() -> None:
        files = DiskFiles(tmp_path / str(next(turns)))
        writer = SpoolWriter(files, quota_bytes=1 << 26, batch_records=batch)
        reader = SpoolReader(files)
        for number in range(RECORDS):
            writer.put([(Kind.EVENT, PAYLOAD)], number * 0.001)
            if number % 500 == 0:
                for record in reader.read(1000):
                    reader.acknowledge(record)
                reader.tidy(number * 0.001)
        writer.close(0.0)

    benchmark.pedantic(run, rounds=3)  # type: ignore[no-untyped-call]
    payload_bytes = next(turns) * RECORDS * len(PAYLOAD)
    benchmark.extra_info["amplification"] = round((written_bytes() - before) / payload_bytes, 2)
