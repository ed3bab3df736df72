"""`status.json`: how the agent is doing, for whoever looks from outside."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from edge_agent.errors import EdgeKitError

INTERVAL_S = 1.0


class StatusFile:
    """A JSON file that is replaced as a whole: a reader sees the old status or the new one, never a half."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(f".{path.name}.{os.getpid()}.new")

    def write(self, status: dict[str, Any]) -> None:
        """Write beside, sync, rename. Raises EdgeKitError if the file cannot be written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._beside.open("w", encoding="utf-8") as file:
                json.dump(status, file, allow_nan=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            self._beside.replace(self._path)
        except OSError as error:
            with contextlib.suppress(OSError):  # it may not even have come to be
                self._beside.unlink()
            raise EdgeKitError(
                f"cannot write the status to `{self._path}`: {error.strerror}",
                hint="choose a folder that can be written to, with space: `--status FILE`",
            ) from None


class CpuShare:
    """The share of one core that this process used since it was last asked."""

    def __init__(self) -> None:
        self._used_s = time.process_time()
        self._began_s = time.monotonic()
        self._last = (self._used_s, self._began_s)

    def since_last(self) -> float:
        """Return the share since the last call, or since the beginning."""
        now = (time.process_time(), time.monotonic())
        used_s, passed_s = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        return used_s / passed_s if passed_s > 0 else 0.0

    def overall(self) -> float:
        """Return the share since the beginning."""
        passed_s = time.monotonic() - self._began_s
        return (time.process_time() - self._used_s) / passed_s if passed_s > 0 else 0.0


def resident_bytes() -> int | None:
    """Return how much memory this process occupies (RSS); None where the kernel does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
