"""Whatever is put, read, lost and restarted, in any order: the spool keeps its promises."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge_agent.spool.reader import SpoolReader
from edge_agent.spool.record import Boot, Kind, Segment, encode, pack, scan
from edge_agent.spool.testing import SimulatedDisk
from edge_agent.spool.writer import SpoolWriter

if TYPE_CHECKING:
    from random import Random

    from edge_agent.spool.record import Record

Id = tuple[str, int]
QUOTA_BYTES = 24 * 4096


class SpoolMachine(RuleBasedStateMachine):
    """A writer and a reader on a disk that fills up, fails and loses power."""

    @initialize(policy=st.sampled_from(["oldest", "newest"]))
    def begin(self, policy: str) -> None:
        """Open both ends."""
        self.disk = SimulatedDisk()
        self.policy = policy
        self.now_s = 0.0
        self.put: dict[Id, bytes] = {}
        self.delivered: set[Id] = set()
        self.safe: set[Id] = set()
        self.acknowledged: set[Id] = set()
        self.waiting: list[Record] = []
        self.dropped = 0
        self.open_writer()
        self.reader = SpoolReader(self.disk)

    def open_writer(self) -> None:
        """Begin a boot."""
        self.writer = SpoolWriter(
            self.disk,
            quota_bytes=QUOTA_BYTES,
            segment_bytes=700,
            batch_records=6,
            drop=self.policy,  # type: ignore[arg-type]
        )

    @rule(sizes=st.lists(st.integers(0, 250), max_size=8), seconds=st.sampled_from([0.0, 0.2, 2.0]))
    def write(self, sizes: list[int], seconds: float) -> None:
        """Put records, some time after the last."""
        self.now_s += seconds
        items = []
        for position, size in enumerate(sizes):
            key = (str(self.writer.boot), self.writer.seq + 1 + position)
            payload = encode({"id": key, "filler": "x" * size})
            self.put[key] = payload
            items.append((Kind.EVENT, payload))
        self.writer.put(items, self.now_s)
        self.note_safe()

    def note_safe(self) -> None:
        """Promise what is synced; once something was dropped, nothing single is promised."""
        boot = str(self.writer.boot)
        if self.writer.dropped:
            self.dropped += 1
        self.safe |= {
            key for key in self.put if key[0] == boot and key[1] <= self.writer.synced_seq
        }

    @rule(limit=st.integers(1, 30))
    def read(self, limit: int) -> None:
        """Take records."""
        for record in self.reader.read(limit):
            key = (str(record.boot), record.seq)
            if record.kind != Kind.NOTICE:
                assert self.put[key] == record.payload
            self.delivered.add(key)
            self.waiting.append(record)

    @rule(random=st.randoms(use_true_random=False), share=st.floats(0, 1))
    def acknowledge(self, random: Random, share: float) -> None:
        """Acknowledge some, in any order."""
        random.shuffle(self.waiting)
        for _ in range(int(len(self.waiting) * share)):
            record = self.waiting.pop()
            self.reader.acknowledge(record)
            self.acknowledged.add((str(record.boot), record.seq))
        self.reader.tidy(self.now_s)

    @rule()
    def lose_the_connection(self) -> None:
        """Hand out again what was not acknowledged."""
        self.reader.rewind()
        self.waiting.clear()

    @rule(method=st.sampled_from(["sync", "write", "truncate", "unlink", "sync_folder"]))
    def fail(self, method: str) -> None:
        """Let the next call of a kind fail."""
        self.disk.fail[method] = [errno.EIO]

    @rule()
    def restart_the_reader(self) -> None:
        """As after a kill: what is on the disk counts."""
        self.reader = SpoolReader(self.disk)
        self.waiting.clear()

    @rule()
    def restart_the_writer(self) -> None:
        """In good order."""
        self.writer.close(self.now_s)
        self.note_safe()
        self.disk.fail.clear()
        self.open_writer()

    @rule(random=st.randoms(use_true_random=False), fate=st.sampled_from(["lost", "kept", "torn"]))
    def cut_the_power(self, random: Random, fate: str) -> None:
        """Lose what was not synced, and both processes."""
        self.disk = self.disk.after_power_cut(random, fate)  # type: ignore[arg-type]
        self.open_writer()
        self.reader = SpoolReader(self.disk)
        self.waiting.clear()

    @invariant()
    def the_quota_is_kept(self) -> None:
        """By what the disk holds."""
        if hasattr(self, "disk"):
            sizes = [self.disk.size(name) for name in self.disk.names() if name.endswith(".seg")]
            assert sum(sizes) <= QUOTA_BYTES

    def teardown(self) -> None:
        """In the end everything that was safe, and that nothing was dropped for, has been delivered."""
        if not hasattr(self, "disk"):
            return
        self.reader.rewind()
        while records := self.reader.read(50):
            self.delivered |= {(str(record.boot), record.seq) for record in records}
        if not self.dropped:
            assert self.safe <= self.delivered


SpoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSpool = SpoolMachine.TestCase


@given(
    payloads=st.lists(st.binary(max_size=60), max_size=12),
    damage=st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 255)), max_size=4),
    cut=st.integers(0, 2000),
)
@settings(deadline=None)
def test_damage_never_makes_a_record(
    payloads: list[bytes], damage: list[tuple[int, int]], cut: int
) -> None:
    """Flipped and missing bytes cost records; those that are left are the ones that were written, in order."""
    segment = Segment(3, 1, 7)
    whole = b"".join(
        pack(segment.boot, seq, Kind.EVENT, payload) for seq, payload in enumerate(payloads, 1)
    )
    data = bytearray(whole[: len(whole) - min(cut, len(whole)) // 8])
    for place, flip in damage:
        if data:
            data[place % len(data)] ^= flip
    written = dict(enumerate(payloads, 1))
    for final in (True, False):
        found = scan(bytes(data), segment, final=final).records
        assert all(written[record.seq] == record.payload for record in found)
        assert [record.seq for record in found] == sorted({record.seq for record in found})
    if bytes(data) == whole:
        assert len(found) == len(payloads)


def test_a_record_of_another_boot_is_damage() -> None:
    """What a file held before, in another life, is not believed."""
    record = pack(Boot(1, 2), 1, Kind.EVENT, b"{}")
    assert scan(record, Segment(1, 1, 2), final=True).records
    assert not scan(record, Segment(2, 1, 2), final=True).records
    assert not scan(record, Segment(1, 1, 3), final=True).records
