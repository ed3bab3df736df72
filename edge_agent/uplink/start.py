"""The command that starts the uplink: without an import of what the uplink itself needs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def uplink_command(
    agent_json: Path,
    state: Path,
    *,
    status: Path | None = None,
    overlay: Path | None = None,
    log: bool = False,
) -> tuple[str, ...]:
    """Return the command by which the agent starts the uplink: it ends with the agent."""
    command = [sys.executable]
    command += ["-P"] if getattr(sys.flags, "safe_path", False) else []  # as this process has it
    command += ["-m", "edge_agent", "uplink", str(agent_json), "--state", str(state)]
    command += ["--status", str(status)] if status is not None else []
    command += ["--overlay", str(overlay)] if overlay is not None else []
    command += ["--log"] if log else []
    return (*command, "--with-parent")
