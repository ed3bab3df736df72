"""Writer and reader as real processes, killed at random moments."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

ROOT = Path(__file__).parents[4]
WRITER = """\
import sys, time
from pathlib import Path
from edge_agent.spool.files import DiskFiles
from edge_agent.spool.record import Kind
from edge_agent.spool.writer import SpoolWriter
writer = SpoolWriter(DiskFiles(Path(sys.argv[1])), quota_bytes=1 << 26, segment_bytes=2048, batch_records=7)
number = int(sys.argv[2])
while True:
    writer.put([(Kind.EVENT, b'{"n":%d,"f":"%s"}' % (number, b"x" * (number % 300)))], time.monotonic())
    print(number, flush=True)
    number += 1
"""
READER = """\
import json, sys, time
from pathlib import Path
from edge_agent.spool.files import DiskFiles
from edge_agent.spool.reader import SpoolReader
reader = SpoolReader(DiskFiles(Path(sys.argv[1])))
idle = 0
while idle < 3 or len(sys.argv) < 3:
    records = reader.read(20)
    idle = 0 if records else idle + 1
    for record in records:
        document = json.loads(record.payload)
        assert document["f"] == "x" * (document["n"] % 300)
        print(document["n"], f"{record.boot}/{record.seq}", flush=True)
        reader.acknowledge(record)
    reader.tidy(time.monotonic())
    time.sleep(0.002)
"""


def start(script: str, out: Path, *arguments: object) -> subprocess.Popen[bytes]:
    """Start a piece of Python whose output is collected in a new file of the folder `out`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (out / str(len(list(out.iterdir())))).open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)], stdout=file, env=environment
        )


def lines(out: Path) -> list[str]:
    """Return the lines in a folder's files; a kill may have torn the last of each."""
    texts = [path.read_text() for path in out.iterdir()]
    return [line for text in texts for line in text.splitlines(keepends=True) if line[-1] == "\n"]


def survive(folder: Path, kills: int) -> None:
    """Kill, restart, and hold what was read against what was put."""
    random = Random(kills)
    spool, put, got = folder / "spool", folder / "put", folder / "got"
    put.mkdir()
    got.mkdir()
    number = 0
    for turn in range(kills):
        writer = start(WRITER, put, spool, number)
        reader = start(READER, got, spool)
        before = len(lines(put))
        while len(lines(put)) == before:
            assert writer.poll() is None, "the spool does not open again"
            time.sleep(0.005)
        time.sleep(random.random() * 0.1)
        for process in (writer, reader) if turn % 2 else (reader, writer):
            assert process.poll() is None
            process.kill()
            process.wait()
        number = 1_000_000 * (turn + 1)
    assert start(READER, got, spool, "to the end").wait() == 0

    numbers_put = {int(line) for line in lines(put)}
    by_id: dict[str, int] = {}
    for line in lines(got):
        found, id_ = line.split()
        assert by_id.setdefault(id_, int(found)) == int(found), "one id for two records"
    assert len(set(by_id.values())) == len(by_id), "one record with two ids"
    assert numbers_put <= set(by_id.values())
    # beside these only the one record a turn whose number was not printed any more
    assert len(by_id) <= len(numbers_put) + kills


def test_ten_kills(tmp_path: Path) -> None:
    """What was put is there, whole, under one id."""
    survive(tmp_path, 10)


@pytest.mark.slow
def test_two_hundred_kills(tmp_path: Path) -> None:
    """The same for some minutes."""
    survive(tmp_path, 200)
