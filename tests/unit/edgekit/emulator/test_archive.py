"""Fetching from a distribution's archive: the mirror, the signature, the digests."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from edgekit.emulator import archive
from edgekit.errors import ToolError, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES = b"Package: libc6\nVersion: 2.36\nFilename: pool/c.deb\nSize: 4\nSHA256: "


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a folder as a mirror; yield its folder `debian` and its address."""
    folder = tmp_path / "www" / "debian"
    folder.mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder.parent))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield folder, f"http://127.0.0.1:{server.server_address[1]}/debian"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def apt(tmp_path: Path, mirror: tuple[Path, str]) -> Path:
    """Return apt's folder on a machine that uses the mirror."""
    folder = tmp_path / "apt"
    (folder / "sources.list.d").mkdir(parents=True)
    text = f"Types: deb\nURIs: {mirror[1]}/\nSuites: bookworm\nComponents: main\n"
    (folder / "sources.list.d" / "debian.sources").write_text(text)
    return folder


def _publish(folder: Path, package: bytes = b"code", *, digest: str | None = None) -> None:
    index = lzma.compress(PACKAGES + hashlib.sha256(package).hexdigest().encode() + b"\n")
    found = digest or hashlib.sha256(index).hexdigest()
    release = folder / "dists" / "bookworm"
    (release / "main" / "binary-arm64").mkdir(parents=True)
    (release / "main" / "binary-arm64" / "Packages.xz").write_bytes(index)
    (release / "InRelease").write_text(
        f"SHA256:\n {found} {len(index)} main/binary-arm64/Packages.xz\n"
    )
    (folder / "pool").mkdir()
    (folder / "pool" / "c.deb").write_bytes(package)


@pytest.fixture
def unsigned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let this machine have no keys."""
    monkeypatch.setattr(archive, "_KEYRINGS", tmp_path / "no-keys")


@pytest.mark.usefixtures("unsigned")
def test_index_and_package_come_from_the_mirror(mirror: tuple[Path, str], apt: Path) -> None:
    """The one that apt uses here; without the distribution's keys that is told."""
    _publish(mirror[0])

    index = archive.read_index("bookworm", apt=apt)

    assert index.address == mirror[1]
    assert archive.fetch_package(index, index.packages["libc6"]) == b"code"
    assert "signature of Debian's archive was not checked" in index.doubt
    assert "debian-archive-keyring" in index.doubt


@pytest.mark.usefixtures("unsigned")
def test_an_index_with_another_digest_is_refused(mirror: tuple[Path, str], apt: Path) -> None:
    """The signed file says what the index must be."""
    _publish(mirror[0], digest="0" * 64)

    with pytest.raises(VerificationFailed, match=r"Packages\.xz` has the SHA-256"):
        archive.read_index("bookworm", apt=apt)


@pytest.mark.usefixtures("unsigned")
def test_a_package_with_another_digest_is_refused(mirror: tuple[Path, str], apt: Path) -> None:
    """The index says what the package must be."""
    _publish(mirror[0])
    (mirror[0] / "pool" / "c.deb").write_bytes(b"evil")
    index = archive.read_index("bookworm", apt=apt)

    with pytest.raises(VerificationFailed, match=r"c\.deb` has the SHA-256"):
        archive.fetch_package(index, index.packages["libc6"])


@pytest.mark.skipif(shutil.which("gpgv") is None, reason="gpgv is not installed")
def test_a_wrong_signature_is_refused(
    mirror: tuple[Path, str], apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the keys are known, an archive that nobody signed is not used."""
    _publish(mirror[0])
    (tmp_path / "debian-archive-keyring.gpg").write_bytes(b"")
    monkeypatch.setattr(archive, "_KEYRINGS", tmp_path)

    with pytest.raises(VerificationFailed, match="is not signed by a key of"):
        archive.read_index("bookworm", apt=apt)


@pytest.mark.usefixtures("unsigned")
def test_what_cannot_be_fetched_is_a_sentence(mirror: tuple[Path, str], apt: Path) -> None:
    """The address and the reason; nothing was published."""
    with pytest.raises(ToolError, match=rf"cannot fetch `{mirror[1]}/dists/bookworm/InRelease`: "):
        archive.read_index("bookworm", apt=apt)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "sources.list",
            "# deb http://old/debian\ndeb [arch=amd64] http://near.example/debian bookworm main\n",
            "http://near.example/debian",
        ),
        (
            "sources.list",
            "deb http://security.debian.org/debian-security bookworm main\n",
            None,
        ),
        ("sources.list", "deb cdrom:[Debian]/debian bookworm main\n", None),
        (
            "sources.list.d/x.sources",
            "URIs: https://near.example/debian/\n",
            "https://near.example/debian",
        ),
        ("sources.list.d/x.sources.bak", "URIs: https://old.example/debian/\n", None),
    ],
)
def test_the_mirror_that_apt_uses_is_found(
    tmp_path: Path, name: str, text: str, expected: str | None
) -> None:
    """Both forms of apt's sources; security archives, discs and remarks are no mirrors."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text)

    assert archive._mirror(archive.RELEASES["bookworm"], tmp_path) == expected
