"""Unpacking Debian packages: the merged layout, and nothing outside of the folder."""

from __future__ import annotations

import shutil
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from edgekit.emulator import deb
from edgekit.errors import ToolError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.edgekit.emulator.conftest import MakeDeb


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty root of the merged layout."""
    path = tmp_path / "root"
    path.mkdir()
    deb.make_merged(path)
    return path


def _unpack(root: Path, data: bytes) -> None:
    package = root.with_name("package.deb")
    package.write_bytes(data)
    deb.unpack(package, root)


@pytest.mark.parametrize("top", ["./lib", "./usr/lib"])
def test_both_layouts_end_up_in_usr(root: Path, make_deb: MakeDeb, top: str) -> None:
    """Bookworm's libc names its files by /lib, Trixie's by /usr/lib; a program finds them by both."""
    files = {"./": None, top: None, f"{top}/libc.so.6": b"code", f"{top}/libc.so": "-> libc.so.6"}

    _unpack(root, make_deb(files))

    assert (root / "usr/lib/libc.so.6").read_bytes() == b"code"
    assert (root / "lib/libc.so").read_bytes() == b"code"
    assert (root / "lib").is_symlink()


def test_absolute_links_stay_inside(root: Path, make_deb: MakeDeb) -> None:
    """A link to /etc/… means the root's file, not the host's."""
    files = {"./etc/hostname": b"board", "./usr/share/name": "-> /etc/hostname"}

    _unpack(root, make_deb(files))

    assert (root / "usr/share/name").read_bytes() == b"board"


def test_rights_are_plain(root: Path, make_deb: MakeDeb) -> None:
    """Programs can be executed; nothing is setuid."""
    _unpack(root, make_deb({"./bin/su": b"#!", "./etc/passwd": b"root"}))

    assert stat.S_IMODE((root / "usr/bin/su").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "etc/passwd").stat().st_mode) == 0o644


def test_documentation_stays_behind(root: Path, make_deb: MakeDeb) -> None:
    """It is half of a package and no program reads it."""
    _unpack(root, make_deb({"./usr/share/doc/x/copyright": b"text", "./usr/share/docs": b"data"}))

    assert not (root / "usr/share/doc").exists()
    assert (root / "usr/share/docs").read_bytes() == b"data"


@pytest.mark.parametrize("path", ["../escaped", "/etc/escaped", "./usr/../../escaped"])
def test_a_path_that_leads_out_is_refused(root: Path, make_deb: MakeDeb, path: str) -> None:
    """Whatever a package says, it writes into its folder."""
    with pytest.raises(ToolError, match="leads out of the folder"):
        _unpack(root, make_deb({path: b"evil"}))


def test_a_link_that_leads_out_is_not_followed(root: Path, make_deb: MakeDeb) -> None:
    """First a link to a folder outside, then a file in it."""
    outside = root.with_name("outside")
    outside.mkdir()

    with pytest.raises(ToolError, match="leads out of the folder"):
        _unpack(root, make_deb({"./x": "-> ../outside", "./x/evil": b"evil"}))

    assert not list(outside.iterdir())


def test_a_hard_link_is_one_within(root: Path, make_deb: MakeDeb) -> None:
    """Packages of Python name one file twice that way."""
    link = tarfile.TarInfo("./bin/python3.11")
    link.type, link.linkname = tarfile.LNKTYPE, "./usr/bin/python3"

    _unpack(root, make_deb({"./usr/bin/python3": b"elf", "./bin/python3.11": link}))

    assert (root / "usr/bin/python3.11").read_bytes() == b"elf"


@pytest.mark.parametrize("length", [0, 7, 100, 300])
def test_a_damaged_package_is_a_sentence(root: Path, make_deb: MakeDeb, length: int) -> None:
    """Cut short anywhere."""
    with pytest.raises(ToolError, match=r"cannot unpack `package\.deb`"):
        _unpack(root, make_deb({"./etc/hostname": b"board" * 100})[:length])


def test_a_package_without_files_is_a_sentence(root: Path, make_deb: MakeDeb) -> None:
    """An `ar` archive of something else."""
    with pytest.raises(ToolError, match=r"holds no `data\.tar`"):
        _unpack(root, make_deb({}, member="stuff"))


def test_zstd_needs_dpkg(
    root: Path, make_deb: MakeDeb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ubuntu packs with zstd, which this Python cannot undo: without dpkg-deb it says what to install."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    with pytest.raises(ToolError, match=r"`data\.tar\.zst` needs dpkg-deb") as caught:
        _unpack(root, make_deb({"./etc/hostname": b"board"}, member="data.tar.zst"))

    assert caught.value.hint == "install it with `sudo apt install dpkg`"


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
def test_dpkg_undoes_zstd(root: Path, tmp_path: Path) -> None:
    """A package as Ubuntu's are, made and unpacked by dpkg itself."""
    source = tmp_path / "source"
    (source / "DEBIAN").mkdir(parents=True)
    (source / "DEBIAN" / "control").write_text(
        "Package: x\nVersion: 1\nArchitecture: arm64\nMaintainer: x <x@y.z>\nDescription: x\n"
    )
    (source / "lib").mkdir()
    (source / "lib" / "x.so").write_bytes(b"code" * 1000)
    package = tmp_path / "x.deb"
    subprocess.run(["dpkg-deb", "-Zzstd", "-b", source, package], check=True, capture_output=True)

    deb.unpack(package, root)

    assert (root / "usr/lib/x.so").read_bytes() == b"code" * 1000
    assert not package.with_suffix(".tar").exists()
