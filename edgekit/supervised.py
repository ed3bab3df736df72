"""
Runs a command that must not outlive EdgeKit: the process between the two.

    python -I edgekit/supervised.py LIFELINE CLEANUP PROGRAM [ARGUMENT...]

LIFELINE is the number of an open pipe whose other end EdgeKit alone holds. It closes when EdgeKit ends, also by SIGKILL: then
the commands of CLEANUP (JSON: a list of argument lists) are run and the process group is killed, this process with it. A
compiler's children would otherwise go on for minutes. Imports the standard library alone: it is started as a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_CLEANUP_TIMEOUT_S = 60


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code, or as a shell does 128 and the number of the signal that ended it."""
    lifeline, cleanup, *command = arguments
    process = subprocess.Popen(command)  # noqa: S603 (a list of arguments, no shell)
    watch = (int(lifeline), json.loads(cleanup))
    threading.Thread(target=_end_with_edgekit, args=watch, daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _end_with_edgekit(lifeline: int, cleanup: Sequence[Sequence[str]]) -> None:
    """Wait until the pipe closes, then end the group."""
    os.read(lifeline, 1)
    for command in cleanup:
        with contextlib.suppress(OSError, subprocess.SubprocessError):  # nobody is left to be told
            subprocess.run(command, timeout=_CLEANUP_TIMEOUT_S, check=False, capture_output=True)  # noqa: S603
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
