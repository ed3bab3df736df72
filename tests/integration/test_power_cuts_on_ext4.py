"""
The spool on a real ext4 whose power is cut: the image of the disk is copied while writer and reader stand still.

What was written and not synced stands in the kernel's cache and not in the image, as in a power cut; the copy is
mounted, which replays its journal, and agent and uplink begin again on it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DISK_BYTES = 12 << 20
WRITER = """\
import sys, time
from pathlib import Path
from edge_agent.spool.files import DiskFiles
from edge_agent.spool.record import Kind, encode
from edge_agent.spool.writer import SpoolWriter
writer = SpoolWriter(DiskFiles(Path(sys.argv[1])), quota_bytes=4 << 20, segment_bytes=8192, loss_window_s=0.3)
while True:
    now_s = time.monotonic()
    seq = writer.seq + 1
    filler = "x" * (seq * 7919 % 300)
    writer.put([(Kind.EVENT, encode({"boot": str(writer.boot), "seq": seq, "filler": filler}))], now_s)
    print("put", f"{writer.boot}/{seq}", now_s, flush=True)
    print("safe", f"{writer.boot}/{writer.synced_seq}", now_s, flush=True)
    time.sleep(0.003)
"""
"""Says what it has put, and up to where a power cut costs nothing."""
READER = """\
import json, sys, time
from pathlib import Path
from edge_agent.spool.files import DiskFiles
from edge_agent.spool.reader import SpoolReader
reader = SpoolReader(DiskFiles(Path(sys.argv[1])))
to_the_end = len(sys.argv) > 2
while True:
    records = reader.read(20)
    for record in records:
        document = json.loads(record.payload)
        assert (document["boot"], document["seq"]) == (str(record.boot), record.seq)
        assert document["filler"] == "x" * (record.seq * 7919 % 300)
        print("got", f"{record.boot}/{record.seq}", 0, flush=True)
        reader.acknowledge(record)
    reader.tidy(time.monotonic(), at_once=to_the_end)
    if to_the_end and not records:
        print("corrupt", reader.corrupt, 0)
        break
    time.sleep(0.01)
"""
"""Acknowledges what it reads; with a second argument it ends at the end."""


def lacking() -> str:
    """Return what keeps this machine from it; empty if it can."""
    if os.geteuid() != 0:
        return "only root may mount a disk"
    programs = ("mkfs.ext4", "mount", "umount", "losetup")
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        return f"there is no {', '.join(missing)} (Debian's packages `e2fsprogs` and `mount`)"
    found = subprocess.run(("losetup", "-f"), capture_output=True, check=False)
    return "" if found.returncode == 0 else "there are no loop devices"


class Disk:
    """An ext4 in a file, mounted."""

    def __init__(self, image: Path, place: Path) -> None:
        self.image = image
        self._place = place
        place.mkdir(exist_ok=True)
        self.spool = place / "spool"

    def make(self) -> None:
        """Make the file system."""
        self.image.write_bytes(b"")
        os.truncate(self.image, DISK_BYTES)
        _run("mkfs.ext4", "-q", "-F", str(self.image))

    def mount(self) -> None:
        """Mount it. The journal is written when it is synced, not by a timer within a test."""
        _run("mount", "-o", "loop,commit=1", str(self.image), str(self._place))

    def unmount(self) -> None:
        """Take it off again."""
        _run("umount", str(self._place))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr.strip()}"


@contextlib.contextmanager
def running(script: str, out: Path, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a piece of Python; its lines are added to the file `out`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with out.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)], stdout=file, env=environment
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def lines(path: Path) -> list[list[str]]:
    """Return the words of the whole lines."""
    text = path.read_text() if path.exists() else ""
    return [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]


def key(id_: str) -> tuple[str, int]:
    """Return boot and number of an id."""
    boot, _, seq = id_.rpartition("/")
    return boot, int(seq)


def survive(folder: Path, cuts: int) -> None:
    """Cut the power so often, and hold what came out against what was promised."""
    random = Random(cuts)
    disk = Disk(folder / "disk-0", folder / "mnt")
    disk.make()
    said, got, rest = folder / "said", folder / "got", folder / "rest"
    for cut in range(cuts):
        disk.mount()
        copy = folder / f"disk-{cut + 1}"
        try:
            said.write_bytes(b"")
            got.write_bytes(b"")
            with (
                running(WRITER, said, disk.spool) as writer,
                running(READER, got, disk.spool) as reader,
            ):
                wanted = random.randint(1, 120)
                while len(lines(said)) < 2 * wanted or not lines(got):
                    assert writer.poll() is None, "the spool does not open again"
                    assert reader.poll() is None, "the reader has ended"
                    time.sleep(0.005)
                processes = [writer, reader]
                random.shuffle(processes)
                for process in processes:
                    process.send_signal(signal.SIGSTOP)
                for process in processes:
                    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
                words, acknowledged = lines(said), {key(id_) for _, id_, _ in lines(got)}
                shutil.copyfile(disk.image, copy)
        finally:
            disk.unmount()
        disk.image.unlink()

        disk = Disk(copy, folder / "mnt")
        disk.mount()
        try:
            rest.write_bytes(b"")
            with running(READER, rest, disk.spool, "to the end") as last:
                assert last.wait() == 0
        finally:
            disk.unmount()
        found = lines(rest)
        came = Counter(key(id_) for word, id_, _ in found if word == "got")
        assert [word for word in found if word[0] == "corrupt"] == [["corrupt", "0", "0"]]
        put = {key(id_): float(now_s) for word, id_, now_s in words if word == "put"}
        boot, safe = key([id_ for word, id_, _ in words if word == "safe"][-1])
        missing = set(put) - set(came) - acknowledged
        assert not {each for each in missing if each[1] <= safe}, "lost though it was on the disk"
        assert all(each[0] == boot for each in missing)
        # 0.3 s of window and what the machine stood still in between, which a loaded one does
        assert len(missing) <= 100, "more is lost than a batch"
        assert not {each for each, count in came.items() if count > 1}
        # what was put and not said any more is the one record that was under way
        assert len(set(came) - set(put) - acknowledged) <= 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder on a machine that can mount a disk; skip elsewhere."""
    reason = lacking()
    if not reason:
        probe = Disk(tmp_path / "probe", tmp_path / "mnt")
        probe.make()
        try:
            probe.mount()
        except AssertionError as error:  # root in a container that may not
            reason = str(error)
        else:
            probe.unmount()
    if reason:
        pytest.skip(reason)
    return tmp_path


def test_three_power_cuts_on_a_real_file_system(folder: Path) -> None:
    """The same as below, for some seconds."""
    survive(folder, 3)


@pytest.mark.slow
def test_three_hundred_power_cuts_on_a_real_file_system(folder: Path) -> None:
    """Nothing that was synced is lost, nothing comes twice or damaged, the spool opens again each time."""
    survive(folder, 300)
