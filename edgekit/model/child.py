"""
Jobs in a limited child process: how they are started, and what a crash, a limit or an error becomes.

A converter or a runtime that aborts, eats all memory or never ends takes the child with it, not the command.
"""

from __future__ import annotations

import contextlib
import json
import signal
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import numpy as np

from edgekit import errors
from edgekit.errors import EdgeKitError, ModelError
from edgekit.model.forked import Forked
from edgekit.model.worker import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgekit.process import Finished

    Arrays = Mapping[str, np.ndarray[Any, Any]]

_MIB: Final = 1024 * 1024

_AGAIN: Final = "if the file is as it was exported, export it again with another opset (13 to 17)"
_SMALLER: Final = (
    "export the model for a smaller input, or a smaller one: a board has less memory and less time"
)

_WHO: Final = {
    "convert": "the converter",
    "reference": "ONNX Runtime",
    "suspect": "the search",
    "tflite": "the reader of TensorFlow Lite files",
    "litert": "LiteRT",
}


class Subject(Protocol):
    """What a job is about: a model file, and the files that the child gets of it."""

    @property
    def path(self) -> Path:
        """The file, as the user knows it."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """What lies in the job's folder, by name."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a child may use."""

    memory_bytes: int
    cpu_s: int = 300
    wall_s: float = 600.0
    file_bytes: int = 4096 * _MIB

    @classmethod
    def of(cls, subject: Subject) -> Self:
        """Return limits that leave an honest model of this size several times what it needs."""
        largest = max(map(len, subject.files.values()))
        return cls(memory_bytes=2048 * _MIB + 16 * largest)


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
        subject: Subject,
        parameters: Mapping[str, object],
        arrays: Arrays,
        *,
        logs: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Start the job. `logs`: the folder in which the log of a crash is kept."""
        self._kind = kind
        self._subject = subject
        self._logs = logs
        self._limits = limits or Limits.of(subject)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgekit-"))
            self._folder = Path(folder)
            self._write(parameters, arrays)
            self._running = stack.enter_context(Forked(self._folder))
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
        for name, data in self._subject.files.items():
            (self._folder / name).write_bytes(data)
        np.savez(self._folder / "inputs.npz", allow_pickle=False, **arrays)
        limits = {key: value for key, value in asdict(self._limits).items() if key != "wall_s"}
        named = {"path": str(self._subject.path), **parameters}
        job = {"kind": self._kind, "limits": limits, "parameters": named}
        (self._folder / "job.json").write_text(json.dumps(job))

    def _failed(self, *, kind: str, message: str = "", hint: str | None = None) -> EdgeKitError:
        if kind == "memory":
            return self._over_memory()
        if kind == "other":
            return self._error(f"failed{self._while()}: {_first_line(message)}")
        named: type[EdgeKitError] = getattr(errors, kind)
        return named(message, hint=hint)

    def _died(self, finished: Finished) -> ModelError:
        if finished.timed_out:
            return self._error(
                f"took longer than {self._limits.wall_s:g} s{self._while()}", remedy=_SMALLER
            )
        number = -finished.returncode
        if number == getattr(signal, "SIGXCPU", None):
            return self._error(
                f"took more than {self._limits.cpu_s} s of processor time{self._while()}",
                remedy=_SMALLER,
            )
        if is_out_of_memory(self._log()):  # last words of native code
            return self._over_memory()
        how = signal.Signals(number).name if number > 0 else f"exit code {finished.returncode}"
        return self._error(f"crashed ({how}){self._while()}")

    def _over_memory(self) -> ModelError:
        limit = self._limits.memory_bytes // _MIB
        return self._error(
            f"needed more than {limit:,} MiB of memory{self._while()}", remedy=_SMALLER
        )

    def _error(self, what: str, *, remedy: str = _AGAIN) -> ModelError:
        return ModelError(
            f"{_WHO[self._kind]} {what}, on `{self._subject.path}`",
            hint=f"{remedy}; what it printed is in `{self._keep_log()}`",
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

    def _keep_log(self) -> Path:
        folder = self._logs
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError:  # a read-only project
            folder = None
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="edgekit-log-"))
        kept = folder / f"{self._kind}.log"
        kept.write_text(self._log())
        return kept


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read an .npz file; a pickle inside is refused."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")
