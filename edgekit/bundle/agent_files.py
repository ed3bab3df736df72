"""The Python files of a bundle that are ours or the user's: the agent, and the package of a source of one's own."""

from __future__ import annotations

import ast
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import edge_agent
from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.config import PluginSource

_LEFT_OUT = "testing.py"
"""Fakes for tests, in any package of the agent."""
_NATIVE = (".so", ".pyd", ".dylib", ".dll", ".a", ".o")
_TAKEN = {"edge_agent", "edgekit", "edgekit_runtime", "serial", "paho"}
_MOST_FILES = 1000
_LARGEST_BYTES = 8 << 20


def agent_files() -> dict[str, bytes]:
    """Return the modules of the agent by path."""
    folder = Path(str(edge_agent.__file__)).parent
    files = {
        path.relative_to(folder.parent).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.py"))
    }
    return {path: data for path, data in files.items() if not path.endswith(f"/{_LEFT_OUT}")}


def plugin_files(source: PluginSource, folder: Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """
    Return the Python files of a source's package by path, and notes on what is left behind.

    Raises ConfigError if the package cannot be shipped: native code, links, a name that is taken, files that are
    no Python of this version, a module that `kind` names and the package lacks.
    """
    root = folder / source.package
    top = root.name.removesuffix(".py")
    _check_name(top, source)
    base = root.parent
    files: dict[str, bytes] = {}
    behind = 0
    for path in _tree(root):
        if path.suffix == ".py":
            files[path.relative_to(base).as_posix()] = _source_text(path)
        else:
            behind += 1
        if len(files) > _MOST_FILES or sum(map(len, files.values())) > _LARGEST_BYTES:
            raise ConfigError(
                f"`source.package` `{source.package}` has more than {_MOST_FILES} files or {_LARGEST_BYTES >> 20} MiB",
                hint="name the folder of the package alone",
            )
    _check_module(source, files)
    notes = (
        (f"`{source.package}`: {behind} files that are no Python stay behind",) if behind else ()
    )
    return files, notes


def _tree(root: Path) -> Iterator[Path]:
    """Yield the regular files at or below a path, without hidden ones and caches."""
    try:
        mode = root.lstat().st_mode
        below = sorted(root.iterdir()) if stat.S_ISDIR(mode) else []
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot read `{root}`: {detail}", hint="see `source.package`") from None
    if stat.S_ISREG(mode):
        if root.suffix in _NATIVE:
            raise ConfigError(
                f"`{root}` is native code, which runs on this machine only",
                hint="only Python goes along: install such a package on the device",
            )
        yield root
    elif not stat.S_ISDIR(mode):
        raise ConfigError(f"`{root}` is a link or a device: only files go along")
    for path in below:
        if not path.name.startswith(".") and path.name != "__pycache__":
            yield from _tree(path)


def _source_text(path: Path) -> bytes:
    data = path.read_bytes()
    try:
        ast.parse(data, str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise ConfigError(
            f"{path}{f':{line}' if line else ''}: no Python: {getattr(error, 'msg', error)}"
        ) from None
    return data


def _check_name(top: str, source: PluginSource) -> None:
    package = source.kind.partition(":")[0].partition(".")[0]
    if top != package:
        raise ConfigError(
            f"`source.package` is `{source.package}`, but `source.kind` is of `{package}`",
            hint=f"name the folder `{package}/` or the file `{package}.py`",
        )
    if top in _TAKEN or top in sys.stdlib_module_names:
        raise ConfigError(
            f"`source.package` is `{source.package}`: Python or EdgeKit has a module `{top}` itself",
            hint="give it another name",
        )


def _check_module(source: PluginSource, files: dict[str, bytes]) -> None:
    module = source.kind.partition(":")[0].replace(".", "/")
    if not {f"{module}.py", f"{module}/__init__.py"} & set(files):
        raise ConfigError(
            f"`source.kind` is `{source.kind}`, but `{source.package}` has no `{module}.py`",
            hint="see `source.kind`: `package.module:Class`",
        )
