"""
Is this machine ready? One `Check` for each thing that EdgeKit stands on, with the command that mends it.

Packages are imported in child processes: one that crashes at import is a line of the report.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Literal

from edgekit.build.readiness import readiness
from edgekit.emulator.user import find_qemu, qemu_version
from edgekit.errors import ConfigError, EdgeKitError, ToolError
from edgekit.process import Command, run
from edgekit.project import Project, find_project
from edgekit.resources import PACKAGE, version
from edgekit.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PYTHON = (3, 11)
_RUST = (1, 91)  # what tract 0.23 needs
_IMPORT_TIMEOUT_S = 60  # a cold disk on a small machine takes tens of seconds
_SETUP = "./scripts/setup"

_RUNTIME_SCRIPT = """
import edgekit_runtime as runtime
engine = runtime.engine()
print(runtime.__version__)
print(f"{engine.name} {engine.version}; operators: {', '.join(engine.registries)}")
print("imports ONNX" if engine.can_import else "cannot import ONNX")
"""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Literal["ok", "missing", "old", "wrong"]
    detail: str
    fix: str | None = None
    """The command or edit that mends it; None where all is well."""
    needed: bool = True
    """False: only some work needs it, and `detail` says which."""

    @property
    def bad(self) -> bool:
        """Whether something that is needed is not there or not right."""
        return self.needed and self.status != "ok"


def examine(start: Path) -> Iterator[Check]:
    """Look at this machine, then at the project in `start` or above, if there is one."""
    yield _python()
    yield Check(name="edgekit", status="ok", detail=version())
    yield _runtime()
    for package, floor in _floors().items():
        yield _package(package, floor)
    yield _rust()
    yield from _for_boards()
    yield _emulator()
    yield from _project(start)


def _python() -> Check:
    found = sys.version_info[:3]
    shown = ".".join(map(str, found))
    if found < _PYTHON:
        return Check(
            name="python",
            status="old",
            detail=f"{shown}: 3.11 is needed",
            fix="install Python 3.11 or newer",
        )
    return Check(name="python", status="ok", detail=f"{shown} ({sys.executable})")


def _floors() -> dict[str, tuple[int, ...]]:
    """Return the packages that EdgeKit needs with their lowest versions, as its own metadata states them."""
    try:
        stated = metadata.requires("edgekit") or []
    except metadata.PackageNotFoundError:  # straight from a checkout
        stated = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"][
            "dependencies"
        ]
    found = (
        re.match(r"([\w.-]+)\s*>=\s*([\d.]+)", line) for line in stated if "extra ==" not in line
    )
    return {match[1]: _numbers(match[2]) for match in found if match is not None}


def _module_of(package: str) -> str:
    """Return what a package is imported as: `serial` for pyserial."""
    modules = (
        module
        for module, owners in metadata.packages_distributions().items()
        if package in owners and not module.startswith("_")
    )
    return min(modules, key=len, default=package)


def _numbers(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version; what follows them (`rc1`, `+cpu`) does not matter here."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _package(name: str, floor: tuple[int, ...]) -> Check:
    wanted = ".".join(map(str, floor))
    fix = f'{sys.executable} -m pip install "{name}>={wanted}"'
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name=name, status="missing", detail=f"{wanted} or newer is needed", fix=fix)
    if _numbers(installed) < floor:
        return Check(
            name=name, status="old", detail=f"{installed}: {wanted} or newer is needed", fix=fix
        )
    try:
        _ask_python(f"import {_module_of(name)}")
    except ToolError as error:
        return Check(
            name=name,
            status="wrong",
            detail=f"{installed} cannot be loaded: {error.message}",
            fix=fix,
        )
    return Check(name=name, status="ok", detail=installed)


def _runtime() -> Check:
    name, fix = "edgekit-runtime", f'{sys.executable} -m pip install "edgekit-runtime=={version()}"'
    if (PACKAGE.parent / _SETUP).is_file():
        fix = _SETUP
    try:
        found, engine, imports = _ask_python(_RUNTIME_SCRIPT)
    except ToolError as error:
        absent = "ModuleNotFoundError" in error.message
        detail = "not installed" if absent else error.message
        return Check(name=name, status="missing" if absent else "wrong", detail=detail, fix=fix)
    if found != version():
        return Check(
            name=name,
            status="old",
            detail=f"{found}, and edgekit is {version()}: must be equal",
            fix=fix,
        )
    if imports.startswith("cannot"):
        return Check(
            name=name, status="wrong", detail=f"{found} is a device's build: it {imports}", fix=fix
        )
    return Check(name=name, status="ok", detail=f"{found} ({engine})")


def _ask_python(script: str) -> list[str]:
    """Run a script in a Python of its own; return its lines, or raise ToolError with its last words."""
    done = run(Command((sys.executable, "-c", script)), timeout_s=_IMPORT_TIMEOUT_S)
    if done.timed_out:
        raise ToolError(f"no answer in {_IMPORT_TIMEOUT_S} s")
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise ToolError(words[-1] if words else f"it died ({done.returncode})")
    return done.stdout.splitlines()


def _rust() -> Check:
    name, purpose = "rust", "needed only to build the runtime"
    wanted = ".".join(map(str, _RUST))
    try:
        shown = [_first_line(tool) for tool in ("rustc", "cargo")]
    except ToolError as error:
        detail, fix = (
            f"{error.message} ({purpose})",
            "install it with rustup, or `apt install rustc-web cargo-web` on Debian 12",
        )
        return Check(name=name, status="missing", detail=detail, fix=fix, needed=False)
    numbers = _numbers(shown[0].removeprefix("rustc "))
    if numbers < _RUST:
        detail = f"{shown[0]}: {wanted} or newer is wanted ({purpose})"
        return Check(name=name, status="old", detail=detail, fix="rustup update", needed=False)
    return Check(name=name, status="ok", detail=f"{shown[0]} ({purpose})", needed=False)


def _for_boards() -> Iterator[Check]:
    """Look at what builds for boards need; one toolchain of the three is enough, and none with ready wheels."""
    for found in readiness():
        yield Check(
            name=found.name,
            status="ok" if found.fix is None else "missing",
            detail=f"{found.detail} (needed only to build for a board)"
            if found.fix
            else found.detail,
            fix=found.fix,
            needed=False,
        )


def _emulator() -> Check:
    purpose = "needed only to test for a board"
    try:
        program = find_qemu()
        detail = f"{qemu_version(program)} ({purpose})"
    except ToolError as error:
        fix, detail = error.hint, f"{error.message} ({purpose})"
        return Check(name="qemu", status="missing", detail=detail, fix=fix, needed=False)
    return Check(name="qemu", status="ok", detail=detail, needed=False)


def _first_line(tool: str) -> str:
    done = run(Command((tool, "--version")), timeout_s=_IMPORT_TIMEOUT_S)
    if done.returncode != 0 or not done.stdout:
        raise ToolError(f"`{tool} --version` failed")
    return done.stdout.splitlines()[0]


def _project(start: Path) -> Iterator[Check]:
    try:
        file = find_project(start)
    except ConfigError:
        yield Check(name="project", status="ok", detail="none here", needed=False)
        return
    try:
        project = Project.load(file)
    except EdgeKitError as error:
        yield Check(name="project", status="wrong", detail=error.message, fix=error.hint)
        return
    yield Check(
        name="project",
        status="ok",
        detail=f"{project.project.name} {project.project.version} ({file})",
    )
    own = State(file.parent).path
    if own.exists() and not (own / ".gitignore").exists():
        fix = f"echo '*' > {own}/.gitignore"
        yield Check(
            name="git", status="wrong", detail=f"`{own}` is not ignored", fix=fix, needed=False
        )
