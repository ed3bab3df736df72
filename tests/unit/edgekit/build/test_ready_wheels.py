"""Ready wheels: only those of these sources, this target and this CPU, each with its digest."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import urllib.error
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edgekit.board import find_board
from edgekit.build.ready_wheels import WheelSource, ready_wheel
from edgekit.build.wheel_cache import WheelCache
from edgekit.errors import ConfigError, EdgeKitError, ToolError, VerificationFailed

if TYPE_CHECKING:
    from pathlib import Path

PI_4 = replace(find_board("raspberry-pi-4", None), cpu="cortex-a72")
"""As a board that wants code of its own."""
SOURCES = "5" * 64


@pytest.fixture
def cache(tmp_path: Path) -> WheelCache:
    """Return an empty cache."""
    return WheelCache(tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a generic wheel and one for the Cortex-A72."""
    made = tmp_path / "fertige Räder"
    made.mkdir()
    for cpu in ("generic", "cortex-a72"):
        (made / f"{cpu}.whl").write_bytes(cpu.encode())
    _write_index(made, [_entry("generic"), _entry("cortex-a72")])
    return made


def _entry(cpu: str, **changes: str) -> dict[str, str]:
    return {
        "file": f"{cpu}.whl",
        "sha256": hashlib.sha256(cpu.encode()).hexdigest(),
        "target": PI_4.target,
        "cpu": cpu,
        "toolchain": "zig",
        "source": SOURCES,
        **changes,
    }


def _write_index(folder: Path, wheels: list[dict[str, str]], **changes: Any) -> str:
    data = json.dumps({"format": 1, "wheels": wheels, **changes}).encode()
    (folder / "index.json").write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def test_the_wheel_for_the_cpu_goes_first(folder: Path, cache: WheelCache) -> None:
    """The board's own code is faster; without it a generic one does."""
    own = ready_wheel(WheelSource(place=str(folder)), PI_4, SOURCES, cache)
    other = ready_wheel(
        WheelSource(place=str(folder)), find_board("raspberry-pi-5", None), SOURCES, cache
    )

    assert own is not None
    assert (own[0].cpu, own[1].read_bytes()) == ("cortex-a72", b"cortex-a72")
    assert other is not None
    assert other[0].cpu == "generic"


@pytest.mark.parametrize("changes", [{"source": "6" * 64}, {"target": "x86_64-unknown-linux-gnu"}])
def test_another_s_wheel_is_not_taken(
    folder: Path, cache: WheelCache, changes: dict[str, str]
) -> None:
    """Of other sources or for another target: as if it were not there."""
    _write_index(folder, [_entry("generic", **changes)])

    assert ready_wheel(WheelSource(place=str(folder)), PI_4, SOURCES, cache) is None


def test_a_toolchain_that_is_asked_for(folder: Path, cache: WheelCache) -> None:
    """Another one's wheels are left out, also the one for the CPU."""
    _write_index(folder, [_entry("generic", toolchain="gcc"), _entry("cortex-a72")])
    source = WheelSource(place=str(folder))

    found = ready_wheel(source, PI_4, SOURCES, cache, toolchain="gcc")

    assert found is not None
    assert found[0].cpu == "generic"
    assert ready_wheel(source, PI_4, SOURCES, cache, toolchain="cross") is None


def test_a_wheel_that_is_not_what_the_index_says(folder: Path, cache: WheelCache) -> None:
    """Digest first, use afterwards; nothing of it is kept."""
    (folder / "cortex-a72.whl").write_bytes(b"something else")

    with pytest.raises(VerificationFailed, match=r"cortex-a72\.whl` does not have the digest"):
        ready_wheel(WheelSource(place=str(folder)), PI_4, SOURCES, cache)
    assert not list(cache.folder.glob("*"))


def test_a_full_disk_is_said_of_the_file(
    folder: Path, cache: WheelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the path it is known which disk is meant; nothing is kept."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(EdgeKitError, match=r"cannot write `.*cortex-a72\.whl`: No space left"):
        ready_wheel(WheelSource(place=str(folder)), PI_4, SOURCES, cache)
    assert not list(cache.folder.glob("*"))


def test_an_index_that_is_not_the_pinned_one(folder: Path, cache: WheelCache) -> None:
    """`wheels_sha256` holds it fast."""
    pinned = _write_index(folder, [_entry("generic")])
    source = WheelSource(place=str(folder), sha256=pinned)

    assert ready_wheel(source, PI_4, SOURCES, cache) is not None
    _write_index(folder, [_entry("generic", toolchain="other")])
    with pytest.raises(VerificationFailed, match="wheels_sha256"):
        ready_wheel(source, PI_4, SOURCES, cache)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "index.json"),
        ("[]", "index.json"),
        ('{"format": 1, "wheel": []}', "wheel"),
        ('{"format": 2, "wheels": []}', "this EdgeKit reads 1"),
        (json.dumps({"format": 1, "wheels": [_entry("x", file="../x.whl")]}), "name of a wheel"),
    ],
)
def test_an_index_that_is_wrong(folder: Path, cache: WheelCache, text: str, said: str) -> None:
    """It is read strictly; a path out of the folder is none."""
    (folder / "index.json").write_text(text)

    with pytest.raises(ConfigError, match=said):
        ready_wheel(WheelSource(place=str(folder)), PI_4, SOURCES, cache)


def test_a_folder_without_an_index(tmp_path: Path, cache: WheelCache) -> None:
    """The hint says what makes such a folder."""
    with pytest.raises(ConfigError, match="cannot read") as caught:
        ready_wheel(WheelSource(place=str(tmp_path / "nowhere")), PI_4, SOURCES, cache)
    assert "scripts/release" in str(caught.value.hint)


def test_an_address_is_asked_once(
    folder: Path, cache: WheelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel comes from the cache the second time; the index is asked again, it may have changed."""
    asked = []

    def fake(address: str, timeout: float) -> io.BytesIO:
        assert timeout > 0
        asked.append(address)
        return io.BytesIO((folder / address.rpartition("/")[2]).read_bytes())

    monkeypatch.setattr(urllib.request, "urlopen", fake)
    source = WheelSource(place="https://wheels.example/v1/")

    for _ in range(2):
        found = ready_wheel(source, PI_4, SOURCES, cache)
        assert found is not None
        assert found[1].read_bytes() == b"cortex-a72"

    assert [address.rpartition("/")[2] for address in asked] == [
        "index.json",
        "cortex-a72.whl",
        "index.json",
    ]
    assert ready_wheel(replace(source, offline=True), PI_4, SOURCES, cache) is None
    assert len(asked) == 3


def test_an_address_that_does_not_answer(
    cache: WheelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence with the address."""

    def fake(address: str, timeout: float) -> io.BytesIO:
        raise urllib.error.URLError(f"no route to {address} in {timeout}")

    monkeypatch.setattr(urllib.request, "urlopen", fake)

    with pytest.raises(ToolError, match=r"cannot get `https://wheels\.example/index\.json`"):
        ready_wheel(WheelSource(place="https://wheels.example"), PI_4, SOURCES, cache)
