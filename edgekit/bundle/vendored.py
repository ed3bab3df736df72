"""
Packages of others that ship with a bundle: locked by version and digest in vendored.toml, fetched by pip, kept in a cache.

pip asks whatever index the user has set up; what comes is believed only with the locked digest.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.config.checks import STRICT, check
from edgekit.atomic import write_file
from edgekit.errors import ToolError, VerificationFailed
from edgekit.process import Command, run
from edgekit.resources import PACKAGE, cache_folder
from edgekit.strict_toml import read_toml, validate

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCK = PACKAGE / "bundle" / "vendored.toml"
_TIMEOUT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class VendoredPackage:
    """One locked package."""

    __pydantic_config__ = STRICT

    name: str
    version: str
    file: str
    """Name of its wheel."""
    sha256: str
    """Digest of its wheel."""
    licence: str
    """SPDX expression."""
    needed_by: tuple[str, ...]
    """Kinds of sources and sinks, such as `source.serial`."""

    def __post_init__(self) -> None:
        check(
            re.fullmatch("[0-9a-f]{64}", self.sha256) is not None,
            f"`sha256` is `{self.sha256}`: must be 64 hexadecimal digits",
        )
        check(
            self.file.endswith("-none-any.whl"),
            f"`file` is `{self.file}`: must be a wheel for every machine",
        )


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The whole of vendored.toml."""

    __pydantic_config__ = STRICT

    package: tuple[VendoredPackage, ...]


def locked() -> tuple[VendoredPackage, ...]:
    """Return all packages that may ship."""
    return validate(Lock, read_toml(LOCK)).package


def needed(kinds: Iterable[str]) -> tuple[VendoredPackage, ...]:
    """Return the packages that sources and sinks of these kinds (`source.serial`, `sink.mqtt`) need."""
    wanted = set(kinds)
    return tuple(package for package in locked() if wanted.intersection(package.needed_by))


def fetch(package: VendoredPackage, *, offline: bool) -> bytes:
    """
    Return a package's wheel, from the cache or else from the index; a damaged one in the cache is fetched again.

    Raises ToolError if it cannot be fetched, VerificationFailed if what came is not what is locked.
    """
    kept = cache_folder() / "vendored" / package.file
    try:
        data = kept.read_bytes()
    except OSError:
        data = b""
    if _digest(data) == package.sha256:
        return data
    if offline:
        raise ToolError(
            f"`{package.name}` {package.version} is not in the cache (`{kept}`), and nothing may be fetched",
            hint="build once without `--offline`",
        )
    data = _download(package)
    if _digest(data) != package.sha256:
        raise VerificationFailed(
            f"`{package.file}` has the digest {_digest(data)}: {package.sha256} is locked",
            hint="the index serves another file: ask who runs it",
        )
    write_file(kept, data)
    return data


def _download(package: VendoredPackage) -> bytes:
    with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
        command = _command(wanted, Path(folder))
        finished = run(command, timeout_s=_TIMEOUT_S)
        try:
            if finished.returncode == 0:
                return (Path(folder) / package.file).read_bytes()
        except FileNotFoundError:
            pass  # pip took another file of that version: as good as none
        reason = "it took too long" if finished.timed_out else _reason(finished.stderr)
    raise ToolError(
        f"cannot fetch `{package.name}` {package.version} with pip: {reason}",
        hint=f"put `{package.file}` into `{cache_folder() / 'vendored'}`, or look at pip's index: `pip config list`",
    )


def _command(requirements: Path, folder: Path) -> Command:
    return Command(
        (
            sys.executable,
            *("-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"),
            *("--no-deps", "--require-hashes", "--only-binary", ":all:"),
            *("--dest", str(folder), "--requirement", str(requirements)),
        )
    )


def _reason(stderr: str) -> str:
    """Return the first line in which pip says what is wrong."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it said nothing"])[0]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
