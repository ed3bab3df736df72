"""Blocks of samples in, predictions and events out: the part of the loop that knows the model."""

from __future__ import annotations

import math
import struct
from collections import deque
from typing import TYPE_CHECKING

from edge_agent.accounts import Accounts
from edge_agent.blocks import BLOCK_SAMPLES
from edge_agent.decide import Decider
from edge_agent.latency import LatencyHistogram
from edge_agent.pace import FullPace
from edge_agent.records import Prediction

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_agent.capture import CaptureWriter
    from edge_agent.config import AgentConfig
    from edge_agent.pace import Pace
    from edge_agent.records import Block, Event
    from edge_agent.session import Stream
    from edge_agent.stop import Stop

LONGEST_PUSH_S = 0.1
"""A push that takes longer is followed by a smaller one, so that a stop is soon honoured."""

Results = tuple[list[Prediction], "list[Event]"]


class Inference:
    """
    Runs the windows of one stream, at the pace that `pace` allows, and decides on what comes out.

    `capture` writes down what the model was given. `alive` is called with the time after every push: a block may take a
    slow model minutes, and that is progress.
    """

    def __init__(  # noqa: PLR0913 (each is one seam, given by name)
        self,
        config: AgentConfig,
        stream: Stream,
        *,
        clock: Callable[[], float],
        pace: Pace | None = None,
        capture: CaptureWriter | None = None,
        latency: LatencyHistogram | None = None,
        alive: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._capture = capture
        self._alive = alive
        self.pace = pace or FullPace()
        self.latency = latency or LatencyHistogram()
        self.accounts = Accounts(stream)
        self._decider = Decider(config.output.kind, config.labels, config.decision)
        self._unpack = struct.Struct(f"<{stream.outputs}f").unpack
        self._unproven = config.model.unproven
        self._sample_bytes = 4 * len(config.input.channels)
        self._push_samples = stream.hop
        """How many samples the next push has at most; grows while pushes are short."""
        self._marked: deque[int] = deque()
        """Numbers within the segment of the marked samples that windows to come may hold."""
        self._last: tuple[Block, int] | None = None
        """The last sample: its block, and where it stands there."""

    def take(self, block: Block, stop: Stop) -> Results:
        """Take one block through the model; of one that takes long a stop leaves the rest. Raises ModelError."""
        began_s = self._clock()
        if block.begin:
            self._restart(block)
        if block.marked:
            self._marked.extend(self.accounts.segment_samples + item for item in block.marked)
        results: Results = ([], [])
        taken = self._run(block, stop, results)
        self._last = (block, taken - 1)
        if self._capture is not None:
            self._capture.block(block, taken)
        if results[0]:
            now_s = self._clock()
            self.pace.predicted(now_s, now_s - began_s)
        return results

    def level_changes(self) -> list[Event]:
        """Return the changes of level since the last call: each stands before the next prediction."""
        events = self.pace.take_changes()
        for event in events:
            event.index = self.accounts.windows
            event.time_s = self._last[0].time_of(self._last[1]) if self._last else 0.0
            event.unproven = self._unproven
            if self._capture is not None:
                self._capture.level(event)
        return events

    def _run(self, block: Block, stop: Stop, results: Results) -> int:
        """Push a block; return how many of its samples were pushed."""
        accounts = self.accounts
        first = accounts.segment_samples
        taken = 0
        while taken < block.count:
            if taken and stop.requested:
                accounts.cut("stop", block.count - taken)
                break
            if self.pace.enforcing:
                count, found = self._push_paced(block, taken)
            else:
                count = min(self._push_samples, block.count - taken)
                found = self._push(block, taken, count)
            taken += count
            accounts.segment_samples += count
            for end, raw in found:
                accounts.window(end)
                prediction, events = self._predict(self._unpack(raw), block, end - 1 - first)
                prediction.marked = bool(self._marked) and self._holds_marked(end)
                results[0].append(prediction)
                results[1].extend(events)
        return taken

    def _push_paced(self, block: Block, start: int) -> tuple[int, list[tuple[int, bytes]]]:
        """Push up to the end of the next window, which is computed only if the pace allows it."""
        seen = self.accounts.segment_samples
        window, hop = self._stream.window, self._stream.hop
        begun = 0 if seen < window else (seen - window) // hop + 1
        missing = window + begun * hop - seen
        count = min(missing, block.count - start)
        if count < missing:
            return count, self._push(block, start, count)
        admitted = self.pace.admit(self._clock())
        if self._capture is not None:
            self._capture.window(admitted=admitted)
        if not admitted:
            self.accounts.window(seen + count, computed=False)
            self._stream.push(self._slice(block, start, count), infer=False)
            return count, []
        return count, self._push(block, start, count)

    def _push(self, block: Block, start: int, count: int) -> list[tuple[int, bytes]]:
        """Give the model `count` samples of a block from `start`, and the next push its size."""
        samples = block.samples if count == block.count else self._slice(block, start, count)
        before_s = self._clock()
        found = self._stream.push(samples)
        now_s = self._clock()
        if found:
            took_s = now_s - before_s
            self.latency.record(took_s / len(found), len(found))
            self.pace.spend(now_s, took_s)
            if took_s > LONGEST_PUSH_S:
                self._push_samples = max(self._stream.hop, count // 2)
            elif self._push_samples < BLOCK_SAMPLES and took_s <= LONGEST_PUSH_S / 2:
                self._push_samples *= 2
        self._alive(now_s)
        return found

    def _slice(self, block: Block, start: int, count: int) -> bytes:
        size = self._sample_bytes
        return block.samples[start * size : (start + count) * size]

    def _predict(
        self, values: tuple[float, ...], block: Block, position: int
    ) -> tuple[Prediction, tuple[Event, ...]]:
        """Decide on one output; `position` is that of the window's last sample in the block."""
        accounts = self.accounts
        index = accounts.windows
        if not all(map(math.isfinite, values)):
            accounts.nonfinite += 1
        time_s = block.time_of(position)
        label, score, events = self._decider.step(values, index=index, time_s=time_s)
        accounts.predicted(label, events=len(events))
        for event in events:
            event.group = block.group
            event.unproven = self._unproven
        row = block.first_row + position if block.first_row else 0
        prediction = Prediction(index, time_s, row, values, label, score, block.group)
        prediction.level = self.pace.level
        return prediction, events

    def _holds_marked(self, end: int) -> bool:
        """Return whether the window that ends behind sample number `end` holds a marked one."""
        marked = self._marked
        while marked and marked[0] < end - self._stream.window:
            marked.popleft()
        return bool(marked) and marked[0] < end

    def _restart(self, block: Block) -> None:
        """End the segment: what waits for a window will never be in one."""
        self._marked.clear()
        self.accounts.restart(block.begin)
        self._decider.restart(new_recording=block.begin in ("start", "group"))
