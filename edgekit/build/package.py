"""The Python packages of the extra `build`: there, or a sentence that says how to get them."""

from __future__ import annotations

import importlib.util
import sys

from edgekit.errors import ToolError
from edgekit.resources import PACKAGE


def is_installed(module: str) -> bool:
    """Whether a package can be imported; it is not."""
    return importlib.util.find_spec(module) is not None


def how_to_install() -> str:
    """Return the command that installs the extra `build` beside this very EdgeKit."""
    if (PACKAGE.parent / "scripts" / "setup").is_file():
        return "scripts/setup"
    return f"{sys.executable} -m pip install 'edgekit[build]'"


def require(module: str, name: str) -> None:
    """Raise ToolError if a package of the extra is missing."""
    if not is_installed(module):
        raise ToolError(f"the Python package `{name}` is missing", hint=f"run `{how_to_install()}`")
