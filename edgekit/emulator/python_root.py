"""
The Python of a board's system, unpacked into the user's cache: no root, no container, no installation.

A root holds the interpreter with its standard library and what those need, down to libc.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgekit.emulator import archive, deb, package_index
from edgekit.errors import ConfigError, EdgeKitError, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MARK: Final = "edgekit.json"
"""Written last: a root without it is half of one."""


@dataclass(frozen=True, kw_only=True)
class PythonRoot:
    """An unpacked Python for arm64."""

    path: Path
    release: str
    python: str
    """The interpreter, relative to `path`."""
    packages: dict[str, str]
    """Version of each package."""
    doubt: str
    """Why the packages' signature could not be checked; empty where it was."""

    @property
    def interpreter(self) -> Path:
        """The interpreter's file."""
        return self.path / self.python


def python_root(
    release: str, cache: Path, *, tell: Callable[[str], None] = lambda _: None
) -> PythonRoot:
    """
    Return the Python of a release, fetched and unpacked when it is not in `cache` yet.

    `tell` is called with what is being done. Two at once wait for each other. Raises ConfigError for an unknown
    release, ToolError if it cannot be fetched, VerificationFailed if what was fetched is something else.
    """
    if release not in archive.RELEASES:
        raise ConfigError(
            f"there is no Python to emulate `{release}` with",
            hint=f"set `release` of the board's [emulate] to one of {', '.join(archive.RELEASES)}",
        )
    folder = cache / "pythons"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{release}.lock"):
            known = _known(folder / release, release)
            return known or _make(folder, release, tell)
    except OSError as error:
        raise EdgeKitError(
            f"cannot keep a Python in `{folder}`: {error.strerror or error}",
            hint="free some space there (80 MB), or set XDG_CACHE_HOME to another folder",
        ) from error


def _known(path: Path, release: str) -> PythonRoot | None:
    """Return a root that was made before; None if there is none or it is half of one."""
    try:
        facts = json.loads((path / _MARK).read_bytes())
        root = PythonRoot(
            path=path,
            release=release,
            python=facts["python"],
            packages=facts["packages"],
            doubt=facts["doubt"],
        )
        whole = all((path / name).stat().st_size == size for name, size in facts["sizes"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return root if whole and root.interpreter.is_file() else None


def _make(folder: Path, release: str, tell: Callable[[str], None]) -> PythonRoot:
    tell(f"reading the package index of {release}")
    index = archive.read_index(release)
    version = _python_version(index.packages)
    wanted = [f"python{version}-minimal", f"libpython{version}-stdlib"]
    packages = package_index.closure(index.packages, wanted)
    for left in folder.glob(f".{release}-*"):  # of a command that was killed; the lock is ours
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{release}-", dir=folder) as part:
        root = Path(part) / "root"
        root.mkdir()
        deb.make_merged(root)
        for number, package in enumerate(packages, 1):
            tell(f"Python {version} of {release}: {package.name} ({number} of {len(packages)})")
            file = Path(part) / "package.deb"
            file.write_bytes(archive.fetch_package(index, package))
            deb.unpack(file, root)
        python = f"usr/bin/python{version}"
        if not (root / python).is_file():
            raise ToolError(f"the packages of {release} hold no `{python}`")
        facts = {
            "python": python,
            "packages": {package.name: package.version for package in packages},
            "doubt": index.doubt,
            "sizes": _sizes(root),
        }
        (root / _MARK).write_text(json.dumps(facts), encoding="utf-8")
        shutil.rmtree(folder / release, ignore_errors=True)
        root.rename(folder / release)
    made = _known(folder / release, release)
    if made is None:
        raise ToolError(f"`{folder / release}` changed while it was made")
    return made


def _python_version(packages: dict[str, package_index.Package]) -> str:
    """Return the version of Python that the release calls `python3`, such as `3.11`."""
    default = packages.get("python3-minimal")
    names = [] if default is None else [name for choices in default.needs for name in choices]
    found = [match[1] for name in names if (match := re.fullmatch(r"python(3\.\d+)-minimal", name))]
    if not found:
        raise ToolError("the archive has no package `python3-minimal` that names a Python")
    return found[0]


def _sizes(root: Path) -> dict[str, int]:
    """Return the size of every regular file: what a disk that ran full cuts short shows in it."""
    return {
        str(path.relative_to(root)): path.stat().st_size
        for path in sorted((root / "usr").rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock while another command may want to make the same; the kernel frees it however we end."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
