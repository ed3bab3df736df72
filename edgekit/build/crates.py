"""How far a build is: crates compiled of crates to compile."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Protocol

from edgekit.errors import ToolError
from edgekit.process import Command, run

if TYPE_CHECKING:
    from edgekit.build.plan import BuildInputs

_METADATA_TIMEOUT_S = 120  # the first time it fetches the index
_COMPILING = re.compile(r"\s*Compiling (\S+) v(\S+)")


class Progress(Protocol):
    """Told how far a build is."""

    def __call__(self, done: int, total: int | None, what: str) -> None:
        """`done` of `total` crates are under way or compiled (None: not known how many); now `what`."""


class CrateCounter:
    """Counts cargo's `Compiling` lines."""

    def __init__(self, total: int | None, progress: Progress) -> None:
        self._total = total
        self._progress = progress
        self._seen: set[tuple[str, str]] = set()

    def line(self, text: str) -> None:
        """Take a line of cargo's output."""
        found = _COMPILING.match(text)
        if found is None:
            return
        self._seen.add((found[1], found[2]))
        done = len(self._seen)
        total = None if self._total is None else max(done, self._total)
        self._progress(done, total, found[1])


def crate_total(inputs: BuildInputs) -> int | None:
    """Ask cargo how many crates a build compiles; None where it cannot say: then only those compiled are counted."""
    arguments = ["metadata", "--format-version", "1", "--locked"]
    arguments += ["--filter-platform", inputs.target]
    arguments += ["--offline"] if inputs.offline else []
    environment = {"RUSTC": str(inputs.rust.rustc), "RUSTUP_AUTO_INSTALL": "0"}
    command = Command((str(inputs.rust.cargo), *arguments), env=environment, cwd=inputs.source)
    try:
        done = run(command, timeout_s=_METADATA_TIMEOUT_S)
        return _reachable(json.loads(done.stdout)) if done.returncode == 0 else None
    except (ToolError, ValueError, KeyError, TypeError):
        return None


def _reachable(metadata: dict[str, Any]) -> int:
    """Count the packages that the crate of the wheel stands on, tests' dependencies left out."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    wheels = [
        package["id"]
        for package in metadata["packages"]
        if package["id"] in metadata["workspace_members"]
        and any("cdylib" in target["kind"] for target in package["targets"])
    ]
    seen: set[str] = set()
    waiting = list(wheels)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += [
            dependency["pkg"]
            for dependency in nodes[name]["deps"]
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"])
        ]
    return len(seen)
