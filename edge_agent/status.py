"""`status.json`: how the agent is doing, for whoever looks from outside."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

from edge_agent.errors import EdgeKitError

if TYPE_CHECKING:
    from pathlib import Path

INTERVAL_S = 1.0
_MODE = 0o644
"""For everybody to read, whatever the umask of a service keeps private: no secret is in it."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class StatusFile:
    """A JSON file that is replaced as a whole: a reader sees the old status or the new one, never a half."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = str(path.with_name(f".{path.name}.{os.getpid()}.new"))

    def write(self, status: dict[str, Any]) -> None:
        """Write beside, sync, rename. Raises EdgeKitError if the file cannot be written."""
        text = (
            json.dumps(status, allow_nan=False) + "\n"
        )  # json.dump would encode in Python, and not in C
        try:
            try:
                descriptor = os.open(self._beside, _NEW, _MODE)
            except FileNotFoundError:  # the first, or somebody has tidied up
                self._path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self._beside, _NEW, _MODE)
            try:
                os.fchmod(descriptor, _MODE)
                _write_all(descriptor, text.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(self._beside, self._path)  # noqa: PTH105 (strings: this comes every second)
        except OSError as error:
            with contextlib.suppress(OSError):  # it may not even have come to be
                os.unlink(self._beside)  # noqa: PTH108 (a string, as above)
            raise EdgeKitError(
                f"cannot write the status to `{self._path}`: {error.strerror}",
                hint="choose a folder that can be written to, with space: `--status FILE`",
            ) from None


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of it: a disk that is nearly full takes a part, and refuses the next."""
    while data:
        data = data[os.write(descriptor, data) :]


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
        descriptor = os.open(
            "/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC
        )  # this comes every second
        try:
            pages = int(os.read(descriptor, 256).split()[1])
        finally:
            os.close(descriptor)
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
