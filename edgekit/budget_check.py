"""Whether a budget can be kept on a board at all, from what is known of both: before anything is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.errors import ConfigError, OverBudget

if TYPE_CHECKING:
    from edge_agent.config import Budget
    from edgekit.board import Board


def check_budget(budget: Budget, board: Board) -> tuple[str, ...]:
    """
    Return what the user should know about a budget on a board, a sentence each.

    Raises OverBudget for a budget that the board cannot keep, ConfigError for one of which nobody could tell.
    """
    _check_memory(budget, board)
    if budget.power_mw is None or board.is_host:
        return ()
    _check_idle(budget, board)
    _check_meter(budget, board)
    if _is_measured(budget, board):
        return ()
    doubt = f"modelled (±{board.power.uncertainty_percent} %), not measured"
    if budget.meter == "model":
        return (f"`budget.power_mw` is kept by what is {doubt}",)
    enforced = '; it changes nothing unless you write `meter = "model"`' if budget.actions else ""
    return (f"`budget.power_mw` is only reported on `{board.id}`: its power is {doubt}{enforced}",)


def _check_memory(budget: Budget, board: Board) -> None:
    if budget.memory_mib is None or board.memory_mib is None:
        return
    if budget.memory_mib > board.memory_mib:
        raise OverBudget(
            f"`budget.memory_mib` is {budget.memory_mib:g}, but the smallest `{board.id}` has {board.memory_mib} MiB in all",
            hint="lower `memory_mib` in [budget], or build for a larger board",
        )


def _check_idle(budget: Budget, board: Board) -> None:
    idle_mw = board.power.idle_mw
    if budget.scope != "board" or idle_mw is None or budget.power_mw is None:
        return
    if budget.power_mw <= idle_mw:
        raise OverBudget(
            f"`budget.power_mw` is {budget.power_mw:g} for the whole board, but `{board.id}` draws {idle_mw} mW when it is idle "
            f"(±{board.power.uncertainty_percent} %; {board.power.source})",
            hint=f'allow more than {idle_mw} mW, or write `scope = "dynamic"` to limit what the service adds to that',
        )


def _check_meter(budget: Budget, board: Board) -> None:
    power = board.power
    if budget.scope == "dynamic" and power.idle_mw is None:
        raise ConfigError(
            f"`budget.scope` is `dynamic`, but nobody knows what `{board.id}` draws when it is idle",
            hint='write `scope = "board"`, or describe your board with `idle_mw` in boards/',
        )
    if not _is_measured(budget, board) and not _is_modelled(board):
        how = "`budget.meter` is `model`" if budget.meter == "model" else "it has no power meter"
        raise ConfigError(
            f"nothing tells the power of `{board.id}`: {how}, and there is no `core_mw` to model it by",
            hint='remove `power_mw`, or copy the board to boards/ in your project: with `meter = "auto"` if you wire an INA219 or the like, else with a measured `core_mw`',
        )


def _is_measured(budget: Budget, board: Board) -> bool:
    return budget.meter == "auto" and board.power.meter != "none"


def _is_modelled(board: Board) -> bool:
    return board.power.idle_mw is not None and board.power.core_mw is not None
