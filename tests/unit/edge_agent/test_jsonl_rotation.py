"""A log file that does not grow for ever, and loses no line over it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edge_agent.errors import EdgeKitError
from edge_agent.records import Prediction
from edge_agent.sinks.jsonl import JsonlSink

if TYPE_CHECKING:
    from pathlib import Path


def write(sink: JsonlSink, numbers: range) -> None:
    """Write a line of about 100 bytes for each number."""
    for number in numbers:
        sink.write([Prediction(number, 0.0, 0, (1.0,), "walk", 1.0)], [])


def indices(path: Path) -> list[int]:
    """Return the numbers in a file."""
    return [json.loads(line)["index"] for line in path.read_text().splitlines() if line]


def test_files_are_moved_on(tmp_path: Path) -> None:
    """The newest old file is `.1`; so many stay as are wanted; every line is whole and in order."""
    path = tmp_path / "out.jsonl"
    sink = JsonlSink(path, rotate_bytes=1000, keep=3)
    write(sink, range(100))
    sink.close()

    assert sorted(each.name for each in tmp_path.iterdir()) == [
        *("out.jsonl", "out.jsonl.1", "out.jsonl.2", "out.jsonl.3")
    ]
    old = [number for count in (3, 2, 1) for number in indices(tmp_path / f"out.jsonl.{count}")]
    found = old + indices(path)
    assert found == list(range(found[0], 100))
    assert all(900 < each.stat().st_size < 1200 for each in tmp_path.glob("*.[123]"))


def test_a_power_cut_between_two_renames_costs_nothing(tmp_path: Path) -> None:
    """A number that is missing is passed over the next time."""
    path = tmp_path / "out.jsonl"
    sink = JsonlSink(path, rotate_bytes=1000, keep=3)
    write(sink, range(25))
    (tmp_path / "out.jsonl.2").rename(tmp_path / "out.jsonl.3")
    (tmp_path / "out.jsonl.1").rename(tmp_path / "out.jsonl.2")
    write(sink, range(25, 33))
    sink.close()

    old = [number for count in (3, 2, 1) for number in indices(tmp_path / f"out.jsonl.{count}")]
    assert old + indices(path) == list(range(33))


def test_a_sink_goes_on_after_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that did not fit is torn; the next one stands on its own."""
    path = tmp_path / "out.jsonl"
    sink = JsonlSink(path)
    write(sink, range(1))
    whole = sink._file

    class Full:
        """Takes ten bytes more."""

        taken = 0
        fileno = whole.fileno

        def write(self, data: memoryview) -> int:
            if self.taken:
                raise OSError(28, "No space left on device")
            self.taken = 10
            return whole.write(data[:10])

    monkeypatch.setattr(sink, "_file", Full())
    with pytest.raises(EdgeKitError, match="No space left on device"):
        write(sink, range(1, 2))
    monkeypatch.setattr(sink, "_file", whole)
    write(sink, range(2, 3))
    sink.close()

    first, torn, last = path.read_text().splitlines()
    assert (json.loads(first)["index"], torn, json.loads(last)["index"]) == (0, '{"type": "', 2)


def test_the_null_device_is_not_rotated() -> None:
    """Nor any other that is no file."""
    from pathlib import Path  # noqa: PLC0415 (for types alone above)

    sink = JsonlSink(Path("/dev/null"), rotate_bytes=1)
    write(sink, range(3))
    sink.close()
    assert not Path("/dev/null.1").exists()


@pytest.mark.parametrize("rotate_bytes", [None, 100_000])
def test_a_file_that_was_moved_or_removed_is_begun_anew(
    tmp_path: Path, rotate_bytes: int | None
) -> None:
    """By another program's rotation, or by hand with its folder: what follows is found at the path."""
    path = tmp_path / "out" / "out.jsonl"
    sink = JsonlSink(path, rotate_bytes=rotate_bytes)
    write(sink, range(2))
    path.rename(tmp_path / "moved.jsonl")
    write(sink, range(2, 4))
    assert (indices(tmp_path / "moved.jsonl"), indices(path)) == ([0, 1], [2, 3])
    path.unlink()
    path.parent.rmdir()
    write(sink, range(4, 6))
    path.write_text('{"index": 9}')  # replaced, and torn
    path.rename(path.with_suffix(".old"))
    path.with_suffix(".old").rename(path)
    (tmp_path / "fresh").write_text('{"index": 7}')
    (tmp_path / "fresh").rename(path)
    write(sink, range(8, 9))
    sink.close()
    assert indices(path) == [7, 8]


def test_a_pipe_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    """To open it would wait for a reader, for ever."""
    import os  # noqa: PLC0415 (here alone)

    path = tmp_path / "out.jsonl"
    sink = JsonlSink(path)
    write(sink, range(1))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(EdgeKitError, match="no regular file"):
        write(sink, range(1, 2))
    path.unlink()
    write(sink, range(2, 3))
    sink.close()
    assert indices(path) == [2]
