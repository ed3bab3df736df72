"""
Jobs in a limited child process: how they are started, and what a crash, a limit or an error becomes.

A converter or a runtime that aborts, eats all memory or never ends takes the child with it, not the command.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from edgekit import errors
from edgekit.errors import EdgeKitError, ModelError
from edgekit.model.worker import is_out_of_memory
from edgekit.process import Command, Running
from edgekit.resources import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgekit.model.source import SourceModel
    from edgekit.process import Finished

    Arrays = Mapping[str, np.ndarray[Any, Any]]

_MIB: Final = 1024 * 1024

_WHO: Final = {"convert": "the converter", "reference": "ONNX Runtime", "suspect": "the search"}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a child may use."""

    memory_bytes: int
    cpu_s: int = 300
    wall_s: float = 600.0
    file_bytes: int = 4096 * _MIB

    @classmethod
    def of(cls, source: SourceModel) -> Self:
        """Return limits that leave an honest model of this size several times what it needs."""
        return cls(memory_bytes=2048 * _MIB + 16 * len(source.data))


class Job:
    """
    One job in a child process; leaving the `with` block ends the child and removes its files.

        with Job("convert", source, parameters, {"input_0": array}) as job:
            result = job.result()
            archive = job.file("model.nnef.tar")
    """

    def __init__(  # noqa: PLR0913 (the job's four parts, and how it is run)
        self,
        kind: str,
        source: SourceModel,
        parameters: Mapping[str, object],
        arrays: Arrays,
        *,
        logs: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Start the job. `logs`: the folder in which the log of a crash is kept."""
        self._kind = kind
        self._source = source
        self._logs = logs
        self._limits = limits or Limits.of(source)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgekit-"))
            self._folder = Path(folder)
            self._write(parameters, arrays)
            self._running = stack.enter_context(Running(self._command()))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def result(self) -> dict[str, Any]:
        """Wait for the job and return its result; ModelError if the child crashed or met a limit."""
        finished = self._running.wait(timeout_s=self._limits.wall_s)
        try:
            result: dict[str, Any] = json.loads((self._folder / "result.json").read_text())
        except (OSError, ValueError):
            raise self._died(finished) from None
        if "error" in result:
            raise self._failed(**result["error"])
        return result

    def file(self, name: str) -> bytes:
        """Return a file that the job wrote."""
        return (self._folder / name).read_bytes()

    def arrays(self, name: str) -> dict[str, np.ndarray[Any, Any]]:
        """Return the arrays of an .npz file that the job wrote."""
        return read_arrays(self._folder / name)

    def _write(self, parameters: Mapping[str, object], arrays: Arrays) -> None:
        (self._folder / "model.onnx").write_bytes(self._source.data)
        np.savez(self._folder / "inputs.npz", allow_pickle=False, **arrays)
        limits = {key: value for key, value in asdict(self._limits).items() if key != "wall_s"}
        named = {"path": str(self._source.path), **parameters}
        job = {
            "kind": self._kind,
            "parent": os.getpid(),
            "limits": limits,
            "parameters": named,
        }
        (self._folder / "job.json").write_text(json.dumps(job))

    def _command(self) -> Command:
        # the same EdgeKit as here, whether it is installed or a checkout on a relative path
        search = os.pathsep.join(
            [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        # `-P`: what lies about in the working folder is no module of ours
        argv = (sys.executable, "-P", "-m", "edgekit.model.worker", str(self._folder))
        # ONNX Runtime tells its maker about its use unless this is set, and leaves files in the temporary folder
        return Command(argv, env={"PYTHONPATH": search, "ORT_DISABLE_TELEMETRY": "1"})

    def _failed(self, *, kind: str, message: str = "", hint: str | None = None) -> EdgeKitError:
        if kind == "memory":
            return self._over_memory()
        if kind == "other":
            return self._error(f"failed{self._while()}: {_first_line(message)}")
        named: type[EdgeKitError] = getattr(errors, kind)
        return named(message, hint=hint)

    def _died(self, finished: Finished) -> ModelError:
        if finished.timed_out:
            return self._error(f"took longer than {self._limits.wall_s:g} s{self._while()}")
        number = -finished.returncode
        if number == getattr(signal, "SIGXCPU", None):
            return self._error(
                f"took more than {self._limits.cpu_s} s of processor time{self._while()}"
            )
        if is_out_of_memory(self._log()):  # last words of native code
            return self._over_memory()
        how = signal.Signals(number).name if number > 0 else f"exit code {finished.returncode}"
        return self._error(f"crashed ({how}){self._while()}", extra=finished.stderr)

    def _over_memory(self) -> ModelError:
        limit = self._limits.memory_bytes // _MIB
        return self._error(f"needed more than {limit:,} MiB of memory{self._while()}")

    def _error(self, what: str, *, extra: str = "") -> ModelError:
        return ModelError(
            f"{_WHO[self._kind]} {what}, on `{self._source.path}`",
            hint=f"what it printed is in `{self._keep_log(extra)}`; if the file is as it was exported, export it "
            "again with another opset (13 to 17)",
        )

    def _while(self) -> str:
        try:
            return f" while {(self._folder / 'step').read_text()}"
        except OSError:
            return ""

    def _log(self) -> str:
        try:
            return (self._folder / "log").read_text(errors="replace")
        except OSError:
            return ""

    def _keep_log(self, extra: str) -> Path:
        folder = self._logs
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError:  # a read-only project
            folder = None
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="edgekit-log-"))
        kept = folder / f"{self._kind}.log"
        with contextlib.suppress(OSError):
            shutil.copyfile(self._folder / "log", kept)
        with kept.open("a") as file:
            file.write(extra)
        return kept


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read an .npz file; a pickle inside is refused."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")
