"""The spool when the power fails: at every call that changes the disk, and at random."""

from __future__ import annotations

import itertools
import json
from random import Random
from typing import TYPE_CHECKING

import pytest

from edge_agent.spool.reader import SpoolReader
from edge_agent.spool.record import Kind, encode
from edge_agent.spool.testing import PowerCutError, SimulatedDisk
from edge_agent.spool.writer import SpoolWriter

if TYPE_CHECKING:
    from edge_agent.spool.testing import Fate

FATES: tuple[Fate, ...] = ("lost", "kept", "torn")
WINDOW_S = 1.0


class Ledger:
    """What was promised: put, safe on the disk, acknowledged; and what came out."""

    def __init__(self) -> None:
        self.put: dict[tuple[str, int], bytes] = {}
        self.safe: set[tuple[str, int]] = set()
        self.acknowledged: set[tuple[str, int]] = set()
        self.delivered: dict[tuple[str, int], bytes] = {}
        self.boots: list[str] = []
        self.latest: list[tuple[float, tuple[str, int]]] = []
        """Puts with their time."""


class Agent:
    """A writer and a reader on one disk, as the agent and its uplink are."""

    def __init__(self, disk: SimulatedDisk, ledger: Ledger, random: Random) -> None:
        self._random = random
        self._ledger = ledger
        self._now_s = 0.0
        self._writer = SpoolWriter(
            disk, quota_bytes=1 << 20, loss_window_s=WINDOW_S, batch_records=5, segment_bytes=400
        )
        ledger.boots.append(str(self._writer.boot))
        self._reader = SpoolReader(disk)

    def step(self) -> None:
        """Put some records, let time pass, take some, acknowledge some of these in any order."""
        ledger, writer, random = self._ledger, self._writer, self._random
        self._now_s += random.choice((0.05, 0.1, 0.3))
        boot = str(writer.boot)
        items = []
        for number in range(random.randint(0, 3)):
            seq = writer.seq + 1 + number
            payload = encode({"boot": boot, "seq": seq, "filler": "x" * random.randint(0, 90)})
            ledger.put[boot, seq] = payload
            ledger.latest.append((self._now_s, (boot, seq)))
            items.append((Kind.EVENT, payload))
        writer.put(items, self._now_s)
        ledger.safe |= {key for key in ledger.put if key[0] == boot and key[1] <= writer.synced_seq}
        self.deliver(random.randint(0, 4), all_of_it=False)

    def deliver(self, limit: int, *, all_of_it: bool) -> int:
        """Send so many records; the broker acknowledges all of them, or some, in any order."""
        records = self._reader.read(limit)
        for record in records:
            self._ledger.delivered[str(record.boot), record.seq] = record.payload
        self._random.shuffle(records)
        for record in records if all_of_it else records[: self._random.randint(0, len(records))]:
            self._ledger.acknowledged.add((str(record.boot), record.seq))
            self._reader.acknowledge(record)
        if not all_of_it and self._random.random() < 0.1:
            self._reader.rewind()  # the connection was lost
        self._reader.tidy(self._now_s)
        return len(records)


def survive(cut_at: int, fate: Fate, seed: int, *, steps: int = 30, cuts: int = 1) -> int:
    """
    Run until the power fails, restart, and hold what comes out against what was promised.

    Returns the calls of the last run; the caller goes on until the power no longer fails in it.
    """
    random = Random(seed)
    ledger = Ledger()
    disk = SimulatedDisk(cut_at=cut_at)
    for _ in range(cuts):
        try:
            agent = Agent(disk, ledger, random)
            for _ in range(steps):
                agent.step()
        except PowerCutError:
            pass
        calls = disk.calls
        disk = disk.after_power_cut(random, fate)
        disk.cut_at = random.randint(0, 60) if cuts > 1 else -1
    disk.cut_at = -1
    check(disk, ledger, random)
    return calls


def check(disk: SimulatedDisk, ledger: Ledger, random: Random) -> None:
    """Restart and take all that is there."""
    agent = Agent(disk, ledger, random)
    agent._reader.rewind()
    while agent.deliver(10, all_of_it=True):
        pass
    missing = ledger.safe - ledger.acknowledged - set(ledger.delivered)
    assert not missing, "records that were on the disk are lost"
    for key, payload in ledger.delivered.items():
        assert key in ledger.put, "a record that nobody put"
        assert payload == ledger.put[key], "a damaged record was delivered"
    assert len(set(ledger.boots)) == len(ledger.boots), "a boot came twice, and with it its ids"
    # a new record still arrives: no cursor stands in its way
    agent._writer.put([(Kind.EVENT, b"{}")], 100.0)
    assert [record.payload for record in agent._reader.read(10)] == [b"{}"]


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("seed", range(3))
def test_power_may_fail_at_every_call(fate: Fate, seed: int) -> None:
    """Nothing that was safe is lost, nothing damaged delivered, and the spool opens again."""
    for cut_at in itertools.count():
        if survive(cut_at, fate, seed) < cut_at:
            break
    assert cut_at > 50


@pytest.mark.parametrize("fate", FATES)
def test_power_may_fail_again_and_again(fate: Fate) -> None:
    """Also while the spool recovers from the last time."""
    for seed in range(40):
        survive(Random(seed).randint(0, 60), fate, seed, cuts=4)


@pytest.mark.slow
def test_three_hundred_power_cuts() -> None:
    """Long runs, cut anywhere, pages lost at random."""
    for seed in range(300):
        random = Random(seed)
        survive(random.randint(0, 1500), random.choice(FATES), seed, steps=400, cuts=3)


def test_a_power_cut_costs_no_more_than_the_window() -> None:
    """Whatever was put longer ago than the window, by the clock of the writer, is on the disk."""
    disk = SimulatedDisk()
    writer = SpoolWriter(disk, quota_bytes=1 << 20, loss_window_s=WINDOW_S, batch_records=1000)
    put_s: dict[int, float] = {}
    for tick in range(100):
        now_s = tick * 0.1
        writer.put([(Kind.EVENT, encode({"tick": tick}))] if tick % 3 == 0 else [], now_s)
        if tick % 3 == 0:
            put_s[writer.seq] = now_s
        left = SpoolReader(disk.after_power_cut(Random(tick), "lost")).read(1000)
        lost = set(put_s) - {record.seq for record in left}
        assert all(now_s - put_s[seq] < WINDOW_S for seq in lost)
    assert json.loads(left[0].payload) == {"tick": 0}
