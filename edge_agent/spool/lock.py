"""One writer and one reader a spool: a lock that ends with its process."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from edge_agent.errors import EdgeKitError
from edge_agent.spool.files import FILE_MODE

if TYPE_CHECKING:
    from pathlib import Path


class FolderLock:
    """Holds a role in a folder, such as `writer`."""

    def __init__(self, folder: Path, role: str) -> None:
        """Take it. Raises EdgeKitError if another process has it, OSError if the file cannot be made."""
        self._descriptor = os.open(
            folder / f"{role}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE
        )
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise EdgeKitError(
                f"another process is the {role} of `{folder}`",
                hint="stop the other agent, or give this one a state folder of its own",
            ) from None

    def close(self) -> None:
        """Give it back."""
        os.close(self._descriptor)
