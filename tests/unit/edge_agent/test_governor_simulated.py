"""The promise of the governor, on a simulated board: no window uses more than its budget and one inference."""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.config import BoardFacts, Budget, PowerModel
from edge_agent.governor import Governor
from edge_agent.meters import Reading
from edge_agent.usage import Usage

if TYPE_CHECKING:
    from edge_agent.level import LevelChange

LADDERS = (
    ("skip",),
    ("pause",),
    ("stretch-hop", "skip"),
    ("stretch-hop", "pause"),
    ("stretch-hop", "skip", "pause"),
)
ROUNDING = 1e-9


def _facts(core_mw: float = 900.0, idle_mw: float = 2500.0) -> BoardFacts:
    power = PowerModel(idle_mw=idle_mw, core_mw=core_mw, uncertainty_percent=0, source="exact")
    return BoardFacts(id="simulated", cores=4, memory_mib=1024, power=power)


@dataclass(kw_only=True)
class SimulatedBoard:
    """
    A board on which windows come due at a rate, and each that is computed takes CPU time.

    Blocks come every `block_s` and bring all windows that have become due since.
    """

    budget: Budget
    facts: BoardFacts | None
    windows_per_s: float
    cost_s: tuple[float, float]
    """Least and most CPU time of a window."""
    block_s: float = 0.1
    idle_mw: float = 2500.0
    core_mw: float = 900.0
    rest_cores: float = 0.02
    """CPU time of the agent beside its inferences."""
    seed: int = 0
    meter_noise_mw: float = 0.0
    computed: list[tuple[float, float]] = field(default_factory=list)
    """Time and CPU time of each window that was computed."""
    changes: list[LevelChange] = field(default_factory=list)
    offered: int = 0
    now_s: float = 1000.0

    def __post_init__(self) -> None:
        self.began_s = self.now_s
        self.governor = Governor(self.budget, self.facts, power_enforced=True, now_s=self.now_s)
        self._random = random.Random(self.seed)
        self._due = 0.0
        self._inference_s = 0.0
        self._stepped_s = self.now_s
        self._stepped_inference_s = 0.0
        self._step()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += self.block_s
            self._due += self.windows_per_s * self.block_s
            while self._due >= 1:
                self._due -= 1
                self._offer()
            if self.now_s - self._stepped_s >= 1:
                self._step()

    def worst_window(self, *, energy: bool, since_s: float = 0.0) -> float:
        """Return the most that was used within any window that ends after that: CPU seconds, or millijoules."""
        window_s = self.budget.window_s
        rest = self._rest_per_s(energy=energy) * window_s
        times = [time_s for time_s, _ in self.computed]
        sums = [0.0]
        for _, cost_s in self.computed:
            sums.append(sums[-1] + cost_s * (self.core_mw if energy else 1.0))
        return rest + max(
            (
                sums[last + 1] - sums[bisect_right(times, time_s - window_s)]
                for last, time_s in enumerate(times)
                if time_s >= self.began_s + since_s
            ),
            default=0.0,
        )

    def mean_per_s(self, since_s: float, *, energy: bool) -> float:
        """Return the mean use from `since_s` after the start until now: cores, or milliwatts."""
        used = sum(cost_s for time_s, cost_s in self.computed if time_s > self.began_s + since_s)
        used *= self.core_mw if energy else 1.0
        return self._rest_per_s(energy=energy) + used / (self.now_s - self.began_s - since_s)

    def _rest_per_s(self, *, energy: bool) -> float:
        return self.idle_mw + self.rest_cores * self.core_mw if energy else self.rest_cores

    def _offer(self) -> None:
        self.offered += 1
        if self.governor.admit(self.now_s):
            cost_s = self._random.uniform(*self.cost_s)
            self.computed.append((self.now_s, cost_s))
            self._inference_s += cost_s
            self.governor.spend(self.now_s, cost_s)

    def _step(self) -> None:
        passed_s = self.now_s - self._stepped_s
        inference_s = self._inference_s - self._stepped_inference_s
        self._stepped_s, self._stepped_inference_s = self.now_s, self._inference_s
        power = None
        if passed_s > 0:
            mw = self._rest_per_s(energy=True) + self.core_mw * inference_s / passed_s
            mw += self._random.gauss(0, self.meter_noise_mw)
            power = Reading(mw=mw, source="exact", uncertainty_percent=0.0, measured=True)
        cpu_s = self._inference_s + self.rest_cores * (self.now_s - self.began_s)
        self.governor.step(Usage(cpu_s=cpu_s, power=power), self.now_s)
        self.changes += self.governor.take_changes()


LOADS: dict[str, Any] = {
    "ladder": st.sampled_from(LADDERS),
    "windows_per_s": st.floats(0.2, 20.0),
    "longest_s": st.floats(0.001, 0.2),
    "block_s": st.sampled_from((0.05, 0.25, 1.0)),
    "seed": st.integers(0, 1000),
}
CPU_LIMITS = st.floats(3.5, 60.0)
ABOVE_IDLE_MW = st.floats(20.0, 600.0)
SHORT = settings(max_examples=25, deadline=None)
LONG = settings(max_examples=1500, deadline=None)


def _run(budget: Budget, *, windows_per_s: float, longest_s: float, **board: Any) -> SimulatedBoard:
    simulated = SimulatedBoard(
        budget=budget,
        facts=_facts(),
        windows_per_s=windows_per_s,
        cost_s=(0.3 * longest_s, longest_s),
        **board,
    )
    simulated.run(240)
    return simulated


def _check_cpu_time(limit_percent: float, ladder: Any, **load: Any) -> None:
    budget = Budget(cpu_percent=limit_percent, on_exceed=ladder)
    board = _run(budget, **load)

    allowed_s = limit_percent / 100 * budget.window_s + load["longest_s"]
    assert board.worst_window(energy=False) <= allowed_s * (1 + ROUNDING)


def _check_energy(above_idle_mw: float, ladder: Any, **load: Any) -> None:
    limit_mw = 2500.0 + above_idle_mw
    budget = Budget(power_mw=limit_mw, on_exceed=ladder)
    board = _run(budget, **load)

    allowed_mj = limit_mw * budget.window_s + load["longest_s"] * board.core_mw
    assert board.worst_window(energy=True) <= allowed_mj * (1 + ROUNDING)


@given(limit_percent=CPU_LIMITS, **LOADS)
@SHORT
def test_no_window_uses_more_cpu_time_than_its_budget(**load: Any) -> None:
    """Whatever the rate, the cost and the ladder: budget times window, and one inference."""
    _check_cpu_time(**load)


@given(above_idle_mw=ABOVE_IDLE_MW, **LOADS)
@SHORT
def test_no_window_uses_more_energy_than_its_budget(**load: Any) -> None:
    """The energy of the whole board, idle power included."""
    _check_energy(**load)


@pytest.mark.slow
@given(limit_percent=CPU_LIMITS, above_idle_mw=ABOVE_IDLE_MW, **LOADS)
@LONG
def test_no_window_uses_more_than_its_budget_for_long(
    limit_percent: float, above_idle_mw: float, **load: Any
) -> None:
    """Both, on thousands of loads."""
    _check_cpu_time(limit_percent, **load)
    _check_energy(above_idle_mw, **load)


@pytest.mark.parametrize("ladder", [("skip",), ("stretch-hop", "skip")])
@pytest.mark.parametrize("block_s", [0.05, 1.0])
@pytest.mark.parametrize("limit_percent", [8.0, 30.0])
def test_what_is_allowed_is_used(
    ladder: tuple[str, ...], block_s: float, limit_percent: float
) -> None:
    """A budget that is half of what would be used is used up: to 2 % when windows are passed over, by whole factors when stretched."""
    board = SimulatedBoard(
        budget=Budget(cpu_percent=limit_percent, on_exceed=ladder),  # type: ignore[arg-type]
        facts=None,
        windows_per_s=10,
        cost_s=(0.0018 * limit_percent, 0.0022 * limit_percent),
        block_s=block_s,
        rest_cores=0.01,
    )
    board.run(600)

    share = board.mean_per_s(300, energy=False) / (limit_percent / 100)
    least = 0.98 if ladder == ("skip",) else 0.6
    assert least <= share <= 1.001


@pytest.mark.parametrize("ladder", [*LADDERS, ("stretch-hop",)])
@pytest.mark.parametrize("windows_per_s", [2.0, 10.0, 30.0])
def test_a_steady_load_makes_no_flapping(ladder: tuple[str, ...], windows_per_s: float) -> None:
    """In a quarter of an hour of noisy readings: the first change and one correction; a pause comes and goes with its windows."""
    board = SimulatedBoard(
        budget=Budget(power_mw=2700.0, cpu_percent=25.0, on_exceed=ladder),  # type: ignore[arg-type]
        facts=_facts(),
        windows_per_s=windows_per_s,
        cost_s=(0.015, 0.025),
        meter_noise_mw=100.0,
        block_s=0.25,
    )
    board.run(900)

    names = [
        change.level.name for change in board.changes if change.level.name != change.before.name
    ]
    assert len(names) <= (16 if ladder == ("pause",) else 3), names


def test_a_board_without_load_computes_every_window() -> None:
    """The governor that has nothing to do does nothing."""
    board = SimulatedBoard(
        budget=Budget(cpu_percent=50.0, power_mw=3500.0, on_exceed=("stretch-hop", "skip")),
        facts=_facts(),
        windows_per_s=5,
        cost_s=(0.01, 0.01),
    )
    board.run(600)

    assert board.offered - len(board.computed) <= 5  # those before the first reading
    assert not board.changes


@pytest.mark.parametrize("factor", [0.6, 1.6])
def test_a_wrong_model_is_corrected_by_the_meter(factor: float) -> None:
    """After two windows the meter's sum counts: the model's error shows only in the second until the next reading."""
    board = SimulatedBoard(
        budget=Budget(power_mw=2700.0, on_exceed=("skip",)),
        facts=_facts(core_mw=900.0 * factor, idle_mw=2300.0),
        windows_per_s=20,
        cost_s=(0.03, 0.05),
    )
    board.run(900)

    one_second_mj = board.core_mw * 1.0
    assert board.worst_window(energy=True, since_s=120) <= 2700.0 * 60 + one_second_mj
    assert board.mean_per_s(300, energy=True) >= 0.98 * 2700.0
