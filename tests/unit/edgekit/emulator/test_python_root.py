"""The cache of Pythons: made once, made again when it is damaged, never half."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from edgekit.emulator import archive
from edgekit.emulator.archive import Index
from edgekit.emulator.package_index import Package
from edgekit.emulator.python_root import python_root
from edgekit.errors import ConfigError, EdgeKitError, ToolError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.edgekit.emulator.conftest import MakeDeb


def _package(name: str, *needs: str) -> Package:
    return Package(
        name=name,
        version="1",
        path=f"pool/{name}.deb",
        size_bytes=1,
        sha256="",
        needs=tuple((need,) for need in needs),
        provides=(),
    )


PACKAGES = {
    package.name: package
    for package in (
        _package("python3-minimal", "python3.11-minimal"),
        _package("python3.11-minimal", "libc6"),
        _package("libpython3.11-stdlib", "libc6"),
        _package("libc6"),
    )
}
FILES = {
    "libc6": {"./lib/libc.so.6": b"libc"},
    "python3.11-minimal": {"./usr/bin/python3.11": b"elf"},
    "libpython3.11-stdlib": {"./usr/lib/python3.11/json.py": b"..."},
}


@pytest.fixture
def fetched(make_deb: MakeDeb, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the archive by one of three packages; return the names that are fetched."""
    names: list[str] = []

    def fetch(_index: Index, package: Package) -> bytes:
        names.append(package.name)
        return make_deb(FILES[package.name])

    index = Index(address="http://x", packages=PACKAGES, doubt="nobody signed it")
    monkeypatch.setattr(archive, "read_index", lambda _release: index)
    monkeypatch.setattr(archive, "fetch_package", fetch)
    return names


def test_a_python_is_made_once(tmp_path: Path, fetched: list[str]) -> None:
    """With all that it needs; the second time nothing is fetched, and the doubt is remembered."""
    told: list[str] = []

    first = python_root("bookworm", tmp_path, tell=told.append)
    second = python_root("bookworm", tmp_path)

    assert first == second
    assert sorted(fetched) == ["libc6", "libpython3.11-stdlib", "python3.11-minimal"]
    assert first.interpreter.read_bytes() == b"elf"
    assert first.doubt == "nobody signed it"
    assert first.packages["libc6"] == "1"
    assert told[1:] == [
        f"Python 3.11 of bookworm: {name} ({number} of 3)"
        for number, name in enumerate(sorted(fetched), 1)
    ]


@pytest.mark.parametrize("damage", ["mark", "cut", "lost", "nonsense", "list"])
def test_a_damaged_root_is_made_again(tmp_path: Path, fetched: list[str], damage: str) -> None:
    """Half-unpacked, cut short by a full disk, or of another kind."""
    root = python_root("bookworm", tmp_path).path
    if damage == "mark":
        (root / "edgekit.json").unlink()
    elif damage == "cut":
        (root / "usr/lib/python3.11/json.py").write_bytes(b"")
    elif damage == "lost":
        (root / "usr/bin/python3.11").unlink()
    else:
        (root / "edgekit.json").write_text("{" if damage == "nonsense" else "[]")

    again = python_root("bookworm", tmp_path)

    assert len(fetched) == 6
    assert (again.path / "usr/lib/python3.11/json.py").read_bytes() == b"..."


def test_a_failed_download_leaves_nothing(
    tmp_path: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network goes in the middle: no half root, and the next try works."""
    whole = archive.fetch_package

    def fail(index: Index, package: Package) -> bytes:
        if package.name == "python3.11-minimal":
            raise ToolError("cannot fetch")
        return whole(index, package)

    monkeypatch.setattr(archive, "fetch_package", fail)
    with pytest.raises(ToolError, match="cannot fetch"):
        python_root("bookworm", tmp_path)
    assert [path.name for path in (tmp_path / "pythons").iterdir()] == [".bookworm.lock"]

    monkeypatch.setattr(archive, "fetch_package", whole)
    assert python_root("bookworm", tmp_path).interpreter.is_file()
    assert fetched


def test_what_a_killed_command_left_is_cleared(tmp_path: Path, fetched: list[str]) -> None:
    """Its half-made folder does not stay for ever."""
    left = tmp_path / "pythons" / ".bookworm-killed"
    left.mkdir(parents=True)
    (left / "file").touch()

    python_root("bookworm", tmp_path)

    assert not left.exists()
    assert fetched


def test_two_at_once_make_it_once(tmp_path: Path, fetched: list[str]) -> None:
    """The second waits for the first and takes what it made."""
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(python_root("bookworm", tmp_path).path))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [tmp_path / "pythons" / "bookworm"] * 2
    assert len(fetched) == 3


def test_a_release_without_python_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive that has no `python3-minimal`."""
    index = Index(address="http://x", packages={}, doubt="")
    monkeypatch.setattr(archive, "read_index", lambda _release: index)

    with pytest.raises(ToolError, match="no package `python3-minimal`"):
        python_root("trixie", tmp_path)


def test_an_unknown_release_names_those_known(tmp_path: Path) -> None:
    """Nothing is fetched for it."""
    with pytest.raises(ConfigError, match="emulate `potato`") as caught:
        python_root("potato", tmp_path)

    assert caught.value.hint is not None
    assert "bookworm, trixie, jammy" in caught.value.hint


def test_a_cache_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "cache").write_text("")

    with pytest.raises(EdgeKitError, match=r"cannot keep a Python in `.*cache/pythons`"):
        python_root("bookworm", tmp_path / "cache")
