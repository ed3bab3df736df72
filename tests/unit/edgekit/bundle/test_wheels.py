"""What ships of a wheel."""

from __future__ import annotations

import io
import zipfile

import pytest

from edgekit.bundle.wheels import read_wheel
from edgekit.errors import VerificationFailed

INFO = "edgekit_runtime-0.1.0.dist-info"
FILES = {
    "edgekit_runtime/__init__.py": "x = 1\n",
    "edgekit_runtime/_native.abi3.so": "\x7fELF",
    "edgekit_runtime/_native.pyi": "x: int",
    "edgekit_runtime/py.typed": "",
    "edgekit_runtime/__pycache__/__init__.cpython-311.pyc": "x",
    f"{INFO}/METADATA": "Metadata-Version: 2.4\nName: edgekit-runtime\nVersion: 0.1.0\nLicense-Expression: MIT\n",
    f"{INFO}/RECORD": "…",
    f"{INFO}/WHEEL": "…",
    f"{INFO}/sboms/x.cyclonedx.json": '{"serialNumber": "random"}',
    f"{INFO}/licenses/LICENSE-MIT": "be free",
    f"{INFO}/licenses/deep/THIRD-PARTY.md": "theirs",
    f"{INFO}/LICENCE": "old place",
    "edgekit_runtime-0.1.0.data/scripts/run": "#!/bin/sh",
}


def _wheel(files: dict[str, str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


def test_modules_and_licences_ship() -> None:
    """Nothing that only installers, type checkers or one build have a use for."""
    found = read_wheel(_wheel(FILES), "x.whl")

    assert (found.name, found.version, found.licence) == ("edgekit-runtime", "0.1.0", "MIT")
    assert list(found.files) == [
        f"{INFO}/LICENCE",
        f"{INFO}/METADATA",
        f"{INFO}/licenses/LICENSE-MIT",
        f"{INFO}/licenses/deep/THIRD-PARTY.md",
        "edgekit_runtime/__init__.py",
        "edgekit_runtime/_native.abi3.so",
    ]
    assert found.licence_files == (
        f"{INFO}/LICENCE",
        f"{INFO}/licenses/LICENSE-MIT",
        f"{INFO}/licenses/deep/THIRD-PARTY.md",
    )


def test_the_order_in_the_wheel_does_not_matter() -> None:
    """Two tools pack the same files in other orders."""
    assert read_wheel(_wheel(FILES), "a") == read_wheel(_wheel(dict(reversed(FILES.items()))), "b")


def test_what_is_no_wheel_is_a_sentence() -> None:
    """No zip, half of one, one with another content than its check sums say, one without metadata."""
    whole = _wheel(FILES)
    flipped = whole.replace(b"x = 1\n", b"x = 2\n", 1)
    for data in (b"", b"hello", whole[:-30], whole[:200], flipped, _wheel({"a.py": ""})):
        with pytest.raises(VerificationFailed, match=r"`x\.whl`"):
            read_wheel(data, "x.whl")
