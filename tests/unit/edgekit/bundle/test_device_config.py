"""agent.json for a device: paths that mean something there, and what goes along."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from edge_agent import config, schema
from edgekit.board import find_board
from edgekit.bundle import device_config as module
from edgekit.bundle.device_config import DeviceConfig, device_config
from edgekit.errors import ConfigError, DataError
from edgekit.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.model.compile import CompiledModel

HEAD = """\
[project]
name = "gait"
[model]
path = "gait.onnx"
[input]
channels = ["ax"]
rate_hz = 50
window = 128
hop = 16
"""
REPLAY = '[source]\nkind = "replay"\npath = "data/Walk.CSV"\ntime = "t"\n'
COMPILED = cast(
    "CompiledModel",
    SimpleNamespace(
        sha256="0" * 64,
        engine="tract 0.23.9",
        registries=("tract_nnef",),
        mode="window",
        unproven="",
        labels=("a",),
    ),
)


def _device(folder: Path, text: str, board: str = "raspberry-pi-4") -> DeviceConfig:
    (folder / "edgekit.toml").write_text(HEAD + text)
    return device_config(Project.load(folder), folder, COMPILED, find_board(board, None))


def _record(folder: Path, data: bytes) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "Walk.CSV").write_bytes(data)


def test_no_path_of_this_machine_goes_along(tmp_path: Path) -> None:
    """A recording comes beside agent.json; sinks stay relative to the device's state folder."""
    _record(tmp_path, b"t,ax\n0,1\n")

    device = _device(tmp_path, REPLAY + '[[sink]]\nkind = "jsonl"\npath = "out/events.jsonl"\n')

    assert device.agent.source == config.ReplaySource(path="recording.csv", time="t")
    assert device.agent.sinks == (config.JsonlSink(path="out/events.jsonl"),)
    assert device.files == {"recording.csv": b"t,ax\n0,1\n"}
    assert str(tmp_path) not in schema.to_text(device.agent)
    assert len(device.notes) == 1
    assert "the device will play `data/Walk.CSV`" in device.notes[0]


def test_a_long_recording_is_cut_at_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a project without a sensor yet can be built; the note says so."""
    monkeypatch.setattr(module, "LARGEST_RECORDING_BYTES", 10)
    _record(tmp_path, b"t,ax\n0,1\n1,2\n")

    device = _device(tmp_path, REPLAY)

    assert device.files == {"recording.csv": b"t,ax\n0,1\n"}
    assert "only its first 0.0 MiB do" in device.notes[0]


def test_a_recording_that_just_fits_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit itself is allowed."""
    monkeypatch.setattr(module, "LARGEST_RECORDING_BYTES", 9)
    _record(tmp_path, b"t,ax\n0,1\n")

    assert _device(tmp_path, REPLAY).files == {"recording.csv": b"t,ax\n0,1\n"}


def test_a_recording_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    """Missing, or no file."""
    with pytest.raises(DataError, match=r"`data/Walk\.CSV`"):
        _device(tmp_path, REPLAY)
    (tmp_path / "data" / "Walk.CSV").mkdir(parents=True)
    with pytest.raises(DataError, match=r"`data/Walk\.CSV`"):
        _device(tmp_path, REPLAY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no [source]: a service gets nothing to read"),
        ('[source]\nkind = "stdin"\ntime = "t"\n', "the source is standard input"),
    ],
)
def test_without_a_sensor_the_bundle_is_made_all_the_same(
    tmp_path: Path, text: str, said: str
) -> None:
    """It can be tested and fed by hand; that a service would read nothing is said."""
    device = _device(tmp_path, text)

    assert isinstance(device.agent.source, config.StdinSource)
    assert device.files == {}
    assert said in device.notes[0]


def test_a_sensor_stays_as_it_is(tmp_path: Path) -> None:
    """Ports and files of a source are the device's own."""
    text = '[source]\nkind = "serial"\nport = "/dev/ttyUSB0"\n'

    device = _device(tmp_path, text)

    assert device.agent.source == config.SerialSource(port="/dev/ttyUSB0")
    assert device.notes == ()


def test_a_package_of_ones_own_is_found_in_site(tmp_path: Path) -> None:
    """Wherever it lies here."""
    text = '[source]\nkind = "mypkg.adc:Adc"\npackage = "../elsewhere/mypkg/"\n'

    device = _device(tmp_path, text)

    assert device.agent.source == config.PluginSource(kind="mypkg.adc:Adc", package="site/mypkg")


@pytest.mark.parametrize("path", ["../out.jsonl", "a/../../out.jsonl"])
def test_a_sink_that_leaves_the_state_folder_is_refused(tmp_path: Path, path: str) -> None:
    """The service could not write there; here it can, so nobody noticed."""
    with pytest.raises(ConfigError, match="leads out of the device's state folder"):
        _device(tmp_path, f'[[sink]]\nkind = "jsonl"\npath = "{path}"\n')


def test_secrets_and_programs_stay_behind(tmp_path: Path) -> None:
    """A relative path means a file of this machine: that it must be put on the device is said, for each."""
    source = '[source]\nkind = "serial"\nport = "/dev/ttyUSB0"\n'
    mqtt = '[[sink]]\nkind = "mqtt"\nurl = "mqtts://b"\npassword_file = "secret"\nca_file = "/etc/ca.pem"\n'
    command = '[[sink]]\nkind = "command"\ncommand = ["./alarm.sh", "x"]\n'
    plain = '[[sink]]\nkind = "command"\ncommand = ["logger"]\n'

    device = _device(tmp_path, source + mqtt + command + plain)

    assert [note.partition(" does")[0] for note in device.notes] == [
        "`secret` (`sink.password_file`)",
        "`./alarm.sh` (`sink.command`)",
    ]
    assert str(tmp_path) not in schema.to_text(device.agent)


def test_the_board_goes_along(tmp_path: Path) -> None:
    """With its power model where there is one; a figure that nobody measured is none."""
    four = _device(tmp_path, "").agent.board
    zero = _device(tmp_path, "", "raspberry-pi-zero-2w").agent.board

    assert four is not None
    assert four.power is not None
    assert (four.id, four.cores, four.power.idle_mw, four.power.core_mw) == (
        "raspberry-pi-4",
        4,
        2700.0,
        925.0,
    )
    assert zero is not None
    assert zero.power is None
    assert _device(tmp_path, "", "aarch64-linux").agent.board is None
    assert _device(tmp_path, "", "host").agent.board is None
