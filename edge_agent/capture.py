"""
A run, written down and run again: `run --record FILE`, then `run --replay FILE`.

The file holds what the model was given, behind every check and correction, and how degraded the agent ran. So a
replay makes the same predictions and events to the last digit, wherever and however fast it runs. It is text, a
JSON object a line:

    {"edgekit_run": 1, "name": …, "model": SHA-256, "channels": […], "window": …, "hop": …, …}
    {"begin": "gap", "time_s": …, "period_s": …, "samples": base64 of float32 [time, channel], "windows": "101", …}
    {"level": "hop-x2", "previous": "full", "reason": …}
    {"dropped": {"bad_value": 1}}

`windows` tells of each window that was due in the block whether it was computed; it is missing where nothing limited
them. A last line without its end is what a crash leaves: it is passed over.
"""

from __future__ import annotations

import binascii
import json
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any, BinaryIO

from edge_agent.errors import ConfigError, DataError, EdgeKitError
from edge_agent.pace import level_event
from edge_agent.records import FULL, Block, SampleCounts
from edge_agent.sources.replay import in_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from edge_agent.config import AgentConfig
    from edge_agent.records import Event
    from edge_agent.stop import Stop

FORMAT = 1
MENDED = ("held", "clipped", "marked")
"""Counts of samples that went on although something was wrong with them."""
MAGIC = b'{"edgekit_run":'
"""How every such file begins, and no recording."""
LONGEST_LINE_BYTES = 1 << 24
"""A block has 256 samples at most; whatever is longer was not written here."""


def is_capture(path: Path) -> bool:
    """Return whether a file is a recorded run, by its first bytes; one that cannot be read is none."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


class CaptureWriter:
    """
    Writes a run down as the loop makes it; handed to the kernel once a second, by `flush`.

    Raises EdgeKitError when the file cannot be written: a recording with a hole would be none.
    """

    def __init__(self, path: Path, agent: AgentConfig) -> None:
        self._path = path
        self._size = 4 * len(agent.input.channels)
        self._dropped: dict[str, int] = {}
        self._mended = dict.fromkeys(MENDED, 0)
        self._admitted: list[str] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("wb")
        except OSError as error:
            raise self._failure(error) from None
        self._write(
            {
                "edgekit_run": FORMAT,
                "name": agent.name,
                "version": agent.version,
                "model": agent.model.sha256,
                "channels": agent.input.channels,
                "rate_hz": agent.input.rate_hz,
                "window": agent.input.window,
                "hop": agent.input.hop,
            }
        )

    def window(self, *, admitted: bool) -> None:
        """Note of the window that is due next whether it is computed."""
        self._admitted.append("1" if admitted else "0")

    def block(self, block: Block, count: int) -> None:
        """Write the first `count` samples of a block, those that were used."""
        document: dict[str, Any] = {
            "time_s": block.time_s,
            "period_s": block.period_s,
            "samples": binascii.b2a_base64(
                block.samples[: count * self._size], newline=False
            ).decode(),
        }
        optional = {
            "begin": block.begin,
            "times_s": block.times_s[:count],
            "row": block.first_row,
            "marked": [position for position in block.marked if position < count],
            "windows": "".join(self._admitted),
        }
        document.update({key: value for key, value in optional.items() if value})
        if block.group is not None:
            document["group"] = block.group
        self._admitted.clear()
        self._write(document)

    def level(self, event: Event) -> None:
        """Write a change of level."""
        self._write({"level": event.label, "previous": event.previous, "reason": event.reason})

    def drops(self, counts: SampleCounts) -> None:
        """Write what was dropped since the last time, by reason, and what was mended."""
        mended = {name: getattr(counts, name) for name in MENDED}
        if (counts.dropped, mended) == (self._dropped, self._mended):
            return
        document = {"dropped": _growth(self._dropped, counts.dropped)}
        grown = _growth(self._mended, mended)
        if grown:
            document["mended"] = grown
        self._dropped, self._mended = dict(counts.dropped), mended
        self._write(document)

    def flush(self) -> None:
        """Hand what was written to the kernel."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """Write what is left."""
        try:
            self._file.close()
        except OSError as error:
            raise self._failure(error) from None

    def _write(self, document: dict[str, Any]) -> None:
        line = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        try:
            self._file.write(line.encode("utf-8", "backslashreplace") + b"\n")
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> EdgeKitError:
        return EdgeKitError(
            f"cannot record to `{self._path}`: {error.strerror}",
            hint="free some space, or record to another file: `--record FILE`",
        )


class Capture:
    """
    A recorded run, as the source of a new one and as its pace: levels and windows are those of then.

    Raises DataError for a file that is damaged, ConfigError for one of other channels. With another model or
    other windows than then, the samples are taken and the levels are not.
    """

    is_recorded = True

    def __init__(
        self,
        path: Path,
        agent: AgentConfig,
        *,
        speed: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._speed = speed
        self._clock = clock
        self._size = 4 * len(agent.input.channels)
        self._lines = _whole_lines(path)
        self._line = 1
        self._changes: list[Event] = []
        self._windows: deque[bool] = deque()
        self._torn = False
        self.counts = SampleCounts()
        self.rate_hz_measured: float | None = None
        self.details: dict[str, int | float | str] = {}
        self.state = "running"
        self.level = FULL
        self.enforcing = False
        header = self._object(next(self._lines, b""))
        self._same_windows = self._check(header, agent)
        self._same_model = header.get("model") == agent.model.sha256

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as it was then."""
        notes = []
        if not self._same_windows:
            notes.append("other windows than in the recorded run: its levels are not repeated")
        elif not self._same_model:
            notes.append("another model than in the recorded run: its results may differ")
        if self._torn:
            notes.append("the recorded run broke off: its last line has no end, and is passed over")
        return tuple(notes)

    def blocks(self, stop: Stop) -> Iterator[Block | None]:
        """Yield the blocks of then, each when its last sample is due."""
        yield from in_time(self._read(), stop, speed=self._speed, clock=self._clock)
        if not stop.requested:
            yield None  # changes of level may stand behind the last block
        self.state = "stopped" if stop.requested else "ended"

    def admit(self, now_s: float) -> bool:  # noqa: ARG002 (the time was then)
        """Return whether the window was computed then."""
        return self._windows.popleft() if self._windows else True

    def spend(self, now_s: float, took_s: float) -> None:
        """Count nothing: what it costs today changes no decision."""

    def predicted(self, now_s: float, waited_s: float) -> None:
        """Note nothing."""

    def tick(self, now_s: float) -> None:
        """Look at nothing."""

    def take_changes(self) -> list[Event]:
        """Return the changes of level that stand before the block that was yielded last."""
        changes, self._changes = self._changes, []
        if changes:
            self.level = changes[-1].label or FULL
        return changes

    def report(self) -> dict[str, Any] | None:
        """Return none: the budget was that of then."""
        return None

    def _read(self) -> Iterator[Block]:
        for line in self._lines:
            self._line += 1
            if not line.endswith(b"\n"):
                self._torn = True
                return
            document = self._object(line)
            try:
                block = self._take(document)
            except (KeyError, TypeError, ValueError, AttributeError):  # whatever a wrong type does
                raise self._damage("is no part of a recorded run") from None
            if block is not None:
                yield block

    def _take(self, document: dict[str, Any]) -> Block | None:
        """Take a line; return the block if it is one."""
        if "level" in document:
            if self._same_windows:
                self._changes.append(
                    level_event(document["level"], document["previous"], document["reason"])
                )
            return None
        if "dropped" in document:
            for reason, count in document["dropped"].items():
                self.counts.read += count
                self.counts.drop(reason, count)
            mended = document.get("mended", {})
            for name in MENDED:
                setattr(self.counts, name, getattr(self.counts, name) + int(mended.get(name, 0)))
            return None
        samples = binascii.a2b_base64(document["samples"], strict_mode=True)
        times_s = tuple(map(float, document.get("times_s", ())))
        count, rest = divmod(len(samples), self._size)
        if rest or not count or len(times_s) not in (0, count):
            raise ValueError(document)
        self.counts.read += count
        windows = document.get("windows", "") if self._same_windows else ""
        self._windows = deque(mark == "1" for mark in windows)
        self.enforcing = bool(windows)
        return Block(
            samples=samples,
            count=count,
            time_s=float(document["time_s"]),
            period_s=float(document["period_s"]),
            begin=document.get("begin", ""),
            times_s=times_s,
            first_row=int(document.get("row", 0)),
            group=document.get("group"),
            marked=tuple(map(int, document.get("marked", ()))),
        )

    def _check(self, header: dict[str, Any], agent: AgentConfig) -> bool:
        """Return whether the windows are those of then. Raises ConfigError for other channels."""
        if header.get("edgekit_run") != FORMAT:
            raise self._damage(f"is of another version than {FORMAT}")
        channels = header.get("channels")
        if channels != list(agent.input.channels):
            raise ConfigError(
                f"`{self._path}` was recorded with other channels: {_listed(channels)}, here are {_listed(agent.input.channels)}",
                hint="replay it in the project that it was recorded in",
            )
        return (header.get("window"), header.get("hop")) == (agent.input.window, agent.input.hop)

    def _object(self, line: bytes) -> dict[str, Any]:
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            raise self._damage("is no JSON") from None
        if not isinstance(document, dict):
            raise self._damage("is no JSON object")
        return document

    def _damage(self, what: str) -> DataError:
        return DataError(
            f"`{self._path}` is damaged: line {self._line} {what}",
            hint="record the run again: `edgekit run --record FILE`",
        )


def _growth(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """Return by how much each count has grown, where it has."""
    return {
        name: count - before.get(name, 0)
        for name, count in now.items()
        if count != before.get(name, 0)
    }


def _whole_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while line := file.readline(LONGEST_LINE_BYTES):
                yield line
    except OSError as error:
        raise DataError(f"cannot read `{path}`: {error.strerror}") from None


def _listed(names: Sequence[str] | None) -> str:
    return ", ".join(f"`{name}`" for name in names) if isinstance(names, (list, tuple)) else "none"
