"""A folder of ready wheels is what a build takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edgekit.board import find_board
from edgekit.build import release as module
from edgekit.build.device_wheel import DeviceWheel, WheelOptions, source_digest
from edgekit.build.ready_wheels import WheelSource, ready_wheel
from edgekit.build.release import main, release
from edgekit.build.verify import wheel_facts
from edgekit.build.wheel_cache import WheelCache, sha256_of
from edgekit.errors import ToolError
from edgekit.resources import data_folder

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.board import Board
    from tests.unit.edgekit.build.conftest import Workshop


@pytest.fixture
def built(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every device wheel be there already; return the boards that asked for one."""
    asked = []
    path = workshop.wheel()

    def fake(board: Board, options: WheelOptions, **_: object) -> DeviceWheel:
        asked.append(board.id)
        assert options == WheelOptions()
        return DeviceWheel(
            path=path,
            sha256=sha256_of(path),
            target=board.target,
            cpu=board.cpu,
            toolchain="zig",
            origin="built",
            facts=wheel_facts(path),
        )

    monkeypatch.setattr(module, "device_wheel", fake)
    return asked


def test_what_is_released_can_be_taken(built: list[str], tmp_path: Path) -> None:
    """One wheel a CPU, pinned by the index's digest, and found again for the board."""
    folder = tmp_path / "wheels"
    chosen = [
        find_board(name, None)
        for name in ("raspberry-pi-3", "raspberry-pi-zero-2w", "raspberry-pi-4")
    ]

    digest = release(folder, chosen)

    source = WheelSource(place=str(folder), sha256=digest)
    sources = source_digest(data_folder("runtime"))
    found = [
        ready_wheel(source, board, sources, WheelCache(tmp_path / "cache")) for board in chosen
    ]
    assert built == ["raspberry-pi-3", "raspberry-pi-4"]
    assert [wheel and wheel[0].cpu for wheel in found] == ["cortex-a53", "cortex-a53", "generic"]
    assert {path.name for path in folder.glob("*.whl")} == {
        "edgekit_runtime-0.1.0-0cortex_a53-cp310-abi3-linux_aarch64.whl",
        "edgekit_runtime-0.1.0-0generic-cp310-abi3-linux_aarch64.whl",
    }


def test_the_same_wheels_make_the_same_index(built: list[str], tmp_path: Path) -> None:
    """The order in which boards are named does not matter."""
    chosen = [find_board(name, None) for name in ("raspberry-pi-3", "raspberry-pi-4")]

    assert release(tmp_path / "a", chosen) == release(tmp_path / "b", chosen[::-1])
    assert len(built) == 4


def test_it_prints_what_goes_into_edgekit_toml(
    built: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copy and paste."""
    code = main([str(tmp_path / "w"), "raspberry-pi-4"])

    assert code == 0
    assert built == ["raspberry-pi-4"]
    digest = sha256_of(tmp_path / "w" / "index.json")
    assert f'wheels_sha256 = "{digest}"' in capsys.readouterr().out


def test_a_release_that_fails_changes_no_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing tool is a sentence, and the index from before stands."""
    index = tmp_path / "index.json"
    index.write_text(json.dumps({"format": 1, "wheels": []}))

    def fail(*_: object, **__: object) -> None:
        raise ToolError("no Rust", hint="install it")

    monkeypatch.setattr(module, "device_wheel", fail)

    code = main([str(tmp_path), "raspberry-pi-4"])

    assert code == 6
    assert capsys.readouterr().err == "error: no Rust\nhint: install it\n"
    assert json.loads(index.read_text())["wheels"] == []
