"""What of this machine can make and try code for a board: one line a toolchain, for `edgekit doctor`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from edgekit.build import tools
from edgekit.build.package import require
from edgekit.build.rust import find_rust
from edgekit.emulator.user import find_qemu
from edgekit.errors import ToolError
from edgekit.toolchain import find_toolchain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TARGET = "aarch64-unknown-linux-gnu"
_KINDS = ("zig", "gcc", "cross")


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """One thing that a build for a board may need."""

    name: str
    detail: str
    """What is there, or what is missing."""
    fix: str | None
    """The command that brings it; None where it is there."""


def readiness() -> Iterator[Readiness]:
    """Look for a Rust with the target, maturin, the toolchains' tools and the emulator."""
    yield _looked_for(f"rust for {TARGET.partition('-')[0]}", lambda: str(find_rust(TARGET)))
    yield _looked_for("maturin", lambda: str(tools.find_maturin()))
    yield _looked_for("pyelftools", _pyelftools)
    for kind in _KINDS:
        yield _toolchain(kind)
    yield _looked_for("qemu", find_qemu)


def _toolchain(kind: str) -> Readiness:
    toolchain = find_toolchain(kind)
    found = tools.find_tools(toolchain, TARGET)
    missing = [tool for tool in found if tool.found is None]
    name = f"toolchain {kind}"
    if missing:
        names = ", ".join(f"`{tool.name}`" for tool in missing)
        fix = " && ".join(tool.install for tool in missing)
        return Readiness(name=name, detail=f"{names} not found", fix=fix)
    there = ", ".join(str(tool.found) for tool in found)
    engine = tools.container_engine(found)
    if engine is not None and toolchain.image is not None:
        own = tools.has_image(engine, toolchain.image)
        there += f"; image {toolchain.image}" if own else "; image: from the network"
    return Readiness(name=name, detail=there, fix=None)


def _looked_for(name: str, look: Callable[[], str]) -> Readiness:
    try:
        return Readiness(name=name, detail=look(), fix=None)
    except ToolError as error:
        said = re.fullmatch("run `(.*)`", error.hint or "")
        return Readiness(name=name, detail=error.message, fix=said[1] if said else error.hint)


def _pyelftools() -> str:
    require("elftools", "pyelftools")
    return f"pyelftools {metadata.version('pyelftools')}"
