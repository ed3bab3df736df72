"""
What keeps the memory budget on this very system: a memory cgroup, a limit of the process, or nothing but looking.

Limits that are written down are not always in force: without the kernel's memory controller systemd's `MemoryMax=` does
nothing and says nothing, and that is how Raspberry Pi OS comes. So the level that is reported is the one that was found.
"""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path("/")
LOOSEST_CGROUP = 1.25
"""A cgroup that allows so many times the budget still enforces it: `MemoryMax=` is 15 % above, for the page cache."""
LEAST_HEADROOM_BYTES = 2 << 20
"""A limit closer than that would fail the next allocation instead of a leak."""
NO_LIMIT_V1 = 1 << 60
"""Version 1 writes a number near 2^63 where there is no limit."""
RASPBERRY_PI_FIX = (
    "append `cgroup_enable=memory psi=1` to the one line of /boot/firmware/cmdline.txt and reboot"
)
UNIT_FIX = "run it as a service in a slice with `MemoryMax=`, as the unit that EdgeKit makes has it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Enforcement:
    """What keeps the memory budget."""

    level: Literal["cgroup", "rlimit", "self", "none"]
    """`cgroup`: the kernel, all memory; `rlimit`: the kernel, the process's own data; `self`: nothing, the agent only looks and tells; `none`: no budget, or nothing to look at."""
    detail: str
    fix: str | None = None
    """What would make it stronger."""
    limit_bytes: int | None = None
    """What the kernel enforces."""


def enforce(
    budget_bytes: int | None,
    *,
    root: Path = ROOT,
    get_limit: Callable[[int], tuple[int, int]] = resource.getrlimit,
    set_limit: Callable[[int, tuple[int, int]], None] = resource.setrlimit,
) -> Enforcement:
    """
    Find out what keeps the budget, and set RLIMIT_DATA where no cgroup does.

    To be called when everything is loaded and all threads are started: the limit is what the process has now and what
    the budget leaves. Never raises.
    """
    if budget_bytes is None:
        return Enforcement(level="none", detail="there is no `budget.memory_mib`")
    group_bytes, group_detail = _cgroup_limit(root)
    if group_bytes is not None and group_bytes <= LOOSEST_CGROUP * budget_bytes:
        return Enforcement(level="cgroup", detail=group_detail, limit_bytes=group_bytes)
    fix = _fix(root)
    sizes = _sizes(root)
    if sizes is None:
        return Enforcement(
            level="none",
            detail=f"{group_detail}; /proc does not tell how much memory is used",
            fix=fix,
        )
    data_bytes, resident_bytes = sizes
    headroom_bytes = budget_bytes - resident_bytes
    if headroom_bytes < LEAST_HEADROOM_BYTES:
        used = f"{_mib(resident_bytes)} of {_mib(budget_bytes)} are in use from the start"
        return Enforcement(level="self", detail=f"{group_detail}; {used}", fix=fix)
    limit_bytes = data_bytes + headroom_bytes
    try:
        hard_bytes = get_limit(resource.RLIMIT_DATA)[1]
        if hard_bytes != resource.RLIM_INFINITY:
            limit_bytes = min(limit_bytes, hard_bytes)
        set_limit(resource.RLIMIT_DATA, (limit_bytes, hard_bytes))
    except (OSError, ValueError) as error:
        return Enforcement(level="self", detail=f"{group_detail}; RLIMIT_DATA: {error}", fix=fix)
    return Enforcement(
        level="rlimit",
        detail=f"{group_detail}; RLIMIT_DATA of this process is {_mib(limit_bytes)}",
        fix=fix,
        limit_bytes=limit_bytes,
    )


def lift(pid: int) -> None:
    """Give a child back the limit that it would have had: what this process may still add is nothing to another program."""
    hard_bytes = resource.getrlimit(resource.RLIMIT_DATA)[1]
    with contextlib.suppress(OSError):  # it has ended
        resource.prlimit(pid, resource.RLIMIT_DATA, (hard_bytes, hard_bytes))


def _cgroup_limit(root: Path) -> tuple[int | None, str]:
    """Return the least limit on the way from the own cgroup up, and a sentence of what was found."""
    paths = _own_groups(root)
    if paths is None:
        return None, "there is no /proc/self/cgroup"
    for mount, controller, names in (
        ("sys/fs/cgroup", "", ("memory.max", "memory.high")),
        ("sys/fs/cgroup/unified", "", ("memory.max", "memory.high")),
        ("sys/fs/cgroup/memory", "memory", ("memory.limit_in_bytes",)),
    ):
        if controller in paths:
            found = _files_above(root / mount, paths[controller], names)
            if found:
                return _least(found)
    if not (root / "sys/fs/cgroup").is_dir():
        return None, "there is no /sys/fs/cgroup"
    if "memory" in _controllers(root):
        return None, "this process is in no cgroup with a memory limit"
    return None, "the kernel's memory controller is off, so `MemoryMax=` has no effect"


def _least(found: list[tuple[str, str]]) -> tuple[int | None, str]:
    """Return the least limit of files and their texts, and a sentence."""
    limits = [
        (int(text), name) for name, text in found if text.isdecimal() and int(text) < NO_LIMIT_V1
    ]
    if not limits:
        return None, f"the cgroup's {found[0][0]} sets no limit"
    limit_bytes, name = min(limits)
    return limit_bytes, f"the cgroup's {name} is {_mib(limit_bytes)}"


def _own_groups(root: Path) -> dict[str, str] | None:
    """Return the own group's path by controller; that of version 2 has the empty name."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    paths = {}
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _files_above(mount: Path, path: str, names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the names and texts of the limits of a group and of those above it; empty where there are no such files."""
    group = mount / path.lstrip("/")
    if not group.is_dir():  # a container sees its own group as the root
        group = mount
    found = []
    for folder in (group, *group.parents):
        for name in names:
            with contextlib.suppress(OSError):
                found.append((name, (folder / name).read_text().strip()))
        if folder == mount:
            break
    return found


def _fix(root: Path) -> str:
    try:
        model = (root / "proc/device-tree/model").read_bytes()
        controllers = _controllers(root)
    except OSError:
        return UNIT_FIX
    if model.startswith(b"Raspberry Pi") and "memory" not in controllers:
        return RASPBERRY_PI_FIX
    return UNIT_FIX


def _controllers(root: Path) -> list[str]:
    try:
        return (root / "sys/fs/cgroup/cgroup.controllers").read_text().split()
    except OSError:
        return []


def _sizes(root: Path) -> tuple[int, int] | None:
    """Return the private writable memory of this process, and what is resident of all its memory."""
    try:
        pages = [int(field) for field in (root / "proc/self/statm").read_bytes().split()]
        status = (root / "proc/self/status").read_text()
        data_kib = next(
            int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData:")
        )
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return data_kib << 10, pages[1] * os.sysconf("SC_PAGE_SIZE")


def _mib(count: int) -> str:
    return f"{count / (1 << 20):.3g} MiB"
