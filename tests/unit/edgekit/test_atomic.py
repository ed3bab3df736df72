"""Atomic files: the old content or the new one, and nothing lying about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.atomic import check_writable, write_file
from edgekit.errors import EdgeKitError


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Folders are made; nothing but the file is left."""
    path = tmp_path / "a" / "b.json"

    write_file(path, b"one")
    write_file(path, b"two")

    assert path.read_bytes() == b"two"
    assert [item.name for item in path.parent.iterdir()] == ["b.json"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_is_cut_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """A full disk and Ctrl-C come between two versions, never into one."""
    path = tmp_path / "b.json"
    write_file(path, b"old")

    def fail(_descriptor: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises((EdgeKitError, KeyboardInterrupt)):
        write_file(path, b"new")

    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["b.json"]


def test_a_folder_in_the_way_is_a_sentence(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(EdgeKitError, match="cannot write"):
        write_file(tmp_path, b"x")


def test_a_path_without_a_name_is_a_sentence() -> None:
    """The folder one is in."""
    with pytest.raises(EdgeKitError, match=r"cannot write `\.`"):
        write_file(Path(), b"x")


def test_a_device_or_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    """With root's rights `/dev/null` would become a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(EdgeKitError, match="no regular file"):
        write_file(pipe, b"x")

    assert pipe.is_fifo()
    assert [item.name for item in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("name", ["dist/x.tar.xz", "dist/sub/x.tar.xz"])
def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path, name: str) -> None:
    """`File exists` about a file that does not exist would be a riddle."""
    (tmp_path / "dist").write_text("mine")

    with pytest.raises(EdgeKitError, match="dist` is a file, no folder"):
        write_file(tmp_path / name, b"x")

    assert (tmp_path / "dist").read_text() == "mine"


def test_a_place_that_can_be_written(tmp_path: Path) -> None:
    """Tried without leaving anything, also where folders have to be made first."""
    check_writable(tmp_path / "a" / "b" / "file")

    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """Known before anything is made for it: a file among the folders, and a folder where not even root can write."""
    (tmp_path / "file").touch()

    with pytest.raises(EdgeKitError, match="is a file, no folder"):
        check_writable(tmp_path / "file" / "bundle")
    with pytest.raises(EdgeKitError, match="`/proc` is not for writing") as caught:
        check_writable(Path("/proc/no-such-folder/bundle"))
    assert caught.value.hint == "name another place"
