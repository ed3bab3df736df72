"""The governor's single decisions: when it acts, on what, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.allowance import Allowance, SlidingSum
from edge_agent.config import BoardFacts, Budget, PowerModel
from edge_agent.governor import Governor
from edge_agent.meters import Reading
from edge_agent.usage import Usage

BOARD = BoardFacts(
    id="raspberry-pi-4",
    power=PowerModel(idle_mw=2700, core_mw=1000, uncertainty_percent=40, source="a plug meter"),
)


def _power(mw: float) -> Reading:
    return Reading(mw=mw, source="ina260", uncertainty_percent=3.0, measured=True)


class Run:
    """A governor that is stepped once a second."""

    def __init__(self, *, power_enforced: bool = True, **budget: Any) -> None:
        self.governor = Governor(Budget(**budget), BOARD, power_enforced=power_enforced, now_s=0.0)
        self.now_s = 0.0
        self.cpu_s = 0.0
        self.governor.step(Usage(cpu_s=0.0), 0.0)

    def seconds(
        self, count: int, *, cores: float = 0.0, windows: int = 0, cost_s: float = 0.0, **usage: Any
    ) -> int:
        """Let seconds pass with the same usage; return how many windows were admitted."""
        admitted = 0
        for _ in range(count):
            for index in range(windows):
                now_s = self.now_s + (index + 1) / (windows + 1)
                if self.governor.admit(now_s):
                    admitted += 1
                    self.governor.spend(now_s, cost_s)
                    self.cpu_s += cost_s
            self.now_s += 1
            self.cpu_s += cores
            self.governor.step(Usage(cpu_s=self.cpu_s, **usage), self.now_s)
        return admitted

    def names(self) -> list[str]:
        """Return the names of the levels entered since the last call."""
        return [
            change.level.name
            for change in self.governor.take_changes()
            if change.level.name != change.before.name
        ]


def test_reporting_is_all_that_it_does_unasked() -> None:
    """Without actions nothing is ever refused; the limit that is exceeded is an event with its figures, and so is its end."""
    run = Run(cpu_percent=20)
    run.seconds(70, cores=0.5)

    assert not run.governor.enforcing
    (change,) = run.governor.take_changes()
    assert (change.level.name, change.level.exceeded) == ("full", ("cpu_percent",))
    assert change.reason == "`cpu_percent` is 20, 50 are used"

    run.seconds(70, cores=0.1)
    (change,) = run.governor.take_changes()
    assert (change.level.exceeded, change.reason) == ((), "all limits are kept again")
    assert change.to_json()["type"] == "level"


def test_a_use_near_its_limit_is_told_once() -> None:
    """Between kept and exceeded lies a band in which nothing changes."""
    run = Run(cpu_percent=20)
    run.seconds(100, cores=0.25)
    for cores in (0.198, 0.204, 0.196, 0.203):
        run.seconds(60, cores=cores)

    assert len(run.governor.take_changes()) == 1


def test_memory_and_latency_are_told() -> None:
    """They have no sliding sum: the last figure counts."""
    run = Run(memory_mib=48, latency_ms=50)
    run.seconds(1, memory_bytes=60 << 20, latency_p99_s=0.08)

    (change,) = run.governor.take_changes()
    assert change.level.exceeded == ("memory_mib", "latency_ms")
    assert change.reason == "`memory_mib` is 48, 60 are used; `latency_ms` is 50, 80 are used"


def test_power_that_is_only_modelled_takes_nothing_away() -> None:
    """It is reported as exceeded, and every window is computed."""
    run = Run(power_mw=3000, power_enforced=False, on_exceed=("skip",))
    run.seconds(70, power=_power(3500.0))

    assert not run.governor.enforcing
    assert run.governor.level.exceeded == ("power_mw",)


def test_the_hop_is_stretched_by_what_is_needed() -> None:
    """10 windows a second of 50 ms are half a core; a fifth is allowed: every third window."""
    run = Run(cpu_percent=20, on_exceed=("stretch-hop",))
    run.seconds(30, windows=10, cost_s=0.05)

    assert run.names() == ["hop-x3"]
    assert "250% of what `cpu_percent` leaves" in run.governor.reason
    assert run.seconds(10, windows=12, cost_s=0.05) == 40


def test_full_work_comes_back_after_a_calm_window() -> None:
    """Not at once: the load must have been low for a whole window."""
    run = Run(cpu_percent=20, on_exceed=("stretch-hop",), window_s=20)
    run.seconds(40, windows=10, cost_s=0.05)
    run.names()

    run.seconds(25, windows=2, cost_s=0.05)
    assert run.names() == []
    run.seconds(25, windows=2, cost_s=0.05)
    assert run.names()[-1] == "full"


def test_skipping_paces() -> None:
    """The windows that are allowed are spread over time instead of used up at its start."""
    run = Run(cpu_percent=20, on_exceed=("skip",))
    run.seconds(300, windows=10, cost_s=0.05)

    assert run.names() == ["skip"]
    by_second = [run.seconds(1, windows=10, cost_s=0.05) for _ in range(60)]
    assert min(by_second) >= 3
    assert max(by_second) <= 5
    assert sum(by_second) == pytest.approx(0.2 * 60 / 0.05, rel=0.05)


def test_a_pause_ends() -> None:
    """All is stopped when the window is used up, and goes on when a whole window was calm."""
    run = Run(cpu_percent=20, on_exceed=("pause",), window_s=20)
    run.seconds(20, windows=10, cost_s=0.05)
    assert run.names() == ["pause"]
    assert run.seconds(15, windows=10, cost_s=0.05) == 0

    run.seconds(40, windows=1, cost_s=0.05)
    assert run.names() == ["full"]


def test_a_board_that_draws_more_than_its_budget_by_itself() -> None:
    """Nothing that is left out could help: it says so and pauses."""
    run = Run(power_mw=2600, on_exceed=("skip", "pause"))
    run.seconds(60, windows=1, cost_s=0.01, power=_power(2710.0))

    assert run.governor.level.name == "pause"
    assert run.governor.reason == "what is used beside the model leaves nothing of `power_mw`"


def test_latency_stretches_step_by_step() -> None:
    """It says nothing of how much is needed: one doubling a window, and back when it is well below."""
    run = Run(latency_ms=50, on_exceed=("stretch-hop",), window_s=10)
    run.seconds(25, windows=2, latency_p99_s=0.2)
    assert run.names() == ["hop-x2", "hop-x4", "hop-x8"]
    assert run.governor.enforces("latency_ms")

    run.seconds(60, windows=2, latency_p99_s=0.01)
    assert run.names() == ["hop-x4", "hop-x2", "full"]


def test_a_meter_that_fails_for_a_while() -> None:
    """What was used beside the model is taken to go on as before."""
    run = Run(power_mw=3000, on_exceed=("skip",))
    run.seconds(60, windows=10, cost_s=0.01, power=_power(2800.0))
    before_mw = run.governor.mean_per_s("power_mw", run.now_s)
    run.seconds(60, windows=10, cost_s=0.01, power=None)

    assert before_mw == pytest.approx(2800, rel=0.01)
    assert run.governor.mean_per_s("power_mw", run.now_s) == pytest.approx(2800, rel=0.01)


def test_nothing_is_computed_before_anything_is_known() -> None:
    """The first second, if windows may be passed over: who knows what the rest of the system uses."""
    governor = Governor(
        Budget(cpu_percent=20, on_exceed=("skip",)), None, power_enforced=False, now_s=0.0
    )

    assert not governor.admit(0.5)
    governor.step(Usage(cpu_s=0.0), 1.0)
    assert governor.admit(1.1)
    assert governor.shed_windows == 1


def test_a_sliding_sum_forgets() -> None:
    """Never before a window has passed, and never later than one slot more."""
    total = SlidingSum(60.0, 1000.0)
    total.add(1000.1, 5.0)
    total.add(1030.0, 7.0)

    assert [total.total(now_s) for now_s in (1060.0, 1060.6, 1089.9, 1090.5, 9000.0)] == [
        12,
        7,
        7,
        0,
        0,
    ]


def test_what_is_spread_leaves_evenly() -> None:
    """A minute's idle power is a minute's idle power at any moment, not at the ends of slots."""
    total = SlidingSum(60.0, 0.0)
    for second in range(200):
        total.spread(second, second + 1, 2500.0)

    assert [total.even_total(200 + part / 10) for part in range(3)] == pytest.approx(
        [150_000, 149_750, 149_500]
    )


def test_spreading_over_more_than_a_window() -> None:
    """After a long sleep only what belongs to the last window may count, and it does no harm to the sum."""
    total = SlidingSum(60.0, 0.0)
    total.spread(0.0, 600.0, 6000.0)

    assert total.total(600.0) == pytest.approx(6000.0)
    assert total.total(661.0) == 0


def test_an_allowance_keeps_room_for_the_rest() -> None:
    """In the first window the idle power that is still to come is counted already."""
    allowance = Allowance(3000.0, 60.0, 0.0, rest_per_s=2700.0)
    allowance.settle(1.0, 2700.0)
    for count in range(100):
        if not allowance.has_room(1.0 + count / 100):
            break
        allowance.spend(1.0 + count / 100, 1000.0)

    assert count == 18  # 60 s of 300 mW, 1000 mJ each
