"""A model whose proof is not accepted, and one with state: what the agent says and refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import Budget
from edge_agent.inference import Inference
from edge_agent.pace import level_event
from edge_agent.records import Block, event_to_json
from edge_agent.testing import FakeStream, ManualClock, pack_samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_agent.config import AgentConfig

    Make = Callable[..., AgentConfig]

WHY = "a bench test"


def _event(config: AgentConfig) -> dict[str, object]:
    inference = Inference(config, FakeStream(4, 2, 2), clock=ManualClock())
    samples = pack_samples([(float(number), -1.0) for number in range(8)])
    _, events = inference.take(Block(samples, 8, 0.0, 0.02, "start"), ManualClock())
    return event_to_json(events[0])


def test_every_event_says_why_an_unproven_model_runs(agent_config: Make) -> None:
    """The stamp is a key of the event; an accepted model has no such key."""
    config = agent_config()
    stamped = replace(config, model=replace(config.model, unproven=WHY))

    assert _event(stamped)["unproven"] == WHY
    assert "unproven" not in _event(config)


def test_so_do_changes_of_level() -> None:
    """They are events too."""
    event = level_event("skip", "full", "too much")
    event.unproven = WHY

    assert event_to_json(event)["unproven"] == WHY


@pytest.mark.parametrize("action", ["stretch-hop", "skip"])
def test_windows_of_a_model_with_state_are_not_passed_over(agent_config: Make, action: str) -> None:
    """The sentence names the action that remains; a pause, which begins with fresh state, is accepted."""
    config = agent_config()
    model = replace(config.model, mode="stateful")
    refused = Budget(cpu_percent=10, on_exceed=(action,))  # type: ignore[arg-type]
    accepted = Budget(cpu_percent=10, on_exceed=("pause",))

    with pytest.raises(ValueError, match=f"`{action}`, which passes windows over"):
        replace(config, model=model, budget=refused)

    assert replace(config, model=model, budget=accepted).budget == accepted
