"""The accounts of a run: where every sample went, what was predicted, what it cost."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, fields
from typing import Any

from edge_agent.budget_report import budget_texts

NAME_WIDTH = 8
NARROWEST = 20
"""No column is made narrower, however narrow the terminal is."""
TOGETHER = "\N{NO-BREAK SPACE}"
"""Stands for a space that no line ends at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """Where every sample went: `read = windowed + dropped + skipped + shed + pending`."""

    read: int
    windowed: int
    """In at least one window."""
    dropped: dict[str, int]
    """By reason: what was wrong with the sample, or what cut it off before it was in a window."""
    skipped: int
    """Between windows, where the hop is longer than the window."""
    shed: int = 0
    """In windows that were not computed, to stay within the budget."""
    pending: int
    """Waiting for their window to fill."""
    held: int
    """Of those read: with a value held from before."""
    clipped: int = 0
    """Of those read: with a value moved to `min` or `max`."""
    marked: int = 0
    """Of those read: with a bad value that was let through."""

    @property
    def accounted(self) -> bool:
        """Whether the accounts add up."""
        elsewhere = sum(self.dropped.values()) + self.skipped + self.shed + self.pending
        return self.read == self.windowed + elsewhere


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Whose run it is: which device, which release, which settings of its own."""

    device: str | None = None
    release: str | None = None
    """SHA-256 of the release's manifest, or of agent.json."""
    overlay: str | None = None
    """SHA-256 of the device's own settings; None where it has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """How a run stands; the summary when it has ended."""

    name: str
    version: str
    origin: Origin
    mode: str
    """How the model runs: `window`, `incremental` or `stateful`."""
    unproven: str
    """Why the model runs although its proof is not accepted; empty where it is."""
    state: str
    """Of the source, such as `running`, `waiting`, `absent` or `ended`; `failed` with `error` where the run broke off."""
    error: str | None
    uptime_s: float
    clock_synced: bool
    """Whether something has set the wall clock: a board without a battery wakes up in the past."""
    samples: Samples
    source: dict[str, int | float | str]
    """Its kind, and what it counts: frames, damage, reconnects."""
    windows: int
    shed_windows: int
    """Windows that were due and not computed, to stay within the budget."""
    predictions: dict[str, int]
    """By label."""
    unlabelled: int
    """Predictions without a label: values, raw output, and what is not finite."""
    nonfinite_outputs: int
    """Predictions with a value that is not finite; they decide nothing."""
    events: int
    level: str
    """How degraded the agent runs; `full` is not at all."""
    budget: dict[str, Any] | None
    """Limits, use, enforcement and meter; None where there is no budget."""
    delivery: dict[str, Any]
    """What became of the results: waiting, delivered, dropped by kind, refused by sink; spool and uplink."""
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
        document = _shallow(self)  # asdict() copies all the way down: too much for every second
        document["samples"] = {**_shallow(self.samples), "accounted": self.samples.accounted}
        document["notes"] = list(self.notes)
        document["origin"] = _shallow(self.origin)
        return {**document.pop("origin"), **document}

    def to_text(self, width: int | None = None) -> str:
        """Return the facts for people: a line each, continued in its column where it is longer than `width`."""
        lines = [
            ("samples", _samples_text(self.samples)),
            ("windows", f"{self.windows}, {_predictions_text(self)}"),
            ("events", str(self.events)),
            *((("unproven", self.unproven),) if self.unproven else ()),
            *(("budget", text) for text in (budget_texts(self.budget) if self.budget else ())),
            *(("lost", text) for text in _lost_texts(self.delivery)),
            ("latency", _latency_text(self)),
            ("memory", _memory_text(self)),
            ("rate", _rate_text(self)),
            ("time", f"{self.uptime_s:.1f} s, {self.cpu_share:.0%} of a core"),
            *(("note", note) for note in self.notes),
        ]
        return "\n".join(_in_columns(name, text, width) for name, text in lines)


def _shallow(part: Facts | Samples | Origin) -> dict[str, Any]:
    return {name: getattr(part, name) for name in _NAMES[type(part)]}


_NAMES: dict[type, tuple[str, ...]] = {
    kind: tuple(item.name for item in fields(kind)) for kind in (Facts, Samples, Origin)
}


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
    if samples.shed:
        parts.append(f"{samples.shed} in windows not computed")
    parts.append(f"{samples.pending} pending")
    equals = "=" if samples.accounted else "≠ (please report this)"
    return f"{samples.read} read {equals} {' + '.join(parts)}"


def _predictions_text(facts: Facts) -> str:
    by_count = sorted(facts.predictions.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{label} {count}".replace(" ", TOGETHER) for label, count in by_count]
    if parts and facts.unlabelled:
        parts.append(f"without a label {facts.unlabelled}")
    text = ": " + ", ".join(parts) if parts else ""
    if facts.shed_windows:
        text += f"; {facts.shed_windows} windows not computed, to stay within the budget"
    if facts.nonfinite_outputs:
        text += f" ({facts.nonfinite_outputs} with values that are not finite)"
    return f"{sum(facts.predictions.values()) + facts.unlabelled} predictions{text}"


def _lost_texts(delivery: dict[str, Any]) -> list[str]:
    """Return what the sinks did not get; nothing is the rule."""
    parts = [f"{count} {kind} dropped" for kind, count in delivery["dropped"].items() if count]
    parts += [f"{count} refused by {sink}" for sink, count in delivery["refused"].items()]
    return [", ".join(parts)] if parts else []


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
