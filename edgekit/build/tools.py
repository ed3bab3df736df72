"""The tools of a toolchain on this machine: where they are, which version, and how to get one that is missing."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.build.package import how_to_install, is_installed
from edgekit.errors import ToolError
from edgekit.process import Command, run
from edgekit.toolchain import fill_in

if TYPE_CHECKING:
    from edgekit.toolchain import Need, Toolchain

_TIMEOUT_S = 60  # a cold disk


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A need of a toolchain, looked for."""

    name: str
    found: str | None
    """Program, or package; None: it is missing."""
    install: str
    """The command that brings it."""
    is_package: bool = False
    """Whether it was found as a Python package."""


def find_tools(toolchain: Toolchain, target: str) -> list[Tool]:
    """Look for everything that a toolchain needs for a target."""
    return [_tool(need, toolchain, target) for need in toolchain.needs]


def require_tools(toolchain: Toolchain, target: str) -> list[Tool]:
    """Return the tools of a toolchain. Raises ToolError that names the first that is missing and how to get it."""
    tools = find_tools(toolchain, target)
    for tool in tools:
        if tool.found is None:
            raise ToolError(
                f"toolchain `{toolchain.kind}` needs `{tool.name}`, which is missing",
                hint=f"run `{tool.install}`",
            )
    return tools


def versions(tools: list[Tool]) -> str:
    """Return what tells these tools from other versions of them, for the key of a cache."""
    return "\n".join(f"{tool.name} {_version(tool)}" for tool in tools)


def find_maturin() -> Path:
    """Return maturin: the one installed beside this Python, else on PATH. Raises ToolError."""
    beside = Path(sys.executable).with_name("maturin")
    found = str(beside) if beside.is_file() else shutil.which("maturin")
    if found is None:
        raise ToolError("`maturin` is missing", hint=f"run `{how_to_install()}`")
    return Path(found)


def stamp(program: Path) -> str:
    """Return what tells a program from another version of it; asking it for its version may take a second."""
    facts = program.stat()
    return f"{program.resolve()} {facts.st_size} {facts.st_mtime_ns}"


def maturin_version(program: Path) -> str:
    """Return what tells this maturin from another version of it."""
    if program.parent == Path(sys.executable).parent and is_installed("maturin"):
        return f"maturin {metadata.version('maturin')}"
    return stamp(program)


def container_engine(tools: list[Tool]) -> str | None:
    """Return the container engine among the tools of a toolchain, if it needs one."""
    return next((tool.found for tool in tools if tool.found in {"podman", "docker"}), None)


def has_image(engine: str, image: str) -> bool:
    """Whether a container engine has an image, so that nothing need be fetched."""
    asked = Command((engine, "image", "inspect", "--format", "{{.Id}}", image))
    return run(asked, timeout_s=_TIMEOUT_S).returncode == 0


def _tool(need: Need, toolchain: Toolchain, target: str) -> Tool:
    linker = toolchain.linker.get(target, "")
    words = {"target": target, "linker": linker, "python": sys.executable}
    install = fill_in(need.install, **words)
    programs = [fill_in(name, **words) for name in filter(None, [need.program, *need.engine])]
    is_package = need.package is not None and is_installed(need.package)
    found = need.package if is_package else next(filter(shutil.which, programs), None)
    name = fill_in(need.name, **words)
    return Tool(name=name, found=found, install=install, is_package=is_package)


def _version(tool: Tool) -> str:
    if tool.found is None:
        return "missing"
    if tool.is_package:
        return metadata.version(tool.found)
    return stamp(Path(shutil.which(tool.found) or tool.found))
