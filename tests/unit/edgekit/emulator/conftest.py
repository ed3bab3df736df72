"""Debian packages and an archive of them, made by the tests themselves."""

from __future__ import annotations

import io
import lzma
import tarfile
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping


class MakeDeb(Protocol):
    """Makes the bytes of a package."""

    def __call__(
        self, files: Mapping[str, Any], *, compression: str = "xz", member: str | None = None
    ) -> bytes:
        """Files by path: bytes, `-> target` for a link, None for a folder; other members of a tar as they are."""
        ...


@pytest.fixture
def make_deb() -> MakeDeb:
    """Return a function that makes the bytes of a Debian package."""

    def make(
        files: Mapping[str, Any], *, compression: str = "xz", member: str | None = None
    ) -> bytes:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as tar:
            for path, data in files.items():
                tar.addfile(*_entry(path, data))
        packed = lzma.compress(content.getvalue()) if compression == "xz" else content.getvalue()
        name = member or ("data.tar.xz" if compression == "xz" else "data.tar")
        parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", name: packed}
        return b"!<arch>\n" + b"".join(_member(*part) for part in parts.items())

    return make


def _entry(path: str, data: Any) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    if isinstance(data, tarfile.TarInfo):
        return data, None
    info = tarfile.TarInfo(path)
    if data is None:
        info.type = tarfile.DIRTYPE
        return info, None
    if isinstance(data, str):
        info.type, info.linkname = tarfile.SYMTYPE, data.removeprefix("-> ")
        return info, None
    info.size = len(data)
    info.mode = 0o4755 if path.endswith("su") else 0o644
    return info, io.BytesIO(data)


def _member(name: str, data: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
    return header + data + b"\n" * (len(data) % 2)
