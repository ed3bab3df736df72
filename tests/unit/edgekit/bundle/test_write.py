"""Writing bundles and opening them: the same bytes for the same files, whatever lies around."""

from __future__ import annotations

import lzma
import os
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.manifest import Manifest
from edgekit.bundle import Bundle, Contents, SizeRow, size_table, write_bundle
from edgekit.bundle.contents import list_files
from edgekit.errors import ConfigError, EdgeKitError, VerificationFailed

FILES = {
    "agent.json": b"{}",
    "model.nnef.tar": bytes(range(256)) * 8,
    "proof.json": b'{"verdict": "proven"}',
    "recording.csv": b"ax\n1\n",
    "site/edge_agent/__init__.py": b'"""Agent."""\n' * 99,
    "site/edgekit_runtime/_native.abi3.so": b"\x7fELF" + bytes(range(256)) * 20,
    "site/serial/__init__.py": b"",
    "vectors.bin": b"edgekit vectors",
}


def _contents(files: dict[str, bytes] | None = None) -> Contents:
    files = FILES if files is None else files
    manifest = Manifest(
        name="gait",
        version="1.0.0",
        edgekit="0.1.0",
        board="raspberry-pi-4",
        target="aarch64-unknown-linux-gnu",
        cpu="cortex-a72",
        glibc="2.17",
        engine="tract 0.23.9",
        registries=("tract_nnef",),
        files=list_files(files),
    )
    return Contents(files=files, manifest=manifest)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep caches of tests out of the user's; no time is set."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "edgekit" / "compressed"


def test_the_same_files_give_the_same_bytes(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order, the folder, the time, the user's rights, and whether the engine was compressed before."""
    first = write_bundle(_contents(), tmp_path / "a" / "x.tar.xz")
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    shuffled = dict(reversed(FILES.items()))
    old = os.umask(0o077)
    try:
        second = write_bundle(_contents(shuffled), tmp_path / "b ü" / "y.tar.xz")
    finally:
        os.umask(old)
    for entry in cache.iterdir():
        entry.unlink()
    third = write_bundle(_contents(), tmp_path / "c.tar.xz")

    assert first.path.read_bytes() == second.path.read_bytes() == third.path.read_bytes()
    assert first.release_id == second.release_id == third.release_id


def test_any_other_content_is_another_release(tmp_path: Path) -> None:
    """A changed byte, name or fact changes the release id; the time of the archive does not."""
    contents = _contents()
    base = write_bundle(contents, tmp_path / "a.tar.xz").release_id
    for changed in (
        _contents({**FILES, "agent.json": b"[]"}),
        _contents({**FILES, "more": b""}),
        replace(contents, manifest=replace(contents.manifest, glibc="2.34")),
    ):
        assert write_bundle(changed, tmp_path / "b.tar.xz").release_id != base


def test_source_date_epoch_is_the_time_of_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As reproducible builds have it; the release id, which is about contents, stays."""
    base = write_bundle(_contents(), tmp_path / "a.tar.xz")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    dated = write_bundle(_contents(), tmp_path / "b.tar.xz")

    with tarfile.open(dated.path) as archive:
        assert {item.mtime for item in archive} == {1700000000}
    assert dated.path.read_bytes() != base.path.read_bytes()
    assert dated.release_id == base.release_id


@pytest.mark.parametrize("text", ["", "now", "-1", "1.5", "9" * 20, "٣"])
def test_a_time_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Nothing is written."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)

    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH"):
        write_bundle(_contents(), tmp_path / "a.tar.xz")

    assert list(tmp_path.iterdir()) == []


def test_other_tools_can_read_it(tmp_path: Path) -> None:
    """It is a plain .tar.xz: owner 0, no rights to run, the manifest first, native code last."""
    path = write_bundle(_contents(), tmp_path / "a.tar.xz").path

    with tarfile.open(path) as archive:
        items = archive.getmembers()
        found = {item.name: archive.extractfile(item).read() for item in items}  # type: ignore[union-attr]

    assert items[0].name == "manifest.json"
    assert items[-1].name == "site/edgekit_runtime/_native.abi3.so"
    assert {(item.uid, item.gid, item.uname, item.mode) for item in items} == {(0, 0, "", 0o644)}
    del found["manifest.json"]
    assert found == FILES


def test_a_damaged_cache_is_made_again(tmp_path: Path, cache: Path) -> None:
    """Other bytes, other content, half a stream, a folder in its place: the bundle is the same."""
    base = write_bundle(_contents(), tmp_path / "a.tar.xz").path.read_bytes()
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    for damaged in (b"", b"hello", whole[:-8], lzma.compress(b"other"), whole + whole):
        entry.write_bytes(damaged)
        assert write_bundle(_contents(), tmp_path / "b.tar.xz").path.read_bytes() == base
        assert entry.read_bytes() == whole
    entry.unlink()
    entry.mkdir()
    assert write_bundle(_contents(), tmp_path / "b.tar.xz").path.read_bytes() == base


def test_a_name_that_does_not_fit_is_a_sentence(tmp_path: Path) -> None:
    """The header has room for 255 bytes, cut at a slash."""
    name = "/".join(["é" * 50] * 3)

    with pytest.raises(ConfigError, match="too long a name"):
        write_bundle(_contents({name: b""}), tmp_path / "a.tar.xz")

    assert not (tmp_path / "a.tar.xz").exists()


def test_a_bundle_is_opened_checked_and_unpacked(tmp_path: Path) -> None:
    """What was written comes back."""
    contents = _contents()
    written = write_bundle(contents, tmp_path / "a.tar.xz")
    bundle = Bundle.open(written.path)
    bundle.extract(tmp_path / "out")

    assert bundle == written
    assert bundle.manifest == contents.manifest
    assert bundle.size_bytes == written.path.stat().st_size
    assert bundle.read("proof.json") == FILES["proof.json"]
    assert bundle.read("none") is None
    assert (tmp_path / "out" / "site/edge_agent/__init__.py").read_bytes() == FILES[
        "site/edge_agent/__init__.py"
    ]


def test_a_bundle_that_is_replaced_meanwhile_is_noticed(tmp_path: Path) -> None:
    """What is unpacked is what was looked at."""
    bundle = write_bundle(_contents(), tmp_path / "a.tar.xz")
    write_bundle(_contents({"other": b""}), tmp_path / "a.tar.xz")

    with pytest.raises(VerificationFailed, match="was replaced"):
        bundle.extract(tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_what_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    """No file, a folder, a pipe that nobody writes to, a name that is none."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe", Path("a\0b"), Path("/dev/zero")):
        with pytest.raises(ConfigError):
            Bundle.open(path)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """The bundle's place is a file."""
    (tmp_path / "dist").write_text("")

    with pytest.raises(EdgeKitError, match="cannot write"):
        write_bundle(_contents(), tmp_path / "dist" / "a.tar.xz")


def test_parts_and_their_sizes() -> None:
    """Every file is in one part; the largest part comes first."""
    rows = size_table(_contents().manifest.files)

    assert [row.name for row in rows][:2] == ["engine", "model"]
    assert SizeRow(name="other packages", files=1, size_bytes=0) in rows
    assert SizeRow(name="test vectors and proof", files=2, size_bytes=36) in rows
    assert sum(row.files for row in rows) == len(FILES)
    assert sum(row.size_bytes for row in rows) == sum(map(len, FILES.values()))
