"""Catalogues: one thing a file, the nearest folder first, near names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import STRICT
from edgekit.catalog import Catalog, nearest
from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Thing:
    """Something with a title."""

    __pydantic_config__ = STRICT

    title: str


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_the_nearest_folder_wins(tmp_path: Path) -> None:
    """A file takes the place of one of the same name farther away; folders that are missing are empty."""
    near, far = tmp_path / "near", tmp_path / "far"
    _write(near / "b.toml", 'title = "mine"')
    _write(far / "b.toml", 'title = "theirs"')
    _write(far / "a.toml", 'title = "a"')
    _write(far / "README.md", "no TOML")

    catalog = Catalog(Thing, (tmp_path / "none", near, far))

    assert catalog.all() == {"a": Thing("a"), "b": Thing("mine")}
    assert list(catalog.paths) == ["a", "b"]


def test_a_mistake_in_one_file_stops_nobody_else(tmp_path: Path) -> None:
    """A wrong file is an error, with its line, where it is asked for."""
    _write(tmp_path / "good.toml", 'title = "good"')
    _write(tmp_path / "bad.toml", 'title = "bad"\ntitel = "bad"\n')
    catalog = Catalog(Thing, (tmp_path,))

    assert catalog.read("good") == Thing("good")
    with pytest.raises(
        ConfigError, match=r"bad\.toml:2: `titel` is an unknown key|bad\.toml:2: `titel` is unknown"
    ):
        catalog.read("bad")
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        catalog.all()


@pytest.mark.parametrize("name", ["My-Board", "a_b", "a..b", "ä", " a"])
def test_a_file_name_that_is_no_id_is_refused(tmp_path: Path, name: str) -> None:
    """Ids are typed on command lines and name folders: they stay plain."""
    _write(tmp_path / f"{name}.toml", 'title = "x"')

    with pytest.raises(ConfigError, match="is no id"):
        Catalog(Thing, (tmp_path,)).all()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("pi4", "raspberry-pi-4"),
        ("rpi4b", "raspberry-pi-4"),
        ("Raspberry Pi 4", "raspberry-pi-4"),
        ("raspbery-pi-5", "raspberry-pi-5"),
        ("zero2w", "raspberry-pi-zero-2w"),
        ("hots", "host"),
        ("xylophone", None),
        ("x", None),
        ("", None),
    ],
)
def test_near_names(text: str, meant: str | None) -> None:
    """Typing errors and the abbreviations that people use are understood; anything else is not guessed at."""
    names = ["host", "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-zero-2w"]

    assert nearest(text, names) == meant
