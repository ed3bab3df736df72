"""Surveys: what a recording tells without any project."""

from __future__ import annotations

import json
import wave
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import Columns
from edgekit.errors import DataError
from edgekit.survey import rate_in_name, survey

if TYPE_CHECKING:
    from pathlib import Path


def _csv(folder: Path, header: str, rows: list[str]) -> Path:
    path = folder / "walk.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_columns_rate_and_labels_are_found(tmp_path: Path) -> None:
    """A recording as loggers write it: time in milliseconds, channels, a label, a note nobody needs."""
    rows = [
        f"{20 * index},0.{index},1,-2,{'walk' if index < 60 else 'run'},fine"
        for index in range(100)
    ]

    seen = survey(_csv(tmp_path, "time_ms,ax,ay,az,activity,comment", rows))

    assert seen.channels == ("ax", "ay", "az")
    assert seen.columns == Columns(time="time_ms", label="activity")
    assert seen.rate_hz == 50
    assert seen.labels == ("run", "walk")
    assert not seen.values
    assert (seen.samples, seen.whole) == (100, True)


def test_without_time_there_is_no_rate(tmp_path: Path) -> None:
    """A rate that nobody has measured is not invented."""
    assert survey(_csv(tmp_path, "ax,ay", ["1,2"] * 20)).rate_hz is None


def test_a_counter_is_no_channel(tmp_path: Path) -> None:
    """An index, as pandas writes it: a first column without a name."""
    seen = survey(_csv(tmp_path, ",ax,ay", [f"{index},1,2" for index in range(20)]))

    assert seen.channels == ("ax", "ay")


@pytest.mark.parametrize(
    ("labels", "found", "values"),
    [
        (["2", "10", "1"], ("1", "2", "10"), False),
        (["0.5", "1.25", "2"], (), True),
        (["walk", "", "walk"], ("walk",), False),
    ],
    ids=["numbers as names", "measured values", "blank ones"],
)
def test_labels_are_told_from_measured_values(
    tmp_path: Path, labels: list[str], found: tuple[str, ...], values: bool
) -> None:
    """Whole numbers name classes, fractions are what a regression predicts."""
    seen = survey(_csv(tmp_path, "ax,label", [f"1,{label}" for label in labels]))

    assert (seen.labels, seen.values) == (found, values)


def test_json_lines_are_read_too(tmp_path: Path) -> None:
    """The same columns, as objects."""
    path = tmp_path / "walk.jsonl"
    path.write_text(
        "".join(
            json.dumps({"ax": index, "t": index / 10, "label": "a"}) + "\n" for index in range(50)
        )
    )

    seen = survey(path)

    assert (seen.channels, seen.rate_hz, seen.labels) == (("ax",), 10, ("a",))


@pytest.mark.parametrize(
    "rows",
    [["0.1,2,3"] * 3, ["0.1,2,walk", "0.2,2,walk", "0.3,2,run"]],
    ids=["numbers", "labelled"],
)
def test_a_recording_without_a_header_is_refused(tmp_path: Path, rows: list[str]) -> None:
    """Its first sample would be taken for the names of the columns."""
    path = _csv(tmp_path, rows[0], rows[1:])

    with pytest.raises(DataError, match=r"has no header: its first row is `0\.1,2,") as caught:
        survey(path)

    assert caught.value.hint == "add a first line with the names of the columns"


def test_numbers_may_be_names(tmp_path: Path) -> None:
    """As pandas writes them: beside a label they are a header, because no row has the label `label`."""
    seen = survey(_csv(tmp_path, "0,1,label", ["5,6,walk", "7,8,run"]))

    assert seen.channels == ("0", "1")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"\x00\x01\x02\x03\n\x7fELF", "is no text"),
        (b"name,word\na,b\n", "no column of numbers"),
        (b"ax,ay\n", "no column of numbers"),
        (b"{broken\n", "is no JSONL recording"),
    ],
)
def test_what_is_no_recording_is_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    """Whatever the bytes are, there is no traceback."""
    path = tmp_path / "walk.csv"
    path.write_bytes(content)

    with pytest.raises(DataError, match=said):
        survey(path)


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    """Missing and a folder are told apart."""
    with pytest.raises(DataError, match="there is no recording"):
        survey(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is not a file"):
        survey(tmp_path)


@pytest.mark.parametrize(
    ("name", "rate_hz"),
    [
        ("stream_26hz_mg.csv", 26),
        ("walk-12.5Hz.csv", 12.5),
        ("audio 16kHz.csv", 16000),
        ("walk.csv", None),
        ("0hz.csv", None),
    ],
)
def test_a_name_may_tell_the_rate(name: str, rate_hz: float | None) -> None:
    """People write the rate into the name; it is taken as a guess."""
    assert rate_in_name(name) == rate_hz


def test_a_wav_file_says_channels_and_rate(tmp_path: Path) -> None:
    """Its channels have no names; it has neither time nor labels."""
    for count, names in ((1, ("audio",)), (2, ("audio0", "audio1"))):
        path = tmp_path / f"{count}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(count)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(bytes(40 * count))

        found = survey(path)

        assert (found.channels, found.rate_hz, found.samples) == (names, 16000, 20)
        assert (found.labels, found.columns) == ((), Columns())
