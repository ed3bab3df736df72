"""Packages of a distribution's arm64 archive: an index whose signature is checked, packages whose digest is."""

from __future__ import annotations

import hashlib
import lzma
import re
import shutil
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgekit.emulator import package_index
from edgekit.errors import ToolError, VerificationFailed
from edgekit.process import Command, run

if TYPE_CHECKING:
    from edgekit.emulator.package_index import Package

_TIMEOUT_S: Final = 60
_INDEX: Final = "main/binary-arm64/Packages.xz"
_KEYRINGS: Final = Path("/usr/share/keyrings")


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Where a distribution keeps its packages for arm64."""

    name: str
    address: str
    mirror: str
    """Pattern of the addresses in apt's sources that are mirrors of it."""
    keyring: str
    """File of the package that holds the distribution's keys."""


_DEBIAN: Final = Distribution(
    name="Debian",
    address="https://deb.debian.org/debian",
    mirror=r"https?://[^\s\]]+/debian/?(?=\s|$)",
    keyring="debian-archive-keyring.gpg",
)
_UBUNTU: Final = Distribution(
    name="Ubuntu",
    address="http://ports.ubuntu.com/ubuntu-ports",
    mirror=r"https?://[^\s\]]+/ubuntu-ports/?(?=\s|$)",
    keyring="ubuntu-archive-keyring.gpg",
)
RELEASES: Final = {"bookworm": _DEBIAN, "trixie": _DEBIAN, "jammy": _UBUNTU, "noble": _UBUNTU}
"""Releases whose packages can be fetched. Raspberry Pi OS (64 bit) is Debian with the same packages."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """All packages of a release."""

    address: str
    packages: dict[str, Package]
    doubt: str
    """Why the signature could not be checked; empty where it was."""


def read_index(release: str, *, apt: Path = Path("/etc/apt")) -> Index:
    """
    Fetch the index of a release and check it: by the distribution's keys where this machine has them.

    `apt`: where a mirror may be named. Raises ToolError if it cannot be fetched, VerificationFailed for a bad signature or digest.
    """
    distribution = RELEASES[release]
    address = _mirror(distribution, apt) or distribution.address
    listing, doubt = _checked(fetch(f"{address}/dists/{release}/InRelease"), distribution)
    digests = package_index.read_release(listing)
    if _INDEX not in digests:
        raise ToolError(f"`{address}/dists/{release}` lists no `{_INDEX}`")
    packed = fetch(f"{address}/dists/{release}/{_INDEX}")
    _check(packed, digests[_INDEX][0], f"{address}/dists/{release}/{_INDEX}")
    packages = package_index.read_packages(lzma.decompress(packed).decode())
    return Index(address=address, packages=packages, doubt=doubt)


def fetch_package(index: Index, package: Package) -> bytes:
    """Return a package's bytes. Raises ToolError if it cannot be fetched, VerificationFailed for another digest."""
    address = f"{index.address}/{package.path}"
    data = fetch(address)
    _check(data, package.sha256, address)
    return data


def fetch(address: str) -> bytes:
    """Return what is at an address. Raises ToolError."""
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310 (http or https: see `Distribution`)
            data: bytes = answer.read()
    except (OSError, ValueError, HTTPException) as error:  # URLError is an OSError
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise ToolError(
            f"cannot fetch `{address}`: {reason}",
            hint="check the network connection and run the command again; what was fetched once is kept",
        ) from None
    return data


def _check(data: bytes, sha256: str, address: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise VerificationFailed(
            f"`{address}` has the SHA-256 {found[:12]}…, not {sha256[:12]}… as its index says",
            hint="run the command again: a mirror may be in the middle of an update",
        )


def _checked(signed: bytes, distribution: Distribution) -> tuple[str, str]:
    """Return the signed text of an `InRelease` file, and why its signature could not be checked."""
    keyring = _KEYRINGS / distribution.keyring
    if shutil.which("gpgv") is None or not keyring.is_file():
        package = distribution.keyring.removesuffix(".gpg")
        return signed.decode(errors="replace"), (
            f"the signature of {distribution.name}'s archive was not checked: install `gpgv` and `{package}` for that"
        )
    with tempfile.TemporaryDirectory() as folder:
        given, text = Path(folder) / "InRelease", Path(folder) / "Release"
        given.write_bytes(signed)
        command = ("gpgv", "--status-fd", "1", "--keyring", str(keyring), "--output", str(text))
        finished = run(Command((*command, str(given))))
        # as apt has it: one good signature is enough (an older machine lacks the newer keys), a bad one is too many
        good, bad = " VALIDSIG " in finished.stdout, " BADSIG " in finished.stdout
        if bad or not good or not text.is_file():
            last = finished.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise VerificationFailed(
                f"the archive of {distribution.name} is not signed by a key of `{keyring}`: {last[0]}",
                hint=f"update the keys: `sudo apt install {distribution.keyring.removesuffix('.gpg')}`",
            )
        return text.read_text(errors="replace"), ""


def _mirror(distribution: Distribution, apt: Path) -> str | None:
    """Return the distribution's mirror that apt uses here: it may be the only one in reach."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix not in {".list", ".sources"} or not file.is_file():
            continue
        lines = [
            line
            for line in file.read_text(errors="replace").splitlines()
            if re.match(r"deb\s|URIs:", line)
        ]
        found = re.search(distribution.mirror, "\n".join(lines))
        if found:
            return found[0].rstrip("/")
    return None
