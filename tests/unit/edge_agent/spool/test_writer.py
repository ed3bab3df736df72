"""The writing end: group commit, a full disk, a failing one, and what gives way."""

from __future__ import annotations

import errno
import json
import zlib
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.spool.files import DiskFiles
from edge_agent.spool.reader import SpoolReader
from edge_agent.spool.record import BOOT, LARGEST_PAYLOAD_BYTES, Kind, encode, segments_of
from edge_agent.spool.testing import SimulatedDisk
from edge_agent.spool.writer import RETRY_S, SpoolWriter

if TYPE_CHECKING:
    from pathlib import Path

SEGMENT_BYTES = 4096
MIB = 1 << 20


def open_writer(disk: SimulatedDisk, **options: Any) -> SpoolWriter:
    """Open a spool with small segments."""
    return SpoolWriter(disk, **{"quota_bytes": MIB, "segment_bytes": SEGMENT_BYTES, **options})


def items(*numbers: int, kind: Kind = Kind.EVENT) -> list[tuple[Kind, bytes]]:
    """Return records of about 200 bytes."""
    return [(kind, encode({"number": number, "filler": "x" * 150})) for number in numbers]


def documents(disk: SimulatedDisk) -> list[dict[str, Any]]:
    """Return what a new reader finds."""
    return [json.loads(record.payload) for record in SpoolReader(disk).read(100_000)]


def numbers(disk: SimulatedDisk) -> list[int]:
    """Return the numbers of the records that a new reader finds."""
    return [document["number"] for document in documents(disk) if "number" in document]


def test_a_sync_is_for_a_batch() -> None:
    """A hundred records one by one are two syncs, and the window's end is another."""
    disk = SimulatedDisk()
    writer = open_writer(disk, segment_bytes=MIB)
    for number in range(199):
        writer.put(items(number), 0.0)
    assert writer.synced_seq == 100
    writer.tick(0.9)
    assert writer.synced_seq == 199


def test_ids_grow_over_restarts() -> None:
    """The boot is counted up, each boot's numbers begin with 1."""
    disk = SimulatedDisk()
    for boot in range(1, 4):
        writer = open_writer(disk)
        writer.put(items(boot), 0.0)
        writer.close(0.0)
        assert writer.boot.counter == boot
    found = SpoolReader(disk).read(10)
    assert [(record.boot.counter, record.seq) for record in found] == [(1, 1), (2, 1), (3, 1)]
    assert len({record.boot.salt for record in found}) == 1


def test_a_lost_boot_file_makes_no_id_twice() -> None:
    """Neither with segments left nor with the cursor alone; and the reader does not skip the new records."""
    disk = SimulatedDisk()
    writer = open_writer(disk)
    for number in range(60):
        writer.put(items(number), 0.0)
    writer.close(0.0)
    reader = SpoolReader(disk)
    for record in reader.read(100):
        reader.acknowledge(record)
    reader.tidy(0.0, at_once=True)
    for name in disk.names():
        if name == BOOT or name.endswith(".seg"):
            disk.unlink(name)

    again = open_writer(disk)
    again.put(items(100), 0.0)

    assert again.boot.counter > writer.boot.counter
    assert numbers(disk) == [100]


def test_a_reader_outlives_the_writer() -> None:
    """It goes on with the next boot, whose numbers begin anew, and deletes what the last one left."""
    disk = SimulatedDisk()
    writer = open_writer(disk)
    reader = SpoolReader(disk)
    seen = []
    for boot in range(3):
        for number in range(40):
            writer.put(items(100 * boot + number), 0.0)
        while records := reader.read(7):
            for record in records:
                seen.append(json.loads(record.payload)["number"])
                reader.acknowledge(record)
            reader.tidy(0.0)
        writer.close(0.0)
        writer = open_writer(disk)
    assert seen == [100 * boot + number for boot in range(3) for number in range(40)]
    assert len(segments_of(disk.names())) == 1


@pytest.mark.parametrize("policy", ["oldest", "newest"])
def test_the_quota_is_kept_and_drops_are_told(policy: Any) -> None:
    """What gave way is counted by kind, and a record of its own says so as soon as there is room."""
    disk = SimulatedDisk()
    quota = 8 * 4096
    writer = open_writer(disk, quota_bytes=quota, drop=policy)
    for number in range(400):
        kind = Kind.PREDICTION if number % 2 else Kind.EVENT
        writer.put(items(number, kind=kind), number * 1.0)
        assert sum(disk.size(name) for name in disk.names() if name.endswith(".seg")) <= quota
    assert writer.state == "full"
    left = numbers(disk)
    dropped = writer.dropped["quota"]
    assert left == (
        list(range(400 - len(left), 400)) if policy == "oldest" else list(range(len(left)))
    )
    assert dropped["event"] + dropped["prediction"] == 400 - len(left)

    reader = SpoolReader(disk)
    for record in reader.read(1000):
        reader.acknowledge(record)
    reader.tidy(0.0)
    writer.put(items(1000), 1000.0)
    notices = [each for each in documents(disk) if each.get("type") == "dropped"]
    if policy == "newest":
        assert notices == [{"type": "dropped", "dropped": {"quota": dropped}}]


def test_every_drop_is_in_exactly_one_notice() -> None:
    """What comes out and what the notices tell add up, also where notices have given way themselves, and over restarts."""
    disk = SimulatedDisk()
    for boot in range(3):
        writer = open_writer(disk, quota_bytes=16 * 4096)
        for number in range(3000):
            writer.put(items(3000 * boot + number), number * 1.0)
        writer.close(3000.0)
    left = documents(disk)
    notices = [each["dropped"] for each in left if each.get("type") == "dropped"]
    assert {(reason, kind) for told in notices for reason in told for kind in told[reason]} == {
        ("quota", "event")
    }
    told = sum(each["quota"]["event"] for each in notices)
    assert told == 9000 - (len(left) - len(notices))
    assert told > writer.dropped["quota"]["event"] > 0


def test_what_was_acknowledged_is_no_drop() -> None:
    """A segment that the broker has, and the reader not yet deleted, costs nothing."""
    disk = SimulatedDisk()
    writer = open_writer(disk, quota_bytes=8 * 4096)
    writer.put(items(*range(100)), 0.0)
    reader = SpoolReader(disk)
    for record in reader.read(90):
        reader.acknowledge(record)
    disk.fail["unlink"] = [errno.EIO]
    reader.tidy(0.0, at_once=True)
    disk.fail.clear()
    for number in range(100, 150):
        writer.put(items(number), float(number))
    assert writer.dropped.get("quota", {}).get("event", 0) <= 10


def test_the_reserve_is_left_to_others() -> None:
    """Near the reserve the spool no longer grows: a segment goes for each that comes."""
    disk = SimulatedDisk(capacity_bytes=60_000)
    writer = open_writer(disk, reserve_bytes=40_000)
    for number in range(500):
        writer.put(items(number), float(number))
    assert 60_000 - disk.free_bytes() <= 20_000 + SEGMENT_BYTES + 200
    assert numbers(disk)[-1] == 499
    assert len(numbers(disk)) > 40


@pytest.mark.parametrize("policy", ["oldest", "newest"])
def test_a_full_disk_costs_records_and_no_more(policy: Any) -> None:
    """The half of a record that still went on it is taken off again; later records follow."""
    disk = SimulatedDisk(capacity_bytes=10_000)
    disk.claimed_bytes = MIB
    writer = open_writer(disk, drop=policy)
    for number in range(100):
        writer.put(items(number), float(number))
    assert writer.dropped["disk_full"]["event"] + len(numbers(disk)) == 100
    disk.capacity_bytes = MIB
    writer.put(items(200), 200.0)
    assert numbers(disk)[-1] == 200
    assert writer.state == "ok"
    reader = SpoolReader(disk)
    reader.read(1000)
    assert (reader.corrupt, reader.torn) == (0, 0)


def test_a_disk_that_is_full_from_the_start_is_no_reason_not_to_start() -> None:
    """Even the boot cannot be written down; its ids are unlike any other's."""
    disk = SimulatedDisk(capacity_bytes=0)
    first, second = open_writer(disk), open_writer(disk)
    first.put(items(1), 0.0)
    assert str(first.boot) != str(second.boot)
    assert first.dropped == {"reserve": {"event": 1}}


def test_a_failed_sync_is_not_tried_again_on_the_same_file() -> None:
    """What was in doubt is written to a new segment; nothing is lost, nothing comes twice."""
    disk = SimulatedDisk()
    writer = open_writer(disk)
    writer.put(items(0, 1), 0.0)
    writer.sync(0.0)
    writer.put(items(2, 3), 1.0)
    disk.fail["sync"] = [errno.EIO]
    writer.sync(1.0)

    assert writer.sync_failures == 1
    assert writer.synced_seq == 4
    assert len(segments_of(disk.names())) == 2
    assert numbers(disk.after_power_cut(Random(0), "lost")) == [0, 1, 2, 3]
    assert numbers(disk) == [0, 1, 2, 3]


def test_a_record_that_stands_twice_is_read_once() -> None:
    """After a failed sync the old file may hold it as well."""
    disk = SimulatedDisk()
    writer = open_writer(disk)
    writer.put(items(0, 1), 0.0)
    disk.fail = {"sync": [errno.EIO], "truncate": [errno.EIO]}
    writer.sync(1.0)
    assert numbers(disk) == [0, 1]


def test_a_disk_that_fails_is_left_alone_for_a_while() -> None:
    """Records are shed and counted; when it is back, they go through, and the loss is told."""
    disk = SimulatedDisk()
    writer = open_writer(disk)
    writer.put(items(0), 0.0)
    disk.fail = {name: [errno.EIO] * 20 for name in ("sync", "write", "create", "truncate")}
    writer.sync(1.0)
    assert (writer.state, writer.failure) == ("failing", "Input/output error")
    calls = disk.calls
    writer.put(items(1), 1.5)
    assert disk.calls == calls
    disk.fail.clear()
    writer.put(items(2), 1.5 + RETRY_S)

    assert writer.state == "ok"
    assert writer.dropped == {"io": {"event": 2}}
    assert documents(disk)[-1] == {"type": "dropped", "dropped": {"io": {"event": 2}}}
    assert 2 in numbers(disk)


def test_a_write_that_fails_takes_nothing_along() -> None:
    """What was put before, and not forced to the disk yet, is saved to another segment."""
    disk = SimulatedDisk()
    writer = open_writer(disk)
    writer.put(items(0), 0.0)
    disk.fail = {"write": [errno.EIO]}
    writer.put(items(1), 0.1)
    writer.sync(0.2)
    assert numbers(disk.after_power_cut(Random(0), "lost")) == [0, 1]
    assert not writer.dropped


def test_a_record_without_measure_is_dropped() -> None:
    """It would fill a segment by itself, and no broker would take it."""
    disk = SimulatedDisk()
    writer = open_writer(disk)
    writer.put([(Kind.EVENT, b"x" * (LARGEST_PAYLOAD_BYTES + 1)), *items(1)], 0.0)
    assert writer.dropped == {"too_large": {"event": 1}}
    assert numbers(disk) == [1]
    assert writer.seq == 3, (
        "the hole in the numbers shows that one is missing; the notice is the third"
    )


def test_damage_is_skipped_and_counted() -> None:
    """A flipped bit costs its record; the ones behind it are found again."""
    disk = SimulatedDisk()
    writer = open_writer(disk, segment_bytes=MIB)
    writer.put(items(*range(10)), 0.0)
    writer.close(0.0)
    name = segments_of(disk.names())[0].name
    content = disk._names[name].content
    size = len(content) // 10
    content[3 * size + 5] ^= 0xFF  # in the length
    content[7 * size + 100] ^= 0x01  # in the payload
    del content[-7:]

    again = open_writer(disk)
    again.put(items(10), 0.0)
    reader = SpoolReader(disk)
    found = [json.loads(record.payload)["number"] for record in reader.read(100)]
    assert found == [0, 1, 2, 4, 5, 6, 8, 10]
    assert (again.torn, again.corrupt, reader.corrupt) == (True, 2, 2)


def test_a_connection_lost_between_two_boots_skips_nothing() -> None:
    """The numbers of the last boot say nothing of those of the next, which begin with 1 again."""
    disk = SimulatedDisk()
    for boot in range(2):
        writer = open_writer(disk)
        writer.put(items(*range(10 * boot, 10 * boot + 5)), 0.0)
        writer.close(0.0)
    reader = SpoolReader(disk)
    for record in reader.read(5):
        reader.acknowledge(record)
    reader.tidy(0.0, at_once=True)
    reader.rewind()

    assert [json.loads(record.payload)["number"] for record in reader.read(9)] == list(
        range(10, 15)
    )
    assert numbers(disk) == list(range(10, 15))


def test_a_segment_that_cannot_be_read_gives_way_as_well() -> None:
    """Its room is what is needed: a bad block keeps nothing new out for ever."""

    class BadBlock(SimulatedDisk):
        bad = ""

        def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
            if name == self.bad:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(name, offset, size)

    disk = BadBlock()
    writer = open_writer(disk, quota_bytes=20 * 4096, segment_bytes=4096)
    writer.put(items(*range(200)), 0.0)
    disk.bad = min(name for name in disk.names() if name.endswith(".seg"))
    for number in range(1000, 4000):
        writer.put(items(number), number / 10)
    assert disk.bad not in disk.names()
    assert (numbers(disk)[-1], writer.corrupt) == (3999, 1)
    assert writer.used_bytes <= 20 * 4096


def test_foreign_files_do_not_stop_the_spool(tmp_path: Path) -> None:
    """A folder with a segment's name, a counter without measure, a cursor of another version: records go on."""
    folder = tmp_path / "spool"
    (folder / "0000000001-00000000-00000001.seg").mkdir(parents=True)
    (folder / "9999999999-00000000-00000001.seg").write_bytes(b"what is this")
    body = "0000000001-00000000-00000001.seg new words"
    (folder / "cursor").write_text(f"{body} {zlib.crc32(body.encode()):08x}\n")
    reader = SpoolReader(DiskFiles(folder))
    writer = SpoolWriter(DiskFiles(folder), quota_bytes=1 << 20)
    writer.put([(Kind.EVENT, b'{"n":1}')], 0.0)
    assert [record.payload for record in reader.read(10)] == [b'{"n":1}']


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    """What was synced in it is gone; what comes is kept, and not written to files without a name."""
    folder = tmp_path / "spool"
    writer = SpoolWriter(DiskFiles(folder), quota_bytes=1 << 20)
    writer.put(items(0), 0.0)
    writer.sync(0.0)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    for number in range(1, 5):
        writer.put(items(number), float(number))
    writer.close(5.0)
    found = SpoolReader(DiskFiles(folder)).read(10)
    assert [json.loads(record.payload)["number"] for record in found] == [1, 2, 3, 4]
