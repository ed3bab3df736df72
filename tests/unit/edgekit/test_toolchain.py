"""Toolchains are data: every shipped file is read, and its keys are explained."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from edgekit import toolchain as module
from edgekit.board import boards
from edgekit.errors import ConfigError
from edgekit.resources import data_folder
from edgekit.toolchain import Need, Toolchain, fill_in, find_toolchain

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = data_folder("toolchains")


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_file_is_sound(path: Path) -> None:
    """It is read strictly, and what it says is what the file says."""
    table = tomllib.loads(path.read_text())

    toolchain = find_toolchain(path.stem)

    assert toolchain.kind == path.stem
    assert toolchain.title == table["title"]
    assert {need.install for need in toolchain.needs} == {
        need["install"] for need in table.get("needs", [])
    }
    for need in toolchain.needs:
        filled = fill_in(
            need.install, target="aarch64-unknown-linux-gnu", linker="ld", python="/python"
        )
        assert "{" not in filled


def test_every_board_has_a_toolchain_that_links_for_it() -> None:
    """What a board takes by default can make its code."""
    for board in boards(None).values():
        assert find_toolchain(board.toolchain).links_for(board.target, board.target), board.id


def test_every_key_is_explained() -> None:
    """The README has a row for each."""
    text = (SHIPPED / "README.md").read_text()
    keys = {field.name for field in fields(Toolchain)} - {"kind"}

    assert not [
        key
        for key in keys
        if f"| `{key}`" not in text and f"`[{key}]`" not in text and f"`[[{key}]]`" not in text
    ]
    assert not [field.name for field in fields(Need) if f"| `needs.{field.name}`" not in text]


@pytest.mark.parametrize(("name", "hint"), [("gc", "`gcc`"), ("clang++++", "cross")])
def test_an_unknown_kind(name: str, hint: str) -> None:
    """With the near name, or all of them."""
    with pytest.raises(ConfigError, match="there is no toolchain") as caught:
        find_toolchain(name)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('title = "x"\nglibc = "new"\ntargets = []\n', "`glibc`|section \\[glibc\\]"),
        ('title = "x"\nglibc = "2.17"\ntargets = []\nlinkers = "ld"\n', "linkers"),
        ('title = "x"\nglibc = "2.17"\ntargets = []\n[[needs]]\ninstall = "x"\n', "program"),
        ('title = "x"\n', "missing"),
    ],
)
def test_a_file_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    """Unknown, missing and wrong keys are named."""
    monkeypatch.setattr(module, "data_folder", lambda _name: tmp_path)
    (tmp_path / "zig.toml").write_text(text)

    with pytest.raises(ConfigError, match=said):
        find_toolchain("zig")


def test_host_is_this_machine_alone() -> None:
    """Its own linker makes code for no board."""
    host = find_toolchain("host")

    assert host.links_for("x86_64-unknown-linux-gnu", "x86_64-unknown-linux-gnu")
    assert not host.links_for("aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu")
