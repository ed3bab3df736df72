"""`edgekit boards`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edgekit.cli import invoke

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a project with a board of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "edgekit.toml").write_text("")  # not read: only the folder counts
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "mine.toml").write_text(
        'title = "My board"\ntarget = "aarch64-unknown-linux-gnu"\ncpu = "cortex-a55"\n'
        'toolchain = "zig"\n[power]\nmeter = "none"\n'
    )
    return tmp_path


def test_all_boards(capsys: pytest.CaptureFixture[str]) -> None:
    """A line each with the systems that fit; those that cannot be served come with the reason."""
    assert invoke(["boards"]) == 0

    shown = capsys.readouterr().out
    assert "mine                  My board" in shown
    assert "raspberry-pi-4        Raspberry Pi 4 Model B             bookworm, trixie\n" in shown
    assert "JetPack 4, which has Python 3.6" in shown


def test_one_board(capsys: pytest.CaptureFixture[str]) -> None:
    """All that is known, with the source of its figures; what is not known says so."""
    assert invoke(["boards", "raspberry-pi-5"]) == 0
    five = capsys.readouterr().out
    assert invoke(["boards", "mine"]) == 0
    mine = capsys.readouterr().out

    assert "pages      16384 bytes" in five
    assert "3300 mW idle, ± 40 %: published measurements" in five
    assert "pages      not known" in mine
    assert "power      no figure with a source is known" in mine


def test_facts_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """The same as JSON."""
    assert invoke(["boards", "--json"]) == 0
    every = json.loads(capsys.readouterr().out)
    assert invoke(["boards", "jetson-orin-nano", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)

    assert one in every["boards"]
    assert [item["id"] for item in every["boards"]] == sorted(
        item["id"] for item in every["boards"]
    )
    assert {item["id"]: item["too_old"] for item in one["releases"]} == {
        "jetpack-5": "its Python is 3.8: the agent needs 3.10",
        "jetpack-6": None,
        "jetpack-7": None,
    }
    assert "jetson-nano" in {item["id"] for item in every["unsupported"]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["boards", "pi4"], "did you mean `raspberry-pi-4`?"),
        (["boards", "jetson-nano"], "Python 3.6"),
        (["boards", "a", "b"], "unexpected extra argument"),
    ],
)
def test_wrong_use(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    """A sentence, exit code 2."""
    assert invoke(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_wrong_file_of_ones_own_names_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list cannot be shown without it; another board can."""
    (folder / "boards" / "bad.toml").write_text('title = "x"\ncores = "four"\n')

    assert invoke(["boards"]) == 2
    assert "bad.toml:2: `cores`" in capsys.readouterr().err
    assert invoke(["boards", "mine"]) == 0
