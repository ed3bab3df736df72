"""Where things that ship with EdgeKit are, in a checkout and in an installed wheel."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent
"""The folder `edgekit` itself."""


@cache
def version() -> str:
    """Return EdgeKit's version, installed or straight from a checkout."""
    try:
        return metadata.version("edgekit")
    except metadata.PackageNotFoundError:
        manifest = tomllib.loads((PACKAGE.parent / "runtime" / "Cargo.toml").read_text())
        return str(manifest["workspace"]["package"]["version"])
