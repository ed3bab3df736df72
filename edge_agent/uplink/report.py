"""`uplink.json`: how the uplink is doing, for the agent's status and whoever looks from outside."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from edge_agent.errors import EdgeKitError
from edge_agent.status import StatusFile

if TYPE_CHECKING:
    from pathlib import Path

NAME = "uplink.json"
REPORT_S = 10.0
"""How often it is written while the connections stay as they are."""
LARGEST_BYTES = 1 << 20


class Report:
    """Writes the facts of all forwarders, at once when a connection has changed, else every ten seconds."""

    def __init__(self, folder: Path) -> None:
        self._file = StatusFile(folder / NAME)
        self._links: list[str] = []
        self._due_s = 0.0

    def write(
        self, facts: dict[str, dict[str, Any]], now_s: float, *, at_once: bool = False
    ) -> None:
        """Write what is due; a file that cannot be written is no reason to stop sending."""
        links = [each["link"] for each in facts.values()]
        if not at_once and links == self._links and now_s < self._due_s:
            return
        self._links, self._due_s = links, now_s + REPORT_S
        try:
            self._file.write({"pid": os.getpid(), "unix_s": round(time.time(), 3), "sinks": facts})
        except EdgeKitError:
            return


def read_document(path: Path) -> tuple[dict[str, Any] | None, float | None]:
    """Return a JSON object that another process replaces now and then, and its age in seconds; None for what is not there."""
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(LARGEST_BYTES))
        age_s = max(0.0, time.time() - path.stat().st_mtime)
    except (OSError, ValueError):
        return None, None
    return (document, age_s) if isinstance(document, dict) else (None, None)


def uplink_pids(folder: Path) -> tuple[int, ...]:
    """Return the process id of the uplink that reports in `folder`; none where there is no report, or its process is gone."""
    document, _ = read_document(folder / NAME)
    pid = (document or {}).get("pid")
    if type(pid) is not int or pid <= 0:
        return ()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ()
    except PermissionError:  # it is another user's, and there
        pass
    return (pid,)


def uplink_notes(folder: Path) -> tuple[str, ...]:
    """Return what the user should know of the connections: one sentence for each that is down."""
    document, _ = read_document(folder / NAME)
    sinks = (document or {}).get("sinks")
    if not isinstance(sinks, dict):
        return ()
    return tuple(
        f"nothing reaches {facts.get('broker')} ({facts['failure']}): {facts.get('waiting_bytes')} bytes wait on the disk"
        for facts in sinks.values()
        if isinstance(facts, dict) and facts.get("failure")
    )
