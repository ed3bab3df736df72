"""The report on the budget: every figure with what it is worth."""

from __future__ import annotations

import json

from edge_agent.budget_report import budget_report, budget_texts
from edge_agent.config import Budget
from edge_agent.governor import Governor
from edge_agent.memory_limit import Enforcement
from edge_agent.meters import Reading
from edge_agent.usage import Usage

BUDGET = Budget(
    memory_mib=48, cpu_percent=20, power_mw=2500, latency_ms=50, on_exceed=("stretch-hop",)
)
ENFORCED = Enforcement(level="cgroup", detail="the cgroup's memory.max is 55 MiB")
SELF = Enforcement(level="self", detail="no cgroup", fix="do this")
USAGE = Usage(
    cpu_s=9.0,
    memory_bytes=30 << 20,
    power=Reading(
        mw=2400.0,
        source="model of the board (a plug meter)",
        uncertainty_percent=40.0,
        measured=False,
    ),
    latency_p99_s=0.02,
    spoiled_by=("under-voltage has occurred",),
)


def _governor(budget: Budget, usage: Usage, *, power_enforced: bool = False) -> Governor:
    governor = Governor(budget, None, power_enforced=power_enforced, now_s=0.0)
    governor.step(Usage(cpu_s=usage.cpu_s - 3.0), 0.0)
    governor.step(usage, 30.0)
    return governor


def test_the_report_of_a_budget() -> None:
    """A JSON object with limit, use, enforcement and source of each."""
    governor = _governor(BUDGET, USAGE)

    report = json.loads(json.dumps(budget_report(BUDGET, ENFORCED, USAGE, governor, 30.0)))

    assert report["level"] == "full"
    assert report["memory"] == {
        "limit_bytes": 48 << 20,
        "used_bytes": 30 << 20,
        "enforcement": "cgroup",
        "detail": "the cgroup's memory.max is 55 MiB",
        "fix": None,
    }
    assert report["cpu"] == {"limit_percent": 20, "used_percent": 10, "enforced": True}
    assert report["power"]["mean_mw"] == 2400
    assert (report["power"]["measured"], report["power"]["enforced"]) == (False, False)
    assert report["spoiled_by"] == ["under-voltage has occurred"]


def test_the_report_in_words() -> None:
    """Modelled figures say so, limits that are only reported say so, and what spoils figures stands beside them."""
    texts = budget_texts(budget_report(BUDGET, SELF, USAGE, _governor(BUDGET, USAGE), 30.0))

    assert texts == [
        "memory 30.0 MiB, 48 MiB allowed; enforced by nobody, only watched: no cgroup. To have it enforced: do this",
        "CPU 10 % of a core, 20 % allowed",
        "power 2400 mW (board, modelled, ±40 %), 2500 mW allowed, only reported: model of the board (a plug meter)",
        "latency 20 ms (p99), 50 ms allowed",
        "not a healthy board's figures: under-voltage has occurred",
    ]


def test_a_limit_that_nothing_measures() -> None:
    """No meter is said, not passed over."""
    budget, usage = Budget(power_mw=2500, cpu_percent=20), Usage(cpu_s=1.0)
    governor = Governor(budget, None, power_enforced=False, now_s=0.0)
    none = Enforcement(level="none", detail="there is no `budget.memory_mib`")

    report = budget_report(budget, none, usage, governor, 0.0)

    assert report["power"]["mean_mw"] is None
    assert budget_texts(report) == [
        "CPU unknown of a core, 20 % allowed, only reported",
        "power unknown (board, no meter), 2500 mW allowed but not measured",
    ]


def test_a_reduced_level_is_told_with_its_reason() -> None:
    """Whoever reads the summary sees that not all was computed, and why."""
    budget = Budget(cpu_percent=20, on_exceed=("stretch-hop",))
    governor = Governor(budget, None, power_enforced=False, now_s=0.0)
    cpu_s = 0.0
    governor.step(Usage(cpu_s=cpu_s), 0.0)
    for second in range(1, 20):
        for _ in range(10):
            if governor.admit(second):
                governor.spend(second, 0.05)
                cpu_s += 0.05
        governor.step(Usage(cpu_s=cpu_s), second)
    none = Enforcement(level="none", detail="")

    report = budget_report(budget, none, Usage(cpu_s=cpu_s), governor, 19.0)

    assert report["level"] == "hop-x3"
    assert budget_texts(report)[-1].startswith("level hop-x3: the windows that are due use 2")
