"""Where things that ship with EdgeKit are, in a checkout and in an installed wheel."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent
"""The folder `edgekit` itself."""


def data_folder(name: str) -> Path:
    """Return a folder that ships with EdgeKit (`boards`, `toolchains`, `runtime`): the checkout's, else the wheel's."""
    installed = PACKAGE / "data" / name
    return installed if installed.is_dir() else PACKAGE.parent / name


def cache_folder() -> Path:
    """Return where EdgeKit keeps what it can make or fetch again: `$XDG_CACHE_HOME/edgekit`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgekit"


@cache
def version() -> str:
    """Return EdgeKit's version, installed or straight from a checkout."""
    try:
        return metadata.version("edgekit")
    except metadata.PackageNotFoundError:
        manifest = tomllib.loads((PACKAGE.parent / "runtime" / "Cargo.toml").read_text())
        return str(manifest["workspace"]["package"]["version"])
