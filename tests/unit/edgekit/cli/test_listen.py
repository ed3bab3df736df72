"""`edgekit listen` and `edgekit record` on a pseudo terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import threading
import tomllib
import tty
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgekit.cli import invoke
from edgekit.listen import Capture, round_rate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def port() -> Iterator[str]:
    """Return a port at which a sensor sends 100 lines a second, time and two channels, and a header now and then."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    done = threading.Event()

    def send() -> None:
        number = 0
        while not done.wait(0.02):
            lines = b"time_ms,ax,ay\r\n" if number % 50 == 0 else b""
            lines += b"".join(b"%d,%d.5,-3\r\n" % (10 * i, i % 9) for i in (number, number + 1))
            number += 2
            with contextlib.suppress(BlockingIOError):  # nobody listens
                os.write(master, lines)

    sensor = threading.Thread(target=send)
    sensor.start()
    yield os.ttyname(slave)
    done.set()
    sensor.join()
    os.close(slave)
    os.close(master)


def test_what_comes_is_found_out(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Format, names, rate: lines that edgekit.toml takes as they are."""
    assert invoke(["listen", port, "--seconds", "2.5"]) == 0

    shown = capsys.readouterr()
    found = tomllib.loads(shown.out)
    assert found["source"] == {
        "kind": "serial",
        "port": port,
        "baud": 115200,
        "format": "csv",
        "time": "time_ms",
    }
    assert found["input"]["channels"] == ["ax", "ay"]
    assert 50 <= found["input"]["rate_hz"] <= 150  # the machine may be busy
    assert "ax " in shown.err


def test_for_a_program(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One object with all that was found, and nothing beside it."""
    assert invoke(["listen", port, "--baud", "9600", "--seconds", "2", "--json"]) == 0

    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (found["format"], found["channels"], found["baud"]) == ("csv", ["ax", "ay"], 9600)
    assert shown.err == ""


def test_a_silent_port(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing came: said, with what to look at."""
    master, slave = pty.openpty()
    try:
        assert invoke(["listen", os.ttyname(slave), "--seconds", "0.6"]) == 2
    finally:
        os.close(slave)
        os.close(master)

    shown = capsys.readouterr()
    assert "nothing came from" in shown.err
    assert shown.out == ""


def test_a_port_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence with the ports that are."""
    assert invoke(["listen", str(tmp_path / "ttyUSB9")]) == 2
    assert f"error: there is no `{tmp_path / 'ttyUSB9'}`" in capsys.readouterr().err


def test_recording_a_port(port: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labelled, twice into one file, without a project; then as arrays."""
    file = tmp_path / "walk.csv"
    for session, label in enumerate(("walk", "run"), start=1):
        arguments = ["record", "--port", port, "--label", label, "--seconds", "1", "--json"]
        assert invoke([*arguments, str(file)]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["session"] == session
        assert facts["samples"] > 20

    header, *rows = file.read_text().splitlines()
    assert header == "time_s,ax,ay,label,session"
    assert {row.rpartition(",")[0].rpartition(",")[2] for row in rows} == {"walk", "run"}

    target = tmp_path / "walk.npz"
    arguments = ["record", "--port", port, "--label", "walk", "--seconds", "1", str(target)]
    assert invoke(arguments) == 0
    with np.load(target) as arrays:
        assert arrays["samples"].dtype == np.float32
        assert arrays["samples"].shape == (len(arrays["time_s"]), 2)
        assert set(arrays["label"]) == {"walk"}
        assert list(arrays["channels"]) == ["ax", "ay"]


def test_a_file_of_another_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused before anything is opened."""
    assert invoke(["record", str(tmp_path / "walk.txt")]) == 2
    assert "is neither .csv nor .npz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("measured", "stated"),
    [(99.7, 100), (100.4, 100), (52.1, 52), (6389.0, 6400), (9.96, 10), (1.003, 1), (119.5, 120)],
)
def test_rates_are_stated_round(measured: float, stated: float) -> None:
    """As a program sets them; what is not near a round number stays."""
    assert round_rate(measured) == pytest.approx(stated)


def test_what_is_kept_is_bounded() -> None:
    """A sensor may be listened to for ever."""
    capture = Capture()
    for number in range(1000):
        capture.add(number / 10, bytes(1000))

    assert len(capture.data) <= 67_000
    assert capture.total_bytes == 1_000_000
    assert capture.rate_hz(66) == pytest.approx(10.0, rel=0.05)
