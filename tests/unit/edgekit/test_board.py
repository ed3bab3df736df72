"""Boards: the files that ship, a user's own, and the names that people try."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from edgekit.board import Board, Emulate, Power, Release, boards, find_board, unsupported_boards
from edgekit.errors import ConfigError

FOLDER = Path(__file__).parents[3] / "boards"
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.toml"))
MINE = (
    'title = "Mine"\ntarget = "aarch64-unknown-linux-gnu"\ncpu = "cortex-a55"\ntoolchain = "zig"\n'
    '[power]\nmeter = "none"\n'
)


@pytest.fixture(autouse=True)
def config_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the boards of whoever runs the tests out of them."""
    home = tmp_path / "config"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    return home


def _write(folder: Path, text: str, name: str = "mine") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text)


def test_the_boards_that_ship() -> None:
    """Every file can be read; none is missing."""
    assert set(boards(None)) == set(SHIPPED)
    assert set(SHIPPED) >= {
        "aarch64-linux",
        "host",
        "jetson-orin-nano",
        "raspberry-pi-3",
        "raspberry-pi-4",
        "raspberry-pi-5",
        "raspberry-pi-zero-2w",
    }


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "host"])
def test_a_shipped_board_is_complete(name: str) -> None:
    """It can be built for and emulated, runs a system that is new enough, and no figure stands without its source."""
    board = find_board(name, None)

    assert (board.id, board.architecture) == (name, "aarch64")
    assert (board.toolchain == "gcc") == (board.cpu == "cortex-a53")  # erratum 843419
    assert board.page_size_bytes in {4096, 16384, 65536}
    assert board.emulate is not None
    assert board.release(board.emulate.release).too_old is None
    assert board.releases[0].too_old is None
    assert (board.power.idle_mw is None) <= (board.power.core_mw is None)


def test_what_the_boards_say() -> None:
    """The facts that decide whether a bundle loads and which kernels run."""
    facts = {
        board.id: (board.cpu, board.page_size_bytes, board.emulate and board.emulate.kernels)
        for board in boards(None).values()
        if not board.is_host
    }

    assert facts == {
        "aarch64-linux": ("generic", 65536, "generic"),
        "jetson-orin-nano": ("generic", 4096, "generic"),
        "raspberry-pi-3": ("cortex-a53", 4096, "a53"),
        "raspberry-pi-4": ("generic", 4096, "a72"),
        "raspberry-pi-5": ("generic", 16384, "generic"),
        "raspberry-pi-zero-2w": ("cortex-a53", 4096, "a53"),
    }


@pytest.mark.parametrize(
    ("glibc", "python", "reason"),
    [
        ("2.17", "3.10", None),
        (None, "3.10", None),
        ("2.35", "3.10", None),
        ("2.36", "3.10", "its glibc is 2.35: 2.36 is needed"),
        ("2.4", "3.9", None),
        ("2.17", "3.11", "its Python is 3.10: 3.11 is needed"),
    ],
)
def test_whether_a_system_is_new_enough(glibc: str | None, python: str, reason: str | None) -> None:
    """Versions are compared as numbers: 2.35 is later than 2.4."""
    jetpack = find_board("jetson-orin-nano", None).release("jetpack-6")

    assert jetpack.lacks(glibc=glibc, python=python) == reason


def test_the_readme_explains_every_key() -> None:
    """Whoever writes a board of their own finds each key there, and nothing that is no key."""
    text = (FOLDER / "README.md").read_text()
    named = set(re.findall(r"^\| `([a-z_.]+)` \|", text, re.MULTILINE))
    sections: dict[str, type[Any]] = {"releases": Release, "power": Power, "emulate": Emulate}
    keys = {item.name for item in fields(Board) if item.name not in sections} - {"id"}
    for section, part in sections.items():
        keys |= {f"{section}.{item.name}" for item in fields(part)}

    assert named == keys


def test_boards_of_ones_own(tmp_path: Path, config_home: Path) -> None:
    """The project's come before the user's, and those before the ones that ship."""
    _write(config_home / "edgekit" / "boards", MINE)
    _write(config_home / "edgekit" / "boards", MINE, "raspberry-pi-4")
    _write(tmp_path / "boards", MINE.replace("Mine", "The project's"))

    assert find_board("mine", None).title == "Mine"
    assert find_board("mine", tmp_path).title == "The project's"
    assert find_board("raspberry-pi-4", None).cpu == "cortex-a55"
    assert find_board("mine", tmp_path) == boards(tmp_path)["mine"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("title", "titel", "did you mean `title`"),
        ("cortex-a55", "", None),
        (
            "aarch64-unknown-linux-gnu",
            "riscv64gc-unknown-linux-gnu",
            "mine.toml:2: `target` is `riscv64gc",
        ),
        ("aarch64-unknown-linux-gnu", "host", "only the board `host` is this machine"),
        ('"zig"', '"clang"', "must be 'zig'"),
        ('"zig"', '"zig"\ncores = 0', "mine.toml:5: `cores` is 0"),
        ('"zig"', '"zig"\ncores = "4"', "`cores`"),
        ('meter = "none"', 'meter = "none"\nidle_mw = 600', "a figure goes with its source"),
        ('meter = "none"', 'meter = "none"\nidle_mw = -1', "`power.idle_mw` is -1"),
        (
            "[power]",
            '[emulate]\ncpu = "x"\nkernels = "a53"\nrelease = "none"\n[power]',
            "`emulate.release` is `none`",
        ),
        (
            "[power]",
            '[[releases]]\nid = "a"\ntitle = "A"\nglibc = "2"\npython = "3.11"\n[power]',
            "must be like `3.11`",
        ),
        (
            "[power]",
            2 * '[[releases]]\nid = "a"\ntitle = "A"\nglibc = "2.31"\npython = "3.11"\n'
            + "[power]",
            "[releases] has `a` twice",
        ),
        ("[power]", "[power", "not TOML"),
    ],
)
def test_a_wrong_file_is_a_sentence(
    tmp_path: Path, before: str, after: str, said: str | None
) -> None:
    """Every mistake names the file and the key."""
    _write(tmp_path / "boards", MINE.replace(before, after))

    if said is None:  # an empty `target-cpu` is rustc's matter
        assert find_board("mine", tmp_path).cpu == ""
        return
    with pytest.raises(ConfigError) as caught:
        find_board("mine", tmp_path)

    assert "mine.toml" in caught.value.message
    assert said in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pi4", "did you mean `raspberry-pi-4`?"),
        ("nano", "did you mean `jetson-orin-nano`?"),
        ("tx2", "did you mean `jetson-tx2`?"),
        ("jetson-nano", "JetPack 4, which has Python 3.6: the agent needs 3.10"),
        ("jetson-xavier-nx", "JetPack 5, which has Python 3.8: the agent needs 3.10"),
        ("jetpack-5", "its Python is 3.8: the agent needs 3.10"),
        ("bookworm", "it is no board, but a system"),
        ("raspberry-pi-2", "32-bit armv7"),
        ("armv7", "is 32-bit ARM"),
        ("armv7-unknown-linux-gnueabihf", "is 32-bit ARM"),
        ("arm-unknown-linux-gnueabihf", "is 32-bit ARM"),
        ("aarch64-unknown-linux-musl", "makes code for glibc"),
        ("riscv64", "makes no code for"),
        ("", "there is no board or architecture ``"),
        ("../boards/host", "there is no board or architecture"),
        ("xylophone", "there is no board or architecture `xylophone` see `edgekit boards`"),
    ],
)
def test_names_that_are_no_board(text: str, said: str) -> None:
    """What cannot be served says why, a typing error what was meant."""
    with pytest.raises(ConfigError) as caught:
        find_board(text, None)

    assert said in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("text", ["aarch64", "arm64", "aarch64-unknown-linux-gnu"])
def test_an_architecture_is_any_board_of_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On every machine, also on one of that architecture."""
    assert find_board(text, None).id == "aarch64-linux"
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert find_board(text, None).id == "aarch64-linux"


@pytest.mark.parametrize(
    ("machine", "system", "triple"),
    [
        ("x86_64", "Linux", "x86_64-unknown-linux-gnu"),
        ("AMD64", "Linux", "x86_64-unknown-linux-gnu"),
        ("arm64", "Darwin", "aarch64-apple-darwin"),
        ("aarch64", "Linux", "aarch64-unknown-linux-gnu"),
    ],
)
def test_the_host_is_this_machine(
    machine: str, system: str, triple: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its triple, cores, memory and pages are those that this machine has."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "system", lambda: system)

    board = find_board("host", None)

    assert (board.target, board.is_host, board.cores) == (triple, True, os.cpu_count())
    assert board.page_size_bytes == os.sysconf("SC_PAGE_SIZE")
    assert board.memory_mib is not None
    assert board.memory_mib > 0


def test_the_unsupported_ones_say_what_to_do() -> None:
    """Each names a reason and a board that there is."""
    known = unsupported_boards()

    assert {"jetson-nano", "raspberry-pi-1"} <= set(known)
    assert not set(known) & set(SHIPPED)
    for board in known.values():
        found = re.search(r"`-t ([a-z0-9-]+)`", board.instead)
        assert found is not None
        assert found[1] in SHIPPED


def test_an_unknown_release_names_those_there_are() -> None:
    """A test of another system than the board has cannot be run."""
    with pytest.raises(ConfigError, match="no release `sid`") as caught:
        find_board("raspberry-pi-4", None).release("sid")

    assert "`bookworm`, `trixie`" in (caught.value.hint or "")
