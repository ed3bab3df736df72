"""What a self-test found, and what of it is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_agent.reproduction import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.model_facts import MemoryPlan
    from edge_agent.reproduction import Reproduction

MEMORY_FACTOR = 1.25
"""Of the plan's peak: kernels pad matrices to tiles of their own, so another CPU needs other amounts."""
MEMORY_SLACK_BYTES = 64 << 10


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """A stream against the same windows given one by one, both here."""

    windows: int
    blocks: tuple[int, ...]
    """Samples that were pushed at once, a stream for each."""
    positions_equal: bool
    max_error: float
    tolerance: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that the self-test found."""

    release: str
    """Digest of the manifest."""
    files: int
    """Files whose digest was checked."""
    engine: str
    kernels: str
    kernels_available: tuple[str, ...]
    vectors: Reproduction
    streamed: Streamed | None
    """None for a model that is called with named tensors."""
    live_bytes: int
    peak_bytes: int
    plan: MemoryPlan
    python: str
    glibc: str
    """Empty where the C library is another."""
    machine: str

    @property
    def problem(self) -> str:
        """What is not as it should be, as a sentence; empty if all is."""
        return next(_problems(self), "")

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        worst = self.vectors.worst
        streamed = self.streamed
        return {
            "verdict": "failed" if self.problem else "passed",
            "problem": self.problem,
            "release": self.release,
            "files": self.files,
            "engine": self.engine,
            "kernels": {"chosen": self.kernels, "available": list(self.kernels_available)},
            "vectors": {
                "count": self.vectors.vectors,
                "values": self.vectors.values,
                "bad": self.vectors.bad_vectors,
                "max_error": None if worst is None else number(worst.error),
                "tolerance": None if worst is None else worst.tolerance,
                "where": None if worst is None else worst.to_json(),
                "clear_argmax": self.vectors.ordered,
                "other_argmax": self.vectors.ordered_otherwise,
            },
            "stream_vs_batch": None
            if streamed is None
            else {
                "windows": streamed.windows,
                "blocks": list(streamed.blocks),
                "positions_equal": streamed.positions_equal,
                "max_error": number(streamed.max_error),
                "tolerance": streamed.tolerance,
            },
            "memory": {
                "live_bytes": self.live_bytes,
                "peak_bytes": self.peak_bytes,
                "plan_live_bytes": self.plan.live_bytes,
                "plan_peak_bytes": self.plan.peak_bytes,
            },
            "python": self.python,
            "glibc": self.glibc,
            "machine": self.machine,
        }

    def to_text(self) -> str:
        """Return the report as lines for people."""
        worst, streamed = self.vectors.worst, self.streamed
        error = (
            ""
            if worst is None
            else f", largest error {worst.error:.2g} ({worst.tolerance:.2g} allowed)"
        )
        lines = [
            f"release   {self.release[:12]}, {self.files} files as in the manifest",
            f"engine    {self.engine}, kernels {self.kernels}",
            f"vectors   {self.vectors.vectors - self.vectors.bad_vectors} of {self.vectors.vectors} reproduced{error}",
        ]
        if streamed is not None:
            lines.append(
                f"stream    {streamed.windows} windows in {len(streamed.blocks)} block sizes differ by {streamed.max_error:.2g}"
            )
        lines += [
            f"memory    {self.peak_bytes:,} bytes at most, {self.plan.peak_bytes:,} planned",
            f"python    {self.python}, {f'glibc {self.glibc}' if self.glibc else 'no glibc'}, {self.machine}",
            "failed" if self.problem else "passed",
        ]
        return "\n".join(lines)


def _problems(report: Report) -> Iterator[str]:
    found, streamed = report.vectors, report.streamed
    if not found.vectors:
        yield "the bundle holds no test vectors"
    if found.bad_vectors and found.worst is not None:
        worst = found.worst
        yield (
            f"{found.bad_vectors} of {found.vectors} test vectors are not reproduced by the kernels `{report.kernels}`: "
            f"output `{worst.output}`, element {worst.element} of vector {worst.vector} ({worst.kind}) is {worst.got:.6g}, "
            f"not {worst.expected:.6g} (allowed: {worst.tolerance:.2g})"
        )
    if found.ordered_otherwise:
        yield (
            f"{found.ordered_otherwise} of {found.ordered} clear decisions fall otherwise "
            f"with the kernels `{report.kernels}`"
        )
    if streamed is not None and not streamed.positions_equal:
        yield "a stream makes its predictions at other samples than the windows end"
    if streamed is not None and streamed.max_error > streamed.tolerance:
        yield (
            f"a stream differs from the same windows by {streamed.max_error:.3g} "
            f"(allowed: {streamed.tolerance:.3g})"
        )
    most = report.plan.peak_bytes * MEMORY_FACTOR + MEMORY_SLACK_BYTES
    if report.peak_bytes > most:
        yield (
            f"the engine needed {report.peak_bytes:,} bytes at most, {report.plan.peak_bytes:,} were planned"
        )
