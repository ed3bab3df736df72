"""What the governor costs the hot loop: a decision a window, a step a second."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from edge_agent.config import Budget
from edge_agent.governor import Governor
from edge_agent.meters import Reading
from edge_agent.usage import Usage

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

POWER = Reading(mw=2500.0, source="ina260 VDD_IN", uncertainty_percent=3.0, measured=True)


def _governor() -> Governor:
    budget = Budget(cpu_percent=50, power_mw=3000, on_exceed=("stretch-hop", "skip"))
    governor = Governor(budget, None, power_enforced=True, now_s=0.0)
    governor.step(Usage(cpu_s=0.0), 0.0)
    governor.step(Usage(cpu_s=0.1, power=POWER), 1.0)
    return governor


def test_a_decision_about_a_window(benchmark: BenchmarkFixture) -> None:
    """Asked and told a hundred times a second, with two limits."""
    governor, moments = _governor(), count(1)

    def decide() -> bool:
        now_s = 1 + next(moments) / 100
        admitted = governor.admit(now_s)
        if admitted:
            governor.spend(now_s, 0.001)
        return admitted

    benchmark(decide)
    assert governor.level.name == "full"


def test_a_step(benchmark: BenchmarkFixture) -> None:
    """Once a second."""
    governor, seconds = _governor(), count(2)

    def step() -> str:
        now_s = float(next(seconds))
        return governor.step(Usage(cpu_s=0.1 * now_s, power=POWER), now_s).name

    assert benchmark(step) == "full"
