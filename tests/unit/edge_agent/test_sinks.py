"""Where results go: lines of JSON, a live line, events for people."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import pytest

from edge_agent.errors import EdgeKitError
from edge_agent.latency import LatencyHistogram
from edge_agent.records import Event, Prediction
from edge_agent.sinks.jsonl import JsonlSink
from edge_agent.sinks.terminal import TerminalSink
from edge_agent.testing import ManualClock, no_memory

WALK = Prediction(0, 1.5, 30, (0.17, 0.83), "walk", 0.83)
STARTED = Event(0, 1.5, "walk", None, 0.83)


class Screen(io.TextIOWrapper):
    """A terminal, or a file, of some encoding."""

    def __init__(self, *, tty: bool = True, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")
        self._tty = tty

    def isatty(self) -> bool:
        """Return whether it plays a terminal."""
        return self._tty

    @property
    def text(self) -> str:
        """All that was written."""
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self.encoding)


def terminal(
    screen: TextIO, clock: ManualClock | None = None, /, **environment: str
) -> TerminalSink:
    """Make a sink on the screen."""
    latency = LatencyHistogram()
    latency.record(61e-6)
    return TerminalSink(
        screen,
        latency=latency,
        memory=no_memory,
        clock=clock or ManualClock(),
        environment=environment,
    )


def test_jsonl_writes_an_object_a_line(tmp_path: Path) -> None:
    """Predictions and events in order, in a folder that did not exist."""
    path = tmp_path / "new" / "out.jsonl"
    sink = JsonlSink(path)
    sink.write([WALK, Prediction(1, 2.0, 46, (math.nan, math.inf), None, None)], [STARTED])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    sink.close()

    assert [(line["type"], line["index"]) for line in lines] == [
        ("prediction", 0),
        ("event", 0),
        ("prediction", 1),
    ]
    assert lines[0] == {
        "type": "prediction",
        "index": 0,
        "time_s": 1.5,
        "row": 30,
        "label": "walk",
        "score": 0.83,
        "values": [0.17, 0.83],
    }
    assert lines[2]["values"] == [None, None]


def test_jsonl_names_the_recording_where_there_are_several(tmp_path: Path) -> None:
    """`group` stands in predictions and events, and in neither where the recording has no groups."""
    sink = JsonlSink(tmp_path / "out.jsonl")
    sink.write([replace(WALK, group="a")], [replace(STARTED, group="a")])
    sink.write([WALK], [STARTED])
    sink.close()

    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line.get("group") for line in lines] == ["a", "a", None, None]
    assert "group" not in lines[-1]


def test_jsonl_of_events_alone(tmp_path: Path) -> None:
    """`predictions = false` leaves only what changed."""
    sink = JsonlSink(tmp_path / "out.jsonl", predictions=False)
    sink.write([WALK], [])
    sink.write([WALK], [STARTED, Event(0, 1.5, "above", "below", 4.0, "speed")])
    sink.close()

    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(line["type"], line.get("output")) for line in lines] == [
        ("event", None),
        ("event", "speed"),
    ]


def test_jsonl_appends_behind_a_torn_line(tmp_path: Path) -> None:
    """A line that a full disk cut off does not spoil the next one."""
    path = tmp_path / "out.jsonl"
    path.write_text('{"type": "pre')
    sink = JsonlSink(path)
    sink.write([WALK], [])
    sink.close()

    torn, whole = path.read_text().splitlines()
    assert torn == '{"type": "pre'
    assert json.loads(whole)["label"] == "walk"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the kernel offers no full device")
def test_a_full_disk_is_a_sentence() -> None:
    """The error names the file and says what to do; closing afterwards is quiet."""
    sink = JsonlSink(Path("/dev/full"))
    with pytest.raises(EdgeKitError, match=r"cannot write to `/dev/full`: No space left") as caught:
        sink.write([WALK], [])

    assert caught.value.hint
    sink.close()


@pytest.mark.parametrize("path", ["", "file/out.jsonl"])
def test_a_path_that_cannot_be_opened(tmp_path: Path, path: str) -> None:
    """A folder, or a file where a folder should be: an error at once, not at the first event."""
    (tmp_path / "file").touch()

    with pytest.raises(EdgeKitError, match="cannot write to"):
        JsonlSink(tmp_path / path)


def test_the_live_line() -> None:
    """Label with a bar, rate, latency, memory; events stand above it."""
    screen = Screen()
    sink = terminal(screen, NO_COLOR="1")
    sink.write([WALK], [STARTED])
    sink.close()

    assert screen.text == (
        "      1.50 s  (none) → walk  0.83\n"
        "\rwalk ████████░░ 0.83  0.0 windows/s  p99 61 µs  mem 1.0 MB\x1b[K\n"
    )


def test_the_live_line_is_redrawn_ten_times_a_second_at_most() -> None:
    """A thousand predictions a second do not flood the terminal."""
    screen, clock = Screen(), ManualClock()
    sink = terminal(screen, clock)
    for count in range(1000):
        clock.advance(0.001)
        sink.write([Prediction(count, 0.0, 0, (count / 1000,), "walk", count / 1000)], [])

    assert 9 <= screen.text.count("\r") <= 11
    clock.advance(1.0)
    sink.write([], [])
    assert "500.0 windows/s" in screen.text.rpartition("\r")[2]


@pytest.mark.parametrize(
    ("name", "bold", "control"),
    [("LANG", True, True), ("NO_COLOR", False, True), ("TERM", False, False)],
)
def test_colour_only_where_it_is_wanted(name: str, bold: bool, control: bool) -> None:
    """NO_COLOR takes the colour, TERM=dumb all control; other variables change nothing."""
    screen = Screen()
    terminal(screen, **{name: "dumb"}).write([WALK], [STARTED])

    assert ("\x1b[1m" in screen.text) is bold
    assert ("\x1b[" in screen.text) is control


def test_no_terminal_gets_a_plain_line_an_event() -> None:
    """In a pipe or a log: events, no control characters, nothing else."""
    screen = Screen(tty=False)
    sink = terminal(screen)
    sink.write([WALK], [])
    sink.write(
        [WALK],
        [
            STARTED,
            Event(0, 2.0, None, "walk", None),
            Event(0, 2.5, "above", "below", 4.25, "speed"),
        ],
    )
    sink.close()

    assert screen.text.splitlines() == [
        "      1.50 s  (none) → walk  0.83",
        "      2.00 s  walk → (none)",
        "      2.50 s  speed: below → above  4.25",
    ]


def test_an_output_that_is_not_utf8() -> None:
    """ASCII takes the place of what cannot be written; a label's own letters become question marks."""
    screen = Screen(encoding="ascii")
    sink = terminal(screen, NO_COLOR="1")
    sink.write([Prediction(0, 0.0, 0, (1.0,), "gehört", 1.0)], [Event(0, 0.0, "gehört", None, 1.0)])

    assert "(none) -> geh?rt" in screen.text
    assert "geh?rt ########## 1.00" not in screen.text.split("\n")[0]
    assert "########## 1.00" in screen.text
    assert "61 us" in screen.text


def test_a_label_cannot_control_the_terminal() -> None:
    """Control characters in a label are shown, not obeyed."""
    screen = Screen(tty=False)
    terminal(screen).write([], [Event(0, 0.0, "\x1b]0;title\a", None, None)])

    assert "\x1b" not in screen.text


def test_the_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow terminal gets a short line instead of a wrapped one."""
    monkeypatch.setenv("COLUMNS", "20")
    screen = Screen()
    terminal(screen, NO_COLOR="1").write([WALK], [])

    assert len(screen.text.strip("\r").removesuffix("\x1b[K")) == 19


def test_a_line_that_does_not_fit_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit goes before a number does."""
    monkeypatch.setenv("COLUMNS", "48")
    screen = Screen()
    terminal(screen, NO_COLOR="1").write([WALK], [])

    assert (
        screen.text == "\rwalk ████████░░ 0.83  0.0/s  p99 61 µs  mem 1.0 MB\x1b[K"[:48] + "\x1b[K"
    )


def test_a_new_recording_has_a_line_above_its_first_event() -> None:
    """Events of several recordings with the same times can be told apart; the line is dim where that can be."""
    events = [
        Event(number, 5.04, "walk", None, None, group=group)
        for number, group in enumerate(["subject 3", "subject 3", "", "\x1b[2J"])
    ]
    plain, coloured = Screen(tty=False), Screen()
    terminal(plain).write([], events)
    terminal(coloured).write([], events[:1])

    event = "      5.04 s  (none) → walk"
    assert plain.text.splitlines() == [
        *("── subject 3", event, event),
        *("── (none)", event),
        *("── '\\x1b[2J'", event),
    ]
    assert coloured.text.startswith("\x1b[2m── subject 3\x1b[0m\n")


def test_epoch_times_are_shown_by_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local time to a tenth, the date when it changes; other times stay seconds."""
    monkeypatch.setenv("TZ", "XYZ-2")
    time.tzset()
    screen = Screen(tty=False)
    times_s = (1760000037.1, 1760047199.96, 1760047200.0, 999_999_999.0)
    terminal(screen).write([], [Event(0, time_s, "walk", None, None) for time_s in times_s])
    monkeypatch.undo()
    time.tzset()

    assert screen.text.splitlines() == [
        "── 2025-10-09",
        "  10:53:57.1  (none) → walk",
        "  23:59:59.9  (none) → walk",
        "── 2025-10-10",
        "  00:00:00.0  (none) → walk",
        "999999999.00 s  (none) → walk",
    ]


@pytest.mark.parametrize(
    ("prediction", "shown"),
    [
        (Prediction(0, 0.0, 0, (1.25, 2.5), None, None), "1.25  2.5"),
        (Prediction(0, 0.0, 0, (4.5,), "anomaly", 4.5), "anomaly 4.5"),
        (Prediction(0, 0.0, 0, (math.nan,), None, math.nan), "nan"),
        (Prediction(0, 0.0, 0, (-2.0, 9.0), "walk", 9.0), "walk 9"),
    ],
)
def test_a_bar_is_for_probabilities(prediction: Prediction, shown: str) -> None:
    """Values, scores and logits are numbers."""
    screen = Screen()
    terminal(screen, NO_COLOR="1").write([prediction], [])

    assert screen.text.startswith(f"\r{shown}  ")


def test_a_reader_that_went_away() -> None:
    """A broken pipe is for the caller to know: it is no failure of the run."""
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError), os.fdopen(writing, "w", buffering=1) as output:
        terminal(output).write([WALK], [STARTED])


def test_a_pipe_is_no_place_for_lines(tmp_path: Path) -> None:
    """Opening it would wait for a reader, and nothing could stop that."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(EdgeKitError, match=r"`.*pipe`: it is no regular file") as caught:
        JsonlSink(tmp_path / "pipe")
    assert caught.value.hint


def test_lines_may_go_nowhere() -> None:
    """The null device swallows them."""
    sink = JsonlSink(Path(os.devnull))
    sink.write([WALK], [STARTED])
    sink.close()


def test_jsonl_is_on_the_disk_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not take it is told; what cannot be synced, as /dev/null, is closed as well."""
    JsonlSink(Path("/dev/null")).close()
    sink = JsonlSink(tmp_path / "out.jsonl")
    sink.write([WALK], [])

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EdgeKitError, match="No space left"):
        sink.close()
    sink.close()
