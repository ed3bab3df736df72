"""The evidence: what was tried, against what, how far apart, and the verdict; and its form in proof.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from edgekit.model.proof import tolerance
from edgekit.model.proof.codes import CodeDifferences
from edgekit.model.proof.tolerance import Comparison

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgekit.model.options import Mode

TIMED: Final = ("speedup", "operators")
"""Keys of `to_json` that a clock has measured: another run gives others, so they are not shipped."""

Verdict = Literal["proven", "approximate", "refused"]


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """Where the engine's numbers first leave the reference's."""

    tensor: str
    """First tensor, in the order of computation, that differs when the model ends there; empty: none was found."""
    operator: str
    after: tuple[str, ...]
    """Operators that made what this one takes."""
    note: str
    """Why nothing was found, or how far the search came."""

    def __str__(self) -> str:
        """Return a clause for the sentence, such as "from tensor `y` on (Softmax → QuantizeLinear)"."""
        return f"from tensor `{self.tensor}` on ({self.chain})" if self.tensor else self.note

    @property
    def chain(self) -> str:
        """The operator with those before it, such as `Softmax → QuantizeLinear`."""
        return f"{' and '.join(self.after)} → {self.operator}" if self.after else self.operator


@dataclass(frozen=True, kw_only=True)
class StreamComparison:
    """A stream against the same windows given one by one, both in the engine."""

    hop: int
    windows: int
    positions_equal: bool
    tolerance: float
    max_abs_error: float


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The evidence: what was tried, against what, how far apart, and the verdict."""

    verdict: Verdict
    reason: str
    """One sentence; empty when proven."""
    reference: str
    engine: str
    seed: int
    comparisons: tuple[Comparison, ...]
    """One for each output and kind of input."""
    argmax_agreement: float | None
    """Least share over the outputs; None where no output has a clear largest value."""
    skipped: int
    """Inputs that the reference itself could not run."""
    stream: StreamComparison | None
    memory: Mapping[str, int]
    """Bytes that the engine's allocator counted: `live_bytes` of the loaded model, `peak_bytes` while it ran, `load_bytes` at most while it was loaded."""
    suspect: Suspect | None = None
    codes: tuple[CodeDifferences, ...] = ()
    """One for each quantised output."""
    mode: Mode = "window"
    mode_reason: str = ""
    """Why a stream is not incremental; empty where it is, and for models that are no streams."""
    cost: Mapping[str, int | None] | None = None
    """Streams: arithmetic operations for each hop, as `window` and as `incremental`; None where there is no such form."""
    speedup: float | None = field(default=None, compare=False)
    """How many times faster a hop was in incremental form than as a window, on this machine: measured, never judged by."""
    profile: tuple[tuple[str, float], ...] = field(default=(), compare=False)
    """The operators that take longest, with their share of a run's time on this machine."""
    decisions: Mapping[str, Any] | None = None
    """Of an approximate model: how its decisions agree with the reference's on the project's recording."""

    @property
    def worst(self) -> Comparison:
        """The comparison that came nearest to its tolerance, or furthest over it."""
        return max(self.comparisons, key=lambda comparison: comparison.ratio)

    @property
    def first_bad(self) -> Comparison | None:
        """The first output that is over its tolerance, where it says most: an ordinary input before a large one."""
        bad = [item for item in self.comparisons if not item.good]
        of_first = [item for item in bad if item.output == bad[0].output]
        return max(
            of_first,
            key=lambda item: (item.kind not in tolerance.OUTSIDE, item.ratio),
            default=None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the form of proof.json; `max_abs_error` and `tolerance` are those of the place in `where`."""
        worst = self.worst
        inputs = {item.kind: item.frames for item in self.comparisons}
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "reference": self.reference,
            "engine": self.engine,
            "inputs": {**inputs, "seed": self.seed, "skipped": self.skipped},
            "tolerance": _number(worst.tolerance),
            "max_abs_error": _number(worst.max_abs_error),
            "where": {
                "output": worst.output,
                "kind": worst.kind,
                "frame": worst.frame,
                "element": worst.element,
            },
            "argmax_agreement": self.argmax_agreement,
            "codes": [item.to_json() for item in self.codes],
            "decisions": None if self.decisions is None else dict(self.decisions),
            "mode": self.mode,
            "mode_reason": self.mode_reason,
            "cost": None if self.cost is None else dict(self.cost),
            "speedup": self.speedup,
            "operators": [{"operator": name, "share": share} for name, share in self.profile],
            "outputs": [
                {
                    "output": item.output,
                    "kind": item.kind,
                    "frames": item.frames,
                    "scale": item.scale,
                    "noise": _number(item.noise),
                    "tolerance": _number(item.tolerance),
                    "max_abs_error": _number(item.max_abs_error),
                    "frame": item.frame,
                    "element": item.element,
                }
                for item in self.comparisons
            ],
            "stream": None
            if self.stream is None
            else {
                "hop": self.stream.hop,
                "windows": self.stream.windows,
                "positions_equal": self.stream.positions_equal,
                "tolerance": self.stream.tolerance,
                "max_abs_error": _number(self.stream.max_abs_error),
            },
            "memory": dict(self.memory),
            "suspect": None
            if self.suspect is None
            else {
                "tensor": self.suspect.tensor,
                "operator": self.suspect.operator,
                "after": list(self.suspect.after),
                "note": self.suspect.note,
            },
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Proof:
        """Read what `to_json` gave."""
        inputs, stream, suspect = value["inputs"], value["stream"], value["suspect"]
        comparisons = [Comparison(**{**item, **_numbers(item)}) for item in value["outputs"]]
        if suspect is not None:
            suspect = Suspect(**{**suspect, "after": tuple(suspect["after"])})
        return cls(
            **{
                key: value[key]
                for key in (
                    "verdict",
                    "reason",
                    "reference",
                    "engine",
                    "argmax_agreement",
                    "memory",
                    "mode",
                    "mode_reason",
                    "cost",
                    "speedup",
                    "decisions",
                )
            },
            seed=inputs["seed"],
            skipped=inputs["skipped"],
            comparisons=tuple(comparisons),
            stream=None if stream is None else StreamComparison(**stream),
            suspect=suspect,
            codes=tuple(CodeDifferences.from_json(item) for item in value["codes"]),
            profile=tuple((item["operator"], item["share"]) for item in value["operators"]),
        )


def _number(value: float) -> float | str:
    """Return a number that JSON has: infinite errors become a word."""
    return value if np.isfinite(value) else "inf"


def _numbers(item: dict[str, Any]) -> dict[str, float]:
    """Return the values of a comparison that `_number` may have made words."""
    return {key: float(item[key]) for key in ("noise", "tolerance", "max_abs_error")}
