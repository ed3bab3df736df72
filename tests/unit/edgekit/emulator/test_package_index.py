"""Reading a Debian archive's index, and what a package needs."""

from __future__ import annotations

import pytest

from edgekit.emulator.package_index import closure, read_packages, read_release
from edgekit.errors import ToolError

PACKAGES = """\
Package: python3.11-minimal
Version: 3.11.2-6
Pre-Depends: libc6 (>= 2.35)
Depends: libpython3.11-minimal (= 3.11.2-6), default-mta | mail-transport-agent
Description: text
 Package: not one
Filename: pool/p/python3.11-minimal_3.11.2-6_arm64.deb
Size: 20
SHA256: aa

Package: libpython3.11-minimal
Version: 3.11.2-6
Depends: libc6 (>= 2.35), libz:any [arm64]
Filename: pool/l.deb
Size: 30
SHA256: bb

Package: libc6
Version: 2.36
Filename: pool/c.deb
Size: 40
SHA256: cc

Package: zlib1g
Version: 1.2
Provides: libz (= 1.2)
Depends: libc6
Filename: pool/z.deb
Size: 50
SHA256: dd

Package: exim
Version: 4
Provides: mail-transport-agent
Filename: pool/e.deb
Size: 60
SHA256: ee

Package: broken
Version: 1
Depends: nowhere | nothing
Filename: pool/b.deb
Size: 1
SHA256: ff
"""


def test_a_package_is_read() -> None:
    """Name, place, size, digest, and what it needs before and after."""
    package = read_packages(PACKAGES)["python3.11-minimal"]

    assert package.path == "pool/p/python3.11-minimal_3.11.2-6_arm64.deb"
    assert (package.size_bytes, package.sha256) == (20, "aa")
    assert package.needs == (
        ("libc6",),
        ("libpython3.11-minimal",),
        ("default-mta", "mail-transport-agent"),
    )


def test_all_that_is_needed_is_found() -> None:
    """Over versions, architectures, alternatives and what another package provides; each once."""
    found = closure(read_packages(PACKAGES), ["python3.11-minimal"])

    assert [package.name for package in found] == [
        "exim",
        "libc6",
        "libpython3.11-minimal",
        "python3.11-minimal",
        "zlib1g",
    ]


@pytest.mark.parametrize(("wanted", "missing"), [("python9", "python9"), ("broken", "nowhere")])
def test_what_is_missing_is_named(wanted: str, missing: str) -> None:
    """The package itself, or what it needs."""
    with pytest.raises(ToolError, match=f"no package `{missing}`"):
        closure(read_packages(PACKAGES), [wanted])


def test_a_release_lists_digests() -> None:
    """SHA-256 alone: what stands under MD5Sum is not believed."""
    text = "Origin: Debian\nMD5Sum:\n 00 12 main/a\nSHA256:\n ab 12 main/a\n cd  7 main/b\nSHA512:\n ef 1 main/c\n"

    assert read_release(text) == {"main/a": ("ab", 12), "main/b": ("cd", 7)}
    assert read_release("Origin: Debian\n") == {}
