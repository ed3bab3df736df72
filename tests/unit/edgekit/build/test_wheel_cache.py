"""The cache of device wheels: whole entries, damaged ones removed, one build at a time."""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from edgekit.build import wheel_cache
from edgekit.build.wheel_cache import WheelCache
from edgekit.errors import EdgeKitError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path) -> WheelCache:
    """Return a cache whose folder is not there yet."""
    return WheelCache(tmp_path / "with space" / "wheels")


def _keep(cache: WheelCache, key: str, data: bytes = b"a wheel") -> Path:
    with cache.work_folder() as folder:
        wheel = folder / "engine.whl"
        wheel.write_bytes(data)
        return cache.keep(key, wheel)


def test_what_was_kept_is_found(cache: WheelCache) -> None:
    """Under its key, with its name and content; nothing else is left in the folder."""
    kept = _keep(cache, "k")

    assert cache.find("k") == kept
    assert (kept.name, kept.read_bytes()) == ("engine.whl", b"a wheel")
    assert cache.find("other") is None
    assert [path.name for path in cache.folder.iterdir()] == ["k"]


@pytest.mark.parametrize("damage", ["wheel", "entry", "no wheel", "no entry", "a list"])
def test_a_damaged_entry_is_removed(cache: WheelCache, damage: str) -> None:
    """It is as if it had never been there, and can be made again."""
    kept = _keep(cache, "k")
    entry = kept.with_name("entry.json")
    match damage:
        case "wheel":
            kept.write_bytes(b"a whee1")
        case "entry":
            entry.write_bytes(entry.read_bytes()[:-5])
        case "no wheel":
            kept.unlink()
        case "no entry":
            entry.unlink()
        case _:
            entry.write_text(json.dumps(["a list"]))

    assert cache.find("k") is None
    assert not (cache.folder / "k").exists()
    assert _keep(cache, "k").read_bytes() == b"a wheel"


def test_a_newer_wheel_takes_the_place(cache: WheelCache) -> None:
    """Two builds of one key: the last one stands, whole."""
    _keep(cache, "k", b"old")

    assert _keep(cache, "k", b"new").read_bytes() == b"new"


def test_a_build_that_breaks_off_leaves_nothing(cache: WheelCache) -> None:
    """Also not in the folder that it worked in."""

    def build() -> None:
        with cache.work_folder() as folder:
            (folder / "half.whl").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build()

    assert not list(cache.folder.iterdir())


def test_what_a_killed_build_left_goes_after_a_day(cache: WheelCache) -> None:
    """Nothing else would ever remove it; what another build works in stays."""
    for name, age in (("old", 1.0), ("new", time.time())):
        (cache.folder / f".part-{name}").mkdir(parents=True)
        os.utime(cache.folder / f".part-{name}", (age, age))

    _keep(cache, "k")

    assert {path.name for path in cache.folder.iterdir()} == {"k", ".part-new"}


def test_the_oldest_entries_go(cache: WheelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache does not grow for ever; what was used lately stays."""
    monkeypatch.setattr(wheel_cache, "_KEPT", 2)
    for age, key in enumerate(("a", "b"), start=1):
        _keep(cache, key)
        os.utime(cache.folder / key, (age, age))
    cache.find("a")  # used now

    _keep(cache, "c")

    assert {path.name for path in cache.folder.iterdir()} == {"a", "c"}


def test_a_second_build_waits(cache: WheelCache) -> None:
    """While another process holds the entry, it is said; then it goes on."""
    told = []
    cache.folder.mkdir(parents=True)
    with (cache.folder / ".k.lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def waiting() -> None:
            told.append("waiting")
            fcntl.flock(other, fcntl.LOCK_UN)

        with cache.lock("k", waiting):
            assert told == ["waiting"]

        with cache.lock("k", waiting), cache.lock("another", waiting):
            assert told == ["waiting"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A sentence that names it and the variable that moves it."""
    (tmp_path / "file").touch()
    cache = WheelCache(tmp_path / "file" / "wheels")

    with pytest.raises(EdgeKitError, match="cannot make the folder") as caught, cache.work_folder():
        pass
    assert "XDG_CACHE_HOME" in str(caught.value.hint)
