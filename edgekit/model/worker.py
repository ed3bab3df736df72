"""
The child process in which other people's code meets other people's files.

The fork server starts it with a folder, which holds `job.json` (kind, limits, parameters) and the job's files. The
limits are set before anything of the model is read; `step` says what is being done, `result.json` what came of it,
`log` what native code printed.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import json
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Final

from edgekit.errors import EdgeKitError

if TYPE_CHECKING:
    from pathlib import Path

JOBS: Final = {
    "convert": "edgekit.model.convert",
    "reference": "edgekit.model.proof.reference_job",
    "suspect": "edgekit.model.proof.suspect_job",
    "tflite": "edgekit.model.tflite.job",
    "litert": "edgekit.model.proof.litert",
}
"""Each module has a function `job(folder, parameters) -> dict` that writes its files into the folder."""

_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
"""Of linux/sched.h: a network of its own, without any device, and the right to make it."""

_PR_SET_PDEATHSIG: Final = 1
"""Of linux/prctl.h: the signal that this process gets when its parent ends."""

_OUT_OF_MEMORY: Final = ("bad_alloc", "Failed to allocate memory", "memory allocation of")
"""How native code says it: C++, ONNX Runtime, Rust."""


def main(folder: Path, parent: int) -> None:
    """
    Do the job in this folder; every outcome that Python can see ends in `result.json`.

    `parent`: the process with which this one ends.
    """
    job = json.loads((folder / "job.json").read_text())
    _leave_network()
    _end_with(parent)
    _limit(**job["limits"])
    _redirect_output(folder / "log")
    try:
        result = importlib.import_module(JOBS[job["kind"]]).job(folder, job["parameters"])
    except EdgeKitError as error:
        result = {
            "error": {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        }
    except MemoryError:
        result = {"error": {"kind": "memory"}}
    except Exception as error:  # noqa: BLE001 (the rim of the process: the parent makes a sentence of it)
        traceback.print_exc()
        kind = "memory" if is_out_of_memory(str(error)) else "other"
        result = {"error": {"kind": kind, "message": str(error)}}
    partial = folder / "result.part"
    partial.write_text(json.dumps(result))
    partial.replace(folder / "result.json")


def step(folder: Path, name: str) -> None:
    """Note what is being done, for the sentence that tells of a crash."""
    (folder / "step").write_text(name)


def is_out_of_memory(message: str) -> bool:
    """Tell whether native code means that it got no memory."""
    return any(sign in message for sign in _OUT_OF_MEMORY)


def _leave_network() -> None:
    """Take the network away from this process, where the system lets it: no job has business there."""
    with contextlib.suppress(OSError, AttributeError):  # not Linux, or another C library
        ctypes.CDLL(None).unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _end_with(parent: int) -> None:
    """Let the kernel end this process when its parent (a process id) does, however that ends: nobody else would."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(
        OSError, AttributeError
    ):  # a C library without it: the limits still hold
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it was asked about
        os._exit(1)


def _limit(memory_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """Limit this process; where the system has no such limits the parent's clock is the only one."""
    try:
        import resource  # noqa: PLC0415 (not on every system)
    except ImportError:
        return
    for kind, value in (
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (allowed, hard))


def _redirect_output(log: Path) -> None:
    """Send what native code prints to a file instead of the user's terminal; Python's own crash report too."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    faulthandler.enable()
