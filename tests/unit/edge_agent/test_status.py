"""status.json is replaced as a whole, or the reason is told."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_agent.errors import EdgeKitError
from edge_agent.status import CpuShare, StatusFile, resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_reader_never_sees_a_half(tmp_path: Path) -> None:
    """Whoever opened the old status goes on reading the old one."""
    path = tmp_path / "run" / "status.json"
    status = StatusFile(path)
    status.write({"samples": 1})
    with path.open() as reader:
        status.write({"samples": 2})
        assert json.load(reader) == {"samples": 1}

    assert json.loads(path.read_text()) == {"samples": 2}
    assert [entry.name for entry in path.parent.iterdir()] == ["status.json"]


def test_a_write_that_fails_leaves_the_old_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: the error is a sentence, the old status stands, nothing lies about."""
    path = tmp_path / "status.json"
    status = StatusFile(path)
    status.write({"samples": 1})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EdgeKitError, match="No space left"):
        status.write({"samples": 2})
    assert json.loads(path.read_text()) == {"samples": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_everybody_may_read_it(tmp_path: Path) -> None:
    """Also where the service keeps its other files to itself, as its unit says by `UMask=`."""
    path = tmp_path / "status.json"
    before = os.umask(0o077)
    try:
        StatusFile(path).write({})
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_a_place_that_cannot_be(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A folder of that name, or a file where the folder should be."""
    place = tmp_path / "taken"
    make(place)
    path = place if place.is_dir() else place / "status.json"

    with pytest.raises(EdgeKitError, match="cannot write the status"):
        StatusFile(path).write({})


def test_own_use_is_measured() -> None:
    """Memory of a Python process, and a share of a core between nothing and all."""
    assert (resident_bytes() or 0) > 1_000_000
    share = CpuShare()
    sum(range(100_000))
    assert 0 <= share.since_last() <= 1.5
    assert 0 <= share.overall() <= 1.5


def test_a_disk_that_takes_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """write(2) may take less than it is given: the rest follows."""
    write = os.write
    monkeypatch.setattr("os.write", lambda descriptor, data: write(descriptor, data[:3]))
    StatusFile(tmp_path / "status.json").write({"samples": 12345})

    assert json.loads((tmp_path / "status.json").read_text()) == {"samples": 12345}
