"""QEMU's user mode: a board's CPU for one process, with the Python of the board's system; no root, no binfmt."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Final

from edgekit.emulator.machine import Machine
from edgekit.emulator.python_root import python_root
from edgekit.errors import ConfigError, ToolError
from edgekit.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgekit.board import Board

_PROGRAMS: Final = ("qemu-aarch64-static", "qemu-aarch64")
_HINT: Final = "install it with `sudo apt install qemu-user-static` (Fedora: `sudo dnf install qemu-user-static`)"
_HOSTS_OWN: Final = ("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONSTARTUP")
"""Variables that are about the host's programs and would break the guest's."""
_VERSION_TIMEOUT_S: Final = 20


def emulated(
    board: Board,
    cache: Path,
    *,
    release: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Machine:
    """
    Return the board as QEMU's user mode emulates it; `release`: another of its systems than the one it names.

    The kernels are set by the engine's own variable: QEMU before 8.2 shows the host's /proc/cpuinfo, from which the
    engine would choose. Raises ConfigError if the board cannot be emulated, ToolError without QEMU or network.
    """
    plan = board.emulate
    if plan is None:
        raise ConfigError(
            f"board `{board.id}` does not say how it is emulated",
            hint="add an [emulate] section to its file (boards/README.md), or test on the board itself",
        )
    program = find_qemu()
    system = board.release(release or plan.release)
    if system.suite is None:
        raise ConfigError(
            f"release `{system.id}` of board `{board.id}` names no `suite` to take a Python from",
            hint="add it to the board's file (boards/README.md), or choose another release",
        )
    root = python_root(system.suite, cache, tell=tell)
    unset = [word for name in _HOSTS_OWN for word in ("-U", name)]
    return Machine(
        title=f"{plan.cpu} in QEMU {qemu_version(program)}, {root.interpreter.name} of {system.suite}",
        argv=(program, "-cpu", plan.cpu, "-L", str(root.path), *unset, str(root.interpreter)),
        env={"TRACT_CPU_AARCH64_KIND": plan.kernels},
        emulated=True,
        kernels=plan.kernels,
        doubt=root.doubt,
    )


def find_qemu() -> str:
    """Return QEMU's program for aarch64 in user mode. Raises ToolError with the command that installs it."""
    for name in _PROGRAMS:
        if found := shutil.which(name):
            return found
    raise ToolError(f"`{_PROGRAMS[0]}` is not on PATH: it runs code for ARM here", hint=_HINT)


def qemu_version(program: str) -> str:
    """Return its version, such as `7.2`. Raises ToolError if it does not run."""
    finished = run(Command((program, "--version")), timeout_s=_VERSION_TIMEOUT_S, hint=_HINT)
    found = re.search(r"version (\d+\.\d+)", finished.stdout)
    if found is None:
        raise ToolError(
            f"`{program} --version` fails: {(finished.stderr or finished.stdout).strip()[:200]}",
            hint=_HINT,
        )
    return found[1]
