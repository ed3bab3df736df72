"""Budgets that no board can keep, and figures that nobody can tell: refused before anything is built."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.config import Budget
from edgekit.board import Board, Power
from edgekit.budget_check import check_budget
from edgekit.errors import ConfigError, OverBudget

MODELLED: dict[str, Any] = {
    "meter": "none",
    "idle_mw": 2700,
    "core_mw": 925,
    "uncertainty_percent": 40,
    "source": "a plug meter",
}
IDLE_ONLY: dict[str, Any] = {**MODELLED, "core_mw": None}
METERED: dict[str, Any] = {"meter": "ina3221"}


def _board(**power: Any) -> Board:
    return Board(
        id="my-board",
        title="My board",
        target="aarch64-unknown-linux-gnu",
        cpu="cortex-a72",
        toolchain="zig",
        memory_mib=1024,
        power=Power(**power),
    )


def test_a_board_budget_below_idle() -> None:
    """Nothing that the agent leaves out could keep it; the numbers say so, and what would make sense."""
    with pytest.raises(OverBudget, match="2500 for the whole board") as caught:
        check_budget(Budget(power_mw=2500), _board(**MODELLED))

    assert "`my-board` draws 2700 mW when it is idle (±40 %; a plug meter)" in caught.value.message
    assert '`scope = "dynamic"`' in (caught.value.hint or "")
    check_budget(Budget(power_mw=2500, scope="dynamic"), _board(**MODELLED))


def test_more_memory_than_there_is() -> None:
    """A limit above the board's memory limits nothing."""
    with pytest.raises(OverBudget, match="is 2048, but the smallest `my-board` has 1024 MiB"):
        check_budget(Budget(memory_mib=2048), _board(**METERED))


@pytest.mark.parametrize(
    ("budget", "power", "said"),
    [
        ({"power_mw": 5000}, IDLE_ONLY, "it has no power meter, and there is no `core_mw`"),
        (
            {"power_mw": 5000, "meter": "model"},
            METERED,
            "`budget.meter` is `model`, and there is no",
        ),
        ({"power_mw": 500, "scope": "dynamic"}, METERED, "nobody knows what `my-board` draws"),
    ],
)
def test_a_power_that_nobody_could_tell(
    budget: dict[str, Any], power: dict[str, Any], said: str
) -> None:
    """Neither a meter nor a model, or no idle power to count from."""
    with pytest.raises(ConfigError) as caught:
        check_budget(Budget(**budget), _board(**power))

    assert said in caught.value.message
    assert "boards/" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("budget", "power", "said"),
    [
        (
            {"power_mw": 5000},
            MODELLED,
            "only reported on `my-board`: its power is modelled (±40 %)",
        ),
        (
            {"power_mw": 5000, "on_exceed": ("skip",)},
            MODELLED,
            'it changes nothing unless you write `meter = "model"`',
        ),
        (
            {"power_mw": 5000, "meter": "model", "on_exceed": ("skip",)},
            MODELLED,
            "is kept by what is modelled (±40 %), not measured",
        ),
        ({"power_mw": 5000}, METERED, None),
        ({"cpu_percent": 20}, IDLE_ONLY, None),
        ({}, IDLE_ONLY, None),
    ],
)
def test_what_a_figure_is_worth(
    budget: dict[str, Any], power: dict[str, Any], said: str | None
) -> None:
    """A model's figure is never passed off as a measurement."""
    notes = check_budget(Budget(**budget), _board(**power))

    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]
