"""Debian packages, unpacked without root and without dpkg: an `ar` archive that holds a tar of files (deb(5))."""

from __future__ import annotations

import io
import posixpath
import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from edgekit.errors import ToolError
from edgekit.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC: Final = b"!<arch>\n"
_HEADER_BYTES: Final = 60
_MERGED: Final = ("bin", "sbin", "lib", "lib64")
"""Folders that are links into `usr` in the systems of today; packages still name files by either."""
_LEFT_OUT: Final = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian")
_READ_BY_PYTHON: Final = (".xz", ".gz", ".bz2", "")


def unpack(package: Path, root: Path) -> None:
    """
    Unpack a package's files into `root`, which has the merged layout: `lib` is a link to `usr/lib`.

    Raises ToolError for a damaged package or one that this machine cannot unpack, OSError for a full disk.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(_files(package))) as files:
            for member in files:
                _unpack(files, member, root)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ToolError(
            f"cannot unpack `{package.name}`: {error}", hint="run the command again"
        ) from None


def make_merged(root: Path) -> None:
    """Make the links of the merged layout in an empty root."""
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(PurePosixPath("usr", name))


def _files(package: Path) -> bytes:
    """Return the tar of the package's files, as Python's `tarfile` can read it."""
    for name, data in _members(package.read_bytes()):
        if name.startswith("data.tar"):
            if name.removeprefix("data.tar") in _READ_BY_PYTHON:
                return data
            return _by_dpkg(package, name)
    raise ValueError("it holds no `data.tar`")


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    if not archive.startswith(_MAGIC):
        raise ValueError("it is no `ar` archive")
    start = len(_MAGIC)
    while start + _HEADER_BYTES <= len(archive):
        header = archive[start : start + _HEADER_BYTES]
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        size = int(header[48:58])
        start += _HEADER_BYTES
        if size < 0 or start + size > len(archive):
            raise ValueError(f"`{name}` is cut short")
        yield name, archive[start : start + size]
        start += size + size % 2


def _by_dpkg(package: Path, member: str) -> bytes:
    """Let dpkg-deb undo a compression that Python lacks (Ubuntu's zstd, before Python 3.14)."""
    beside = package.with_suffix(".tar")
    script = (
        'dpkg-deb --fsys-tarfile "$1" > "$2"'  # what it prints is binary: not for `Finished.stdout`
    )
    finished = run(
        Command(("sh", "-c", script, "sh", str(package), str(beside))),
        hint="install it with `sudo apt install dpkg`",
    )
    if finished.returncode != 0:
        raise ToolError(
            f"cannot unpack `{package.name}`: its `{member}` needs dpkg-deb, which says: {finished.stderr.strip()}",
            hint="install it with `sudo apt install dpkg`",
        )
    try:
        return beside.read_bytes()
    finally:
        beside.unlink()


def _unpack(files: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    name = _merged(member.name)
    if name == "." or any(name == left or name.startswith(f"{left}/") for left in _LEFT_OUT):
        return
    path = root / name
    if member.isdir():
        if not path.is_dir():
            _inside(path, root).mkdir(parents=True, exist_ok=True)
        return
    _inside(path, root).parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if member.issym():
        path.symlink_to(_target(member.linkname, name))
    elif member.islnk():
        path.hardlink_to(_inside(root / _merged(member.linkname), root))
    elif member.isreg():
        content = files.extractfile(member)
        assert content is not None  # noqa: S101 (a regular file has content)
        path.write_bytes(content.read())
        path.chmod(0o755 if member.mode & 0o100 else 0o644)  # no setuid: nobody needs it here


def _merged(name: str) -> str:
    """Return a member's path in the merged layout. Raises ValueError for one that leads out."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts:
        raise ValueError(f"`{name}` leads out of the folder")
    if len(parts) > 1 and parts[0] in _MERGED:
        parts = ("usr", *parts)
    return str(PurePosixPath(*parts))


def _inside(path: Path, root: Path) -> Path:
    """Refuse to write through a link that leads out of the root."""
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"`{path.relative_to(root)}` leads out of the folder")
    return path


def _target(link: str, name: str) -> str:
    """Return a link's target as a relative one: an absolute target would be the host's file."""
    if not link.startswith("/"):
        return link
    return posixpath.relpath(_merged(link.lstrip("/")), posixpath.dirname(name))
