"""
When a build has nothing to do: a digest of all that a bundle depends on, without loading any of it.

Files of the project count by content or by size and age, EdgeKit's own by size and age. The compiler does not count: what
it has built is as good as before.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import edge_agent
from edge_agent import config
from edgekit.resources import PACKAGE, data_folder
from edgekit.state import check_fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.board import Board
    from edgekit.build.device_wheel import WheelOptions
    from edgekit.project import Project
    from edgekit.toolchain import Toolchain


def build_fingerprint(
    project: Project, folder: Path, board: Board, toolchain: Toolchain, options: WheelOptions
) -> str:
    """Return a digest of all that the bundle of a project for a board depends on."""
    parts: list[object] = [check_fingerprint(project, folder), project, board, toolchain, options]
    parts.append(os.environ.get("SOURCE_DATE_EPOCH"))
    for root in _roots(project, folder, options):
        parts += _files(root)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _roots(project: Project, folder: Path, options: WheelOptions) -> Iterator[Path]:
    """Name the folders and files whose content ends up in the bundle or makes it."""
    yield PACKAGE
    yield Path(str(edge_agent.__file__)).parent
    yield options.source or data_folder("runtime")
    runtime = importlib.util.find_spec("edgekit_runtime")
    if runtime is not None and runtime.origin is not None:
        yield Path(runtime.origin).parent
    if isinstance(project.source, config.PluginSource):
        yield folder / project.source.package
    if options.wheels is not None and not options.wheels.is_address:
        yield Path(options.wheels.place)


def _files(root: Path) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and age of all files at or below a path, in an order that does not change."""
    if root.is_file():
        yield from _facts(str(root))
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(
            name for name in folders if name not in {"__pycache__", "target"} and name[0] != "."
        )
        for name in sorted(names):
            yield from _facts(f"{parent}/{name}")


def _facts(path: str) -> Iterator[tuple[str, int, int]]:
    with contextlib.suppress(FileNotFoundError):  # it went away in between
        facts = os.lstat(path)  # hundreds of them: Path.lstat takes three times as long
        yield path, facts.st_size, facts.st_mtime_ns
