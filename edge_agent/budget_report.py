"""How the budget stands: for `status.json`, and in words. Every figure goes with what it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_agent.config import Budget
    from edge_agent.governor import Governor
    from edge_agent.memory_limit import Enforcement
    from edge_agent.usage import Usage


def budget_report(
    budget: Budget, enforcement: Enforcement, usage: Usage, governor: Governor, now_s: float
) -> dict[str, Any]:
    """Return limits, use, and how each is enforced, as a JSON object; what is not known is null."""
    cores = governor.mean_per_s("cpu_percent", now_s)
    p99_s, power = usage.latency_p99_s, usage.power
    return {
        "level": governor.level.name,
        "reason": governor.reason,
        "exceeded": list(governor.level.exceeded),
        "window_s": budget.window_s,
        "memory": {
            "limit_bytes": budget.memory_bytes,
            "used_bytes": usage.memory_bytes,
            "enforcement": enforcement.level,
            "detail": enforcement.detail,
            "fix": enforcement.fix,
        },
        "cpu": {
            "limit_percent": budget.cpu_percent,
            "used_percent": None if cores is None else 100 * cores,
            "enforced": governor.enforces("cpu_percent"),
        },
        "latency": {
            "limit_ms": budget.latency_ms,
            "p99_ms": None if p99_s is None else 1000 * p99_s,
            "enforced": governor.enforces("latency_ms"),
        },
        "power": {
            "limit_mw": budget.power_mw,
            "mw": None if power is None else power.mw,
            "mean_mw": None if power is None else governor.mean_per_s("power_mw", now_s),
            "scope": budget.scope,
            "source": None if power is None else power.source,
            "measured": None if power is None else power.measured,
            "uncertainty_percent": None if power is None else power.uncertainty_percent,
            "enforced": governor.enforces("power_mw"),
        },
        "spoiled_by": list(usage.spoiled_by),
    }


def budget_texts(report: dict[str, Any]) -> list[str]:
    """Return the report for people: a text for each figure that has a limit or a meter, and what spoils them."""
    texts = [_memory_text(report["memory"])] if report["memory"]["limit_bytes"] else []
    cpu, latency = report["cpu"], report["latency"]
    if cpu["limit_percent"]:
        used = _number(cpu["used_percent"], " %")
        texts.append(f"CPU {used} of a core, {cpu['limit_percent']:g} % allowed{_worth(cpu)}")
    if report["power"]["limit_mw"] or report["power"]["mw"] is not None:
        texts.append(_power_text(report["power"]))
    if latency["limit_ms"]:
        used = _number(latency["p99_ms"], " ms")
        texts.append(f"latency {used} (p99), {latency['limit_ms']:g} ms allowed{_worth(latency)}")
    if report["spoiled_by"]:
        texts.append(f"not a healthy board's figures: {', '.join(report['spoiled_by'])}")
    if report["level"] != "full":
        texts.append(f"level {report['level']}: {report['reason']}")
    return texts


def _memory_text(memory: dict[str, Any]) -> str:
    used_bytes = memory["used_bytes"]
    used = "unknown" if used_bytes is None else f"{used_bytes / (1 << 20):.1f} MiB"
    text = f"memory {used}, {memory['limit_bytes'] / (1 << 20):g} MiB allowed; enforced by {_ENFORCED_BY[memory['enforcement']]}: {memory['detail']}"
    return f"{text}. To have it enforced: {memory['fix']}" if memory["fix"] else text


_ENFORCED_BY = {
    "cgroup": "the kernel",
    "rlimit": "the kernel, for this process's own data",
    "self": "nobody, only watched",
    "none": "nobody",
}


def _power_text(power: dict[str, Any]) -> str:
    mean_mw = power["mw"] if power["mean_mw"] is None else power["mean_mw"]
    text = f"power {_number(mean_mw, ' mW')} ({power['scope']}"
    if power["source"] is None:
        return f"{text}, no meter)" + (
            f", {power['limit_mw']:g} mW allowed but not measured" if power["limit_mw"] else ""
        )
    how = "measured" if power["measured"] else "modelled"
    doubt = power["uncertainty_percent"]
    text += f", {how}, " + (f"±{doubt:.0f} %" if doubt is not None else "uncertainty unknown") + ")"
    if power["limit_mw"]:
        text += f", {power['limit_mw']:g} mW allowed{_worth(power)}"
    return f"{text}: {power['source']}"


def _worth(figure: dict[str, Any]) -> str:
    return "" if figure["enforced"] else ", only reported"


def _number(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{float(f'{value:.3g}'):g}{unit}"
