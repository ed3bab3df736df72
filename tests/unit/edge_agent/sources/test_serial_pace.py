"""When a serial source wakes up: once a window where samples come regularly, and no gap hides in what it gathers."""

from __future__ import annotations

import struct
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from edge_agent.arrivals import Arrival
from edge_agent.config import SerialSource as Configuration
from edge_agent.config import Stream
from edge_agent.frame_segments import FrameSegmenter
from edge_agent.sources.framing import Run
from edge_agent.sources.serial import SerialSource
from edge_agent.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.records import Block

RATE_HZ = 100.0
WINDOW, HOP = 128, 16
SECONDS = 40.0
SETTLED_S = 5.0
"""By then the rate is known."""
PORT = 17


class Clock(ManualClock):
    """A clock that `Line.select` knows how to wait on."""

    def fileno(self) -> int:
        """Return a descriptor that is none."""
        return -1


class Line:
    """A port in virtual time: `arrivals_s` says when each sample arrives, which is a number, 10 ms after the one before."""

    def __init__(self, clock: Clock, arrivals_s: Sequence[tuple[float, int]], row: str) -> None:
        self._clock = clock
        self._arrivals_s = arrivals_s
        self._row = row
        self._next = 0
        self.reads_s: list[float] = []

    def fileno(self) -> int:
        """Return a descriptor that only `select` below knows."""
        return PORT

    def read(self) -> bytes:
        """Return what has arrived."""
        first = self._next
        while self.has_bytes:
            self._next += 1
        self.reads_s.append(self._clock())
        rows = (
            self._row.format(number=number) for _, number in self._arrivals_s[first : self._next]
        )
        return "".join(rows).encode()

    def close(self) -> None:
        """Give nothing back."""

    @property
    def has_bytes(self) -> bool:
        """Whether something has arrived that was not read."""
        left = self._next < len(self._arrivals_s)
        return left and self._arrivals_s[self._next][0] <= self._clock()

    def select(
        self, readers: list[int], _writers: object, _others: object, timeout_s: float
    ) -> tuple[list[int], list[int], list[int]]:
        """Wait for the port in virtual time."""
        arrives_s = self._arrivals_s[self._next][0] if self._next < len(self._arrivals_s) else 1e9
        self._clock.advance(max(0.0, min(timeout_s, arrives_s - self._clock())))
        return [PORT] if self.has_bytes and PORT in readers else [], [], []


def listen(
    monkeypatch: pytest.MonkeyPatch,
    arrivals_s: Sequence[tuple[float, int]],
    row: str = "{number},0\n",
    header: str = "",
) -> tuple[Line, list[tuple[float, Block]], SerialSource]:
    """Return the line, the blocks with the moment when each was there, and the source."""
    clock = Clock(stop_at_s=SECONDS)
    line = Line(clock, arrivals_s, row)
    monkeypatch.setattr("edge_agent.sources.serial.select.select", line.select)
    stream = Stream(channels=("number", "b"), rate_hz=RATE_HZ, window=WINDOW, hop=HOP)
    source = SerialSource(
        stream,
        Configuration(port="/dev/none", time="ms" if header else None),
        header=header,
        open_port=lambda _path, _baud: line,
        clock=clock,
    )
    blocks = [(clock(), block) for block in source.blocks(clock) if block is not None]
    return line, blocks, source


def regular(jitter_s: Callable[[int], float] = lambda _: 0.0) -> list[tuple[float, int]]:
    """Return a sensor that sends as it should, each sample a little late."""
    return [
        (number / RATE_HZ + jitter_s(number), number)
        for number in range(round((SECONDS + 1) * RATE_HZ))
    ]


def segments(blocks: list[tuple[float, Block]]) -> list[list[int]]:
    """Return the numbers of the samples, by segment."""
    found: list[list[int]] = []
    for _, block in blocks:
        if block.begin:
            found.append([])
        found[-1] += [int(number) for number, _ in struct.iter_unpack("<2f", block.samples)]
    return found


@pytest.mark.parametrize(
    ("row", "header"), [("{number},0\n", ""), ("{number}0,{number},0\n", "ms,number,b")]
)
def test_one_waking_up_a_window(monkeypatch: pytest.MonkeyPatch, row: str, header: str) -> None:
    """With or without time stamps, by a sensor whose samples are up to 2 ms late; each window is read when it is full."""
    sent = regular(lambda number: number * 7 % 5 * 0.0005)
    line, blocks, source = listen(monkeypatch, sent, row, header)

    settled = [now_s for now_s in line.reads_s if now_s > SETTLED_S]
    windows = (SECONDS - SETTLED_S) * RATE_HZ / HOP
    assert len(settled) < 1.2 * windows
    (numbers,) = segments(blocks)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert source.counts.dropped.keys() <= {"before_start"}
    seen = 0
    for now_s, block in blocks:
        for number in numbers[seen : seen + block.count]:
            seen += 1
            if seen >= WINDOW and (seen - WINDOW) % HOP == 0 and now_s > SETTLED_S:
                assert now_s - sent[number][0] < 1 / RATE_HZ + 0.006


@pytest.mark.parametrize("lost", [7, 8, 12, 15, 20])
def test_no_pause_hides_among_what_was_gathered(monkeypatch: pytest.MonkeyPatch, lost: int) -> None:
    """Samples are missing now and then, at every place of a hop: no segment goes on across."""
    holes = {hole + lost for hole in range(600, 3600, 197)}
    sent = [each for each in regular() if not any(hole - lost <= each[1] < hole for hole in holes)]
    _, blocks, source = listen(monkeypatch, sent)

    found = segments(blocks)
    assert source.details["gaps"] == len(holes)
    assert {later - sooner for numbers in found for sooner, later in pairwise(numbers)} == {1}
    assert len(found) == len(holes) + 1
    around = source.counts.dropped.get("around_gap", 0)
    assert around <= 25 * len(holes)
    assert (
        sum(map(len, found)) + around + source.counts.dropped.get("before_start", 0)
        >= len(sent) - 130
    )


@pytest.mark.parametrize("count", [7, 15, 40])
def test_what_is_only_late_is_no_gap(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """A sensor that is held up now and then, and sends all of it: one segment, and nothing is dropped."""
    late = {number: hole for hole in range(600, 3600, 197) for number in range(hole, hole + count)}
    sent = [
        (max(moment_s, (late[number] + count) / RATE_HZ) if number in late else moment_s, number)
        for moment_s, number in regular()
    ]
    _, blocks, source = listen(monkeypatch, sent)

    assert len(segments(blocks)) == 1
    assert source.details["gaps"] == 0
    assert source.counts.dropped.keys() <= {"before_start"}


def test_another_rate_is_no_row_of_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sensor at 60 Hz where 100 are expected: told, and every sample is read."""
    sent = [(number / 60, number) for number in range(round(SECONDS * 60))]
    _, blocks, source = listen(monkeypatch, sent)

    assert len(segments(blocks)) == 1
    assert any("samples come at 60" in note for note in source.notes)


def test_frames_with_a_gap_among_them_are_in_no_window() -> None:
    """Ten of twenty frames are missing in what nobody was waiting for: the rest is dropped, and a segment begins."""
    segmenter = FrameSegmenter(Stream(channels=("number",), rate_hz=RATE_HZ, window=4, hop=4))
    found = []
    for first_s, count in ((0.0, 20), (0.2, 10), (0.4, 20)):
        run = Run(0, array("d", range(count)))
        found += list(segmenter.take([run], Arrival(first_s, first_s + 0.2, prompt=False)))

    assert [(block.begin, block.count) for block in found] == [("start", 20), ("gap", 20)]
    assert segmenter.counts.dropped == {"around_gap": 10}
    assert segmenter.counts.read == 50
