"""Where a bundle is tried: a Python to start, on this machine or under an emulated CPU."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgekit.process import Command
from edgekit.resources import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ALONE = {
    "PYTHONNOUSERSITE": "1",
    "PYTHONSAFEPATH": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
}
"""Nothing of the user's and of the working folder is imported, and an unpacked bundle stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A way to run Python; comparing two is comparing values."""

    title: str
    """What it is, for people: `Cortex-A53 in QEMU 7.2, Python 3.11 of bookworm`."""
    argv: tuple[str, ...]
    """What starts Python."""
    env: Mapping[str, str] = field(default_factory=dict)
    emulated: bool = False
    kernels: str | None = None
    """The engine's kernels that are meant to be tried; None: whatever it chooses there."""
    doubt: str = ""
    """What could not be checked about it; empty if all was."""

    def command(self, arguments: tuple[str, ...], *, site: Path | None) -> Command:
        """Return the command that runs Python with these arguments and, before its own, the packages of `site`."""
        path = {} if site is None else {"PYTHONPATH": str(site.absolute())}
        # the working folder is on the path of Python 3.10, which does not know PYTHONSAFEPATH
        return Command((*self.argv, *arguments), env={**ALONE, **self.env, **path}, cwd=site)


def this_machine(kernels: str | None = None) -> Machine:
    """Return the Python that runs EdgeKit itself."""
    return Machine(
        title=f"this machine ({platform.machine()}), Python {platform.python_version()}",
        argv=(sys.executable,),
        kernels=kernels,
    )


def own_site() -> Path | None:
    """Return where this EdgeKit's agent is if Python does not find it by itself: in a checkout."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() else None


def is_here(architecture: str) -> bool:
    """Whether this machine runs code of an architecture itself, without an emulator."""
    here = platform.machine().lower().replace("arm64", "aarch64").replace("amd64", "x86_64")
    return here == architecture and os.name == "posix" and sys.platform == "linux"
