"""The accounts of a run: where every sample went, what was predicted, what it cost."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from typing import Any

NAME_WIDTH = 8
NARROWEST = 20
"""No column is made narrower, however narrow the terminal is."""
TOGETHER = "\N{NO-BREAK SPACE}"
"""Stands for a space that no line ends at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """Where every sample went: `read = windowed + dropped + skipped + pending`."""

    read: int
    windowed: int
    """In at least one window."""
    dropped: dict[str, int]
    """By reason: what was wrong with the sample, or what cut it off before it was in a window."""
    skipped: int
    """Between windows, where the hop is longer than the window."""
    pending: int
    """Waiting for their window to fill."""
    held: int
    """Of those read: with a value held from before."""

    @property
    def accounted(self) -> bool:
        """Whether the accounts add up."""
        return self.read == self.windowed + sum(self.dropped.values()) + self.skipped + self.pending


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """How a run stands; the summary when it has ended."""

    name: str
    version: str
    state: str
    """Of the source, such as `running`, `waiting` or `ended`; `failed` with `error` where the run broke off."""
    error: str | None
    uptime_s: float
    samples: Samples
    windows: int
    predictions: dict[str, int]
    """By label."""
    unlabelled: int
    """Predictions without a label: values, raw output, and what is not finite."""
    nonfinite_outputs: int
    """Predictions with a value that is not finite; they decide nothing."""
    events: int
    latency_p50_us: float | None
    latency_p99_us: float | None
    engine_live_bytes: int
    engine_peak_bytes: int
    rss_bytes: int | None
    cpu_share: float
    """Of one core."""
    rate_hz: float
    rate_hz_measured: float | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the facts as a JSON object, with `samples.accounted`."""
        document = asdict(self)
        document["samples"]["accounted"] = self.samples.accounted
        document["notes"] = list(self.notes)
        return document

    def to_text(self, width: int | None = None) -> str:
        """Return the facts for people: a line each, continued in its column where it is longer than `width`."""
        lines = [
            ("samples", _samples_text(self.samples)),
            ("windows", f"{self.windows}, {_predictions_text(self)}"),
            ("events", str(self.events)),
            ("latency", _latency_text(self)),
            ("memory", _memory_text(self)),
            ("rate", _rate_text(self)),
            ("time", f"{self.uptime_s:.1f} s, {self.cpu_share:.0%} of a core"),
            *(("note", note) for note in self.notes),
        ]
        return "\n".join(_in_columns(name, text, width) for name, text in lines)


def _in_columns(name: str, text: str, width: int | None) -> str:
    first = f"{name:<{NAME_WIDTH}} "
    if width is not None:
        beside = max(width - len(first), NARROWEST)
        pieces = textwrap.wrap(text, beside, break_long_words=False, break_on_hyphens=False)
        text = f"\n{' ' * len(first)}".join(pieces)
    return f"{first}{text}".replace(TOGETHER, " ")


def megabytes(count: int | None) -> str:
    """Return a number of bytes for people."""
    return "unknown" if count is None else f"{count / 1e6:.1f} MB"


def _samples_text(samples: Samples) -> str:
    parts = [f"{samples.windowed} in windows"]
    parts += [
        f"{count} {reason.replace('_', ' ')}" for reason, count in sorted(samples.dropped.items())
    ]
    if samples.skipped:
        parts.append(f"{samples.skipped} between windows")
    parts.append(f"{samples.pending} pending")
    equals = "=" if samples.accounted else "≠ (please report this)"
    return f"{samples.read} read {equals} {' + '.join(parts)}"


def _predictions_text(facts: Facts) -> str:
    by_count = sorted(facts.predictions.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{label} {count}".replace(" ", TOGETHER) for label, count in by_count]
    if parts and facts.unlabelled:
        parts.append(f"without a label {facts.unlabelled}")
    text = ": " + ", ".join(parts) if parts else ""
    if facts.nonfinite_outputs:
        text += f" ({facts.nonfinite_outputs} with values that are not finite)"
    return f"{sum(facts.predictions.values()) + facts.unlabelled} predictions{text}"


def _latency_text(facts: Facts) -> str:
    if facts.latency_p50_us is None or facts.latency_p99_us is None:
        return "no inference"
    return f"p50 {facts.latency_p50_us:.0f} µs, p99 {facts.latency_p99_us:.0f} µs an inference"


def _memory_text(facts: Facts) -> str:
    engine = (
        f"engine {megabytes(facts.engine_live_bytes)} (peak {megabytes(facts.engine_peak_bytes)})"
    )
    return f"{engine}, process {megabytes(facts.rss_bytes)}"


def _rate_text(facts: Facts) -> str:
    if facts.rate_hz_measured is None:
        return f"not measured, {facts.rate_hz:g} Hz assumed"
    return f"{facts.rate_hz_measured:.4g} Hz measured, {facts.rate_hz:g} Hz expected"
