"""Reading bundles: whole ones, damaged ones at every place, and ones made to harm."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import random
import stat
import tarfile
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from edge_agent.bundle_archive import DICTIONARY_BYTES, END, BundleArchive, in_archive_order
from edge_agent.errors import EdgeKitError, VerificationFailed
from edge_agent.manifest import LARGEST_MANIFEST_BYTES, MANIFEST_NAME, File, Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Entry = tuple[tarfile.TarInfo, bytes]

NOISE = random.Random(0).randbytes(200)
FILES = {
    "agent.json": b"{}",
    "empty": b"",
    "site/edge_agent/__init__.py": b'"""Agent."""\n' * 50,
    "site/edgekit_runtime/_native.abi3.so": NOISE,
}


def _manifest(files: dict[str, bytes]) -> Manifest:
    return Manifest(
        name="gait",
        version="1.0.0",
        edgekit="0.1.0",
        board="raspberry-pi-4",
        target="aarch64-unknown-linux-gnu",
        cpu="cortex-a72",
        glibc="2.17",
        engine="tract 0.23.9",
        registries=(),
        files=tuple(
            File(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())
            for path, data in sorted(files.items())
        ),
    )


MANIFEST = _manifest(FILES)


def _entry(path: str, data: bytes, kind: bytes = tarfile.REGTYPE, link: str = "") -> Entry:
    info = tarfile.TarInfo(path)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def _entries(manifest: Manifest = MANIFEST) -> list[Entry]:
    body = [
        _entry(file.path, FILES.get(file.path, b"")) for file in in_archive_order(manifest.files)
    ]
    return [_entry(MANIFEST_NAME, manifest.to_bytes()), *body]


def _tar(entries: Sequence[Entry], form: Literal[0, 1] = tarfile.USTAR_FORMAT) -> bytes:
    blocks = [info.tobuf(form) + data + bytes(-len(data) % 512) for info, data in entries]
    return b"".join([*blocks, END])


def _xz(*streams: bytes) -> bytes:
    return b"".join(lzma.compress(stream, preset=0) for stream in streams)


def _read(data: bytes) -> BundleArchive:
    archive = BundleArchive(io.BytesIO(data), "`x.tar.xz`")
    archive.verify()
    return archive


WHOLE = _xz(_tar(_entries()))


def test_a_whole_bundle_is_read(tmp_path: Path) -> None:
    """Every file comes out with its bytes; nothing of it can be run or is a link."""
    archive = BundleArchive(io.BytesIO(WHOLE), "x")
    archive.extract(tmp_path / "out")

    assert archive.manifest == MANIFEST
    assert (tmp_path / "out" / MANIFEST_NAME).read_bytes() == MANIFEST.to_bytes()
    for path, data in FILES.items():
        file = tmp_path / "out" / path
        assert file.read_bytes() == data
        assert stat.S_IMODE(file.stat().st_mode) & 0o133 == 0


def test_native_code_comes_last() -> None:
    """So a writer can keep its compressed form."""
    order = [file.path for file in in_archive_order(MANIFEST.files)]

    assert order == [
        "agent.json",
        "empty",
        "site/edge_agent/__init__.py",
        "site/edgekit_runtime/_native.abi3.so",
    ]


def test_a_bundle_may_be_several_streams() -> None:
    """Cut anywhere, streams behind each other are one file."""
    tar = _tar(_entries())

    for cut in (1, 512, 700, len(tar) - 1024, len(tar) - 1):
        _read(_xz(tar[:cut], tar[cut:]))


def test_the_files_of_a_bundle_can_be_taken_in_part() -> None:
    """What is not read of one file does not shift the next."""
    archive = BundleArchive(io.BytesIO(WHOLE), "x")

    assert [file.path for file, _ in archive.files()] == [
        file.path for file in in_archive_order(MANIFEST.files)
    ]


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    """Wherever a copy breaks off, it says so and leaves nothing behind."""
    for length in range(len(WHOLE)):
        with pytest.raises(VerificationFailed, match=r"ends early|damaged") as caught:
            _read(WHOLE[:length])
        assert "copy it again" in (caught.value.hint or "")
    with pytest.raises(VerificationFailed):
        BundleArchive(io.BytesIO(WHOLE[:-20]), "x").extract(tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_every_truncation_between_streams_is_noticed() -> None:
    """A whole first stream alone is no whole bundle."""
    tar = _tar(_entries())
    first = lzma.compress(tar[:-4096])

    with pytest.raises(VerificationFailed, match="ends early"):
        _read(first)
    with pytest.raises(VerificationFailed, match="ends early"):
        _read(_xz(tar[:-1]))


def test_every_flipped_byte_is_noticed_or_changes_nothing() -> None:
    """No flip of bits anywhere in the file gives other content without an error."""
    for place in range(len(WHOLE)):
        data = bytearray(WHOLE)
        data[place] ^= 1 << place % 8
        with pytest.raises(VerificationFailed):
            _read(bytes(data))


def test_every_flipped_byte_of_the_content_is_noticed() -> None:
    """Also where xz's own check sums were made anew: digests hold what they say, headers what is read of them."""
    tar = _tar(_entries())
    unread = 0
    for place in range(0, len(tar), 5):
        data = bytearray(tar)
        data[place] ^= 4
        try:
            archive = _read(_xz(bytes(data)))
        except VerificationFailed:
            continue
        # the manifest's own bytes are what names it
        unread += archive.manifest_bytes == MANIFEST.to_bytes()

    assert unread == 0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "ends early"),
        (b"hello", "ends early|damaged"),
        (b"PK\x03\x04" + bytes(100), "damaged, or no bundle"),
        (lzma.compress(b""), "ends early"),
        (lzma.compress(b"x" * 2000), "`manifest.json` does not follow"),
        (lzma.compress(bytes(2048)), "`manifest.json` does not follow"),
        (lzma.compress(b"x" * 2000, lzma.FORMAT_ALONE), "damaged, or no bundle"),
        (WHOLE + b"more", "behind its end"),
        (WHOLE + WHOLE, "behind its end"),
        (WHOLE + bytes(4), "behind its end"),
        (_xz(_tar(_entries()) + bytes(512)), "holds more than a bundle"),
        (_xz(_tar([*_entries(), _entry("more", b"x")])), "holds more than the manifest names"),
        (_xz(_tar(_entries()[:-1])), "does not follow where it should"),
        (_xz(_tar([_entries()[1], *_entries()])), "`manifest.json` should follow"),
        (_xz(_tar([_entries()[0], *_entries()[:0:-1]])), "should follow as a regular file"),
    ],
)
def test_foreign_and_altered_archives_are_refused(data: bytes, said: str) -> None:
    """A sentence, exit code 5, and the same order as in the manifest, without more or less."""
    with pytest.raises(VerificationFailed, match=said):
        _read(data)


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "manifest.json"),
        (tarfile.DIRTYPE, ""),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        (tarfile.CONTTYPE, ""),
        (tarfile.AREGTYPE, ""),
        (tarfile.GNUTYPE_SPARSE, ""),
        (tarfile.GNUTYPE_LONGNAME, ""),
        (tarfile.XHDTYPE, ""),
        (tarfile.XGLTYPE, ""),
    ],
)
def test_nothing_but_regular_files(tmp_path: Path, kind: bytes, link: str) -> None:
    """Links, devices and extended headers in the place of a file are refused before anything of them is made."""
    entries = _entries()
    info, data = entries[1]
    entries[1] = _entry(info.name, data, kind, link)

    with pytest.raises(VerificationFailed, match="regular file"):
        BundleArchive(io.BytesIO(_xz(_tar(entries))), "x").extract(tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../agent.json", "/agent.json", "agent.json/", "other", "agent.jso"]
)
def test_another_name_than_the_manifests(tmp_path: Path, name: str) -> None:
    """The archive's names are never used: only the manifest's, which were checked."""
    entries = _entries()
    entries[1] = _entry(name, entries[1][1])

    with pytest.raises(VerificationFailed, match="regular file"):
        BundleArchive(io.BytesIO(_xz(_tar(entries))), "x").extract(tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [-1, 1, 10_000_000])
def test_another_size_than_the_manifests(change: int) -> None:
    """Neither side is believed where they differ."""
    entries = _entries()
    entries[1][0].size += change

    with pytest.raises(VerificationFailed, match="bytes: 2 in the manifest"):
        _read(_xz(_tar(entries)))


def test_a_negative_size_is_refused() -> None:
    """GNU's binary numbers can say it; reading would then go backwards."""
    entries = _entries()
    entries[1][0].size = -512

    with pytest.raises(VerificationFailed, match=r"regular file|does not follow"):
        _read(_xz(_tar(entries, tarfile.GNU_FORMAT)))


def test_another_content_than_the_manifests(tmp_path: Path) -> None:
    """A digest that differs ends the unpacking, and nothing is left of it."""
    entries = _entries()
    entries[1] = _entry("agent.json", b"[]")

    with pytest.raises(VerificationFailed, match=r"`agent.json` does not have the digest"):
        BundleArchive(io.BytesIO(_xz(_tar(entries))), "x").extract(tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


def test_a_bomb_is_read_no_further_than_the_manifest_declares() -> None:
    """Megabytes of zeros behind the manifest cost a block."""
    head = _tar(_entries()[:1])[: -len(END)]
    data = _xz(head + bytes(64 << 20))

    tracemalloc.start()
    try:
        with pytest.raises(VerificationFailed, match="does not follow"):
            _read(data)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 4 << 20


def test_a_manifest_without_end_is_refused() -> None:
    """Its size is checked before it is read."""
    entry = _entry(MANIFEST_NAME, b"")
    entry[0].size = LARGEST_MANIFEST_BYTES + 1

    with pytest.raises(VerificationFailed, match="at most"):
        _read(_xz(_tar([entry])))


def test_the_decompressors_memory_is_capped() -> None:
    """A small board must not be asked for a dictionary of a gigabyte."""
    filters = [
        {"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 4 * DICTIONARY_BYTES},
    ]
    data = lzma.compress(_tar(_entries()), filters=filters)

    with pytest.raises(VerificationFailed, match="memory usage limit"):
        _read(data)


def test_unpacking_over_something_is_refused(tmp_path: Path) -> None:
    """Not even into an empty folder, nor through a link to one: what is there stays as it is."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    (tmp_path / "file").write_text("mine")

    for name in ("there", "link", "file"):
        with pytest.raises(EdgeKitError, match="is there already"):
            BundleArchive(io.BytesIO(WHOLE), "x").extract(tmp_path / name)

    assert list((tmp_path / "there").iterdir()) == []
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release is whole or not there."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(EdgeKitError, match="No space left on device"):
        BundleArchive(io.BytesIO(WHOLE), "x").extract(tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_lists_too_much_never_reads_it() -> None:
    """Of a bundle whose manifest promises more than follows, all that follows is refused at its end."""
    more = replace(
        MANIFEST,
        files=(*MANIFEST.files, File(path="z", size=1 << 28, sha256="0" * 64)),
    )

    with pytest.raises(VerificationFailed, match="does not follow"):
        _read(_xz(_tar(_entries(more)[:-2])))
