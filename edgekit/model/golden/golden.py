"""
Golden: the whole pipeline, from raw samples on, held against what the user's own code gave.

The proof says that the engine equals the model. Whether order of channels and labels, scale and activation are those of
the training code, only a record from that code can tell: `golden` writes one, `compare_golden` compares. It starts from
the record's own samples: whether a recording has the same unit, `samples` looks at.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from edge_agent.records import finite
from edgekit.errors import ConfigError, DataError
from edgekit.model.golden.mistakes import ENOUGH_WINDOWS, Suspects, explain, is_standardised
from edgekit.model.golden.record import GoldenRecord

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from edgekit.model.compile import CompiledModel
    from edgekit.model.graph_spec import GraphSpec

    Floats = NDArray[np.float32]

TOLERANCE: Final = 1e-4
"""
Largest difference, as a share of the largest golden output, that is equal.

Ten times what the proof allows between two runtimes of one graph (1e-5): here the training framework's own kernels,
its graph before export (batch normalisation not yet folded), and preprocessing in float64 come in between. A real
mistake (a swapped channel, a wrong unit, a missing activation) moves outputs by a hundred times more.
"""

LOW_PRECISION: Final = 1e-3
"""Up to here, with every argmax equal, reduced precision in the notebook (float16, TF32) is the likely reason."""


def golden(  # noqa: PLR0913 (a record has six parts; only the first three are needed)
    raw: Any,
    outputs: Any,
    path: str | os.PathLike[str],
    *,
    hop: int | None = None,
    channels: Iterable[str] | None = None,
    labels: Iterable[str] | None = None,
) -> None:
    """
    Write a golden record: raw samples and what your own pipeline makes of them.

    Call it where the model was trained, on samples as the sensor gives them (before any scaling). `raw` is windows
    `[n, window, channels]`, or with `hop` one recording `[time, channels]`; `outputs` is the float outputs `[n, k]`, one
    row a window (`[n]` for one output). `channels` names the channels of `raw` and `labels` the outputs, each in its
    order: both are compared with the project's. Arrays, lists and tensors are taken. Raises DataError.
    """
    GoldenRecord.of(raw, outputs, hop=hop, labels=labels, channels=channels).write(path)


@dataclass(frozen=True, kw_only=True)
class GoldenReport:
    """Whether the pipeline equals the user's golden record."""

    verdict: Literal["equal", "differs", "not checked"]
    reason: str = ""
    """Why it differs or was not checked: one sentence."""
    hint: str | None = None
    windows: int = 0
    max_abs_error: float | None = None
    tolerance: float | None = None
    """Largest difference that counts as equal: `TOLERANCE` times the largest golden output."""
    worst_window: int | None = None
    worst_output: int | None = None
    argmax_agreement: float | None = None
    """Share of windows with the same largest output; None with one output."""
    not_compared: tuple[str, ...] = ()
    """Names that the project has and the record does not: `channel names`, `label names`."""

    @classmethod
    def not_checked(cls) -> GoldenReport:
        """Return the report of a project without a golden record."""
        return cls(
            verdict="not checked",
            reason="there is no golden record",
            hint='write one with `edgekit.golden(raw, outputs, "golden.npz")` where the model was trained, with `channels=` '
            'and `labels=` as well, and set `[test] golden = "golden.npz"`',
        )

    @property
    def sentence(self) -> str:
        """The report's second line, such as `pipeline: equal to your golden (40 windows, largest difference 3e-07)`."""
        if self.verdict == "equal":
            missing = f"; {' and '.join(self.not_compared)} not in it" if self.not_compared else ""
            return f"pipeline: equal to your golden ({self.windows} windows, largest difference {self.max_abs_error:.1g}{missing})"
        if self.verdict == "differs":
            return f"pipeline: differs from your golden: {self.reason}"
        return "pipeline: not checked"

    def to_json(self) -> dict[str, Any]:
        """Return the report in JSON's types."""
        return {**asdict(self), "max_abs_error": finite(self.max_abs_error)}


def compare_golden(compiled: CompiledModel, path: Path) -> GoldenReport:
    """
    Run the golden record's raw samples through the compiled model and compare every output, and the names.

    Raises DataError if the file is no golden record or its shapes are not the model's, ConfigError if the model takes
    no stream.
    """
    spec = compiled.spec
    if spec is None:
        raise ConfigError(
            "`[test] golden` compares a stream of samples, and this model takes named tensors",
            hint="remove `golden` from [test]",
        )
    record = GoldenRecord.load(path)
    windows = record.windows(spec.window, spec.channels)
    ours = _outputs(compiled, record, windows)
    if ours.shape != record.outputs.shape:
        raise DataError(
            f"`{path}` has {record.outputs.shape[1]} outputs a window, the model has {ours.shape[1]}",
            hint="write it again with the outputs of this model's pipeline",
        )
    report = _compare(ours, record, compiled.labels)
    if report.verdict == "equal":
        return _compare_names(report, record, compiled)
    if report.hint is not None:
        return report
    bound = TOLERANCE * float(np.abs(record.outputs).max())
    suspects = Suspects(
        spec=spec,
        model=_alone(compiled, spec),
        channels=compiled.channels or tuple(str(index) for index in range(spec.channels)),
        labels=compiled.labels,
        bound=bound,
        worst_window=report.worst_window or 0,
    )
    found = _shifted(ours, record.outputs, bound) or explain(windows, record.outputs, suspects)
    if found is not None:
        return replace(report, reason=f"{report.reason}; it matches {found}")
    if is_standardised(windows, record.outputs, suspects):
        return replace(
            report,
            reason=f"{report.reason}; the samples look standardised in the notebook",
            hint="put your scaler's numbers into `[input] mean` and `std`",
        )
    return report


def _outputs(compiled: CompiledModel, record: GoldenRecord, windows: Floats) -> Floats:
    if record.hop is None:
        return np.asarray(compiled.predict(windows), np.float32)
    stream = compiled.stream(record.hop)
    predictions = stream.push(record.raw.astype("<f4").tobytes())
    return np.array([np.frombuffer(values, "<f4") for _, values in predictions], np.float32)


def _compare(ours: Floats, record: GoldenRecord, labels: tuple[str, ...]) -> GoldenReport:
    theirs = record.outputs
    with np.errstate(invalid="ignore"):  # inf - inf; what is NaN is looked at below
        difference = np.abs(ours.astype(np.float64) - theirs)
    difference[np.isnan(difference)] = np.inf  # NaN equals nothing, and must not hide in a maximum
    window, output = (
        int(index) for index in np.unravel_index(difference.argmax(), difference.shape)
    )
    largest, scale = float(difference[window, output]), float(np.abs(theirs).max())
    agreement = (
        float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean())
        if theirs.shape[1] > 1
        else None
    )
    equal = largest <= TOLERANCE * scale
    reason, hint = "", None
    if not equal:
        name = f"`{labels[output]}`" if labels else str(output)
        reason = f"by {largest:.3g} at window {window}, output {name}; {TOLERANCE * scale:.3g} would be equal"
        if largest <= LOW_PRECISION * scale and agreement in (None, 1.0):
            hint = (
                "this close, the notebook probably ran in lower precision, or mean and std are rounded: write the record "
                "with float32 outputs, and give `[input] mean` and `std` all their digits"
            )
    return GoldenReport(
        verdict="equal" if equal else "differs",
        reason=reason,
        hint=hint,
        windows=len(theirs),
        max_abs_error=largest,
        tolerance=TOLERANCE * scale,
        worst_window=window,
        worst_output=output,
        argmax_agreement=agreement,
    )


def _compare_names(
    report: GoldenReport, record: GoldenRecord, compiled: CompiledModel
) -> GoldenReport:
    """Return the report of equal numbers with what the names say: under other names they are another result."""
    missing = []
    for key, what, theirs, ours in (
        ("[input] channels", "channel names", record.channels, compiled.channels),
        ("[model] labels", "label names", record.labels, compiled.labels),
    ):
        if ours and not theirs:
            missing.append(what)
        elif ours and theirs != ours:
            how = "stand in another order" if sorted(theirs) == sorted(ours) else "are others"
            return replace(
                report,
                verdict="differs",
                reason=f"the numbers are equal, but the {what} {how}",
                hint=f"`{key}` lists {', '.join(ours)}; the record {', '.join(theirs)}: correct the one that is wrong",
            )
    return replace(report, not_compared=tuple(missing))


def _alone(compiled: CompiledModel, spec: GraphSpec) -> Callable[[Floats], Floats]:
    """Return the user's model without what EdgeKit adds in front of it and behind."""
    from edgekit.model.proof.reference import Reference  # noqa: PLC0415 (a notebook that writes a record needs NumPy alone)

    bare = replace(spec, scale=None, offset=None, mean=None, std=None, activation="none")
    return Reference(compiled.source, bare, compiled.options).predict


@np.errstate(invalid="ignore")  # a NaN is within no bound
def _shifted(ours: Floats, theirs: Floats, bound: float) -> str | None:
    differing = (np.abs(ours - theirs).max(axis=1) > bound).sum()
    # Few windows match by chance, and one that differs alone is no shift.
    if len(ours) >= ENOUGH_WINDOWS and differing > 1:
        if np.abs(ours[:-1] - theirs[1:]).max() <= bound:
            return "one window later: the notebook's windows begin before the recording does"
        if np.abs(ours[1:] - theirs[:-1]).max() <= bound:
            return "one window earlier: the notebook left out the first window"
    return None
