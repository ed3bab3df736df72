"""The budget as it is written: what makes no sense is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.config import AgentConfig, BoardFacts, Budget, PowerModel
from edge_agent.schema import from_json, to_text

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"memory_mib": 0}, "`memory_mib` is 0: must be positive; leave it out"),
        ({"power_mw": -5.0}, "`power_mw` is -5: must be positive"),
        ({"cpu_percent": float("inf")}, "`cpu_percent` is inf: must be positive"),
        ({"latency_ms": float("nan")}, "`latency_ms` is nan: must be positive"),
        ({"cpu_percent": 250}, "`cpu_percent` is 250: at most 100"),
        ({"window_s": 5}, "`window_s` is 5: at least 10"),
        ({"window_s": float("inf")}, "`window_s` is inf: at least 10"),
        ({"on_exceed": ()}, "`on_exceed` is empty"),
        ({"on_exceed": ("report", "report")}, "`on_exceed` names `report` twice"),
        ({"on_exceed": ("skip",)}, "asks for `skip`, but there is no `cpu_percent`"),
        (
            {"on_exceed": ("skip",), "memory_mib": 48},
            "asks for `skip`, but there is no `cpu_percent`",
        ),
        (
            {"latency_ms": 50, "on_exceed": ("skip",)},
            "cannot keep `latency_ms` without `stretch-hop`",
        ),
    ],
)
def test_nonsense_is_refused(budget: dict[str, Any], said: str) -> None:
    """With the key, the value, and what would make sense."""
    with pytest.raises(ValueError, match="`") as caught:
        Budget(**budget)

    assert said in str(caught.value)


def test_without_a_budget_there_is_no_limit() -> None:
    """And nothing is done that was not asked for."""
    assert not Budget().limits
    assert Budget().actions == ()
    assert Budget().memory_bytes is None
    assert Budget(memory_mib=1.5).memory_bytes == 3 << 19
    assert Budget(latency_ms=50).limits


@pytest.mark.parametrize(
    "figures",
    [
        {"idle_mw": -1.0, "uncertainty_percent": 40.0},
        {"idle_mw": 1.0, "uncertainty_percent": float("nan")},
        {"idle_mw": 1.0, "core_mw": -1.0, "uncertainty_percent": 1.0},
    ],
)
def test_a_model_has_real_figures(figures: dict[str, float]) -> None:
    """Nothing draws less than nothing."""
    with pytest.raises(ValueError, match="must not be negative"):
        PowerModel(**figures, source="a plug meter")


def test_budget_and_board_reach_the_device(
    agent_config: Callable[..., AgentConfig],
) -> None:
    """agent.json holds all of it, and reads back the same."""
    budget = Budget(memory_mib=48, power_mw=2500, on_exceed=("report", "stretch-hop", "skip"))
    power = PowerModel(idle_mw=2700, core_mw=925, uncertainty_percent=40, source="a plug meter")
    config = agent_config(budget=budget, board=BoardFacts(id="raspberry-pi-4", power=power))

    assert from_json(AgentConfig, to_text(config), where="agent.json") == config
    bare = replace(config, board=None)
    assert from_json(AgentConfig, to_text(bare), where="agent.json") == bare
