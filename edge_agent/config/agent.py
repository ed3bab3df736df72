"""The whole of `agent.json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edge_agent.config.budget import BoardFacts, Budget
from edge_agent.config.sinks import Sink  # noqa: TC001 (read at run time by `schema` and by pydantic)
from edge_agent.config.sources import Source  # noqa: TC001 (as above)
from edge_agent.config.stream import Calibration, Decision, Output, Stream


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The model in the bundle, and the engine that it needs."""

    path: str
    """NNEF archive, relative to agent.json."""
    sha256: str
    engine: str
    """Engine that wrote it, such as `tract 0.23.9`."""
    registries: tuple[str, ...]
    """Operator registries it was proven with."""
    mode: Literal["window", "incremental", "stateful", "tensor"] = "window"
    """How it runs: over whole windows, over what is new, with state from window to window, or on named tensors."""
    unproven: str = ""
    """Why it ships although its proof is not accepted; stamped on every event. Empty: it is accepted."""


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """`agent.json`, complete: nothing is left to defaults that may change."""

    format: Literal[1] = 1
    name: str
    version: str
    model: Archive
    labels: tuple[str, ...]
    input: Stream
    output: Output
    source: Source
    decision: Decision = field(default_factory=Decision)
    sinks: tuple[Sink, ...] = ()
    budget: Budget = field(default_factory=Budget)
    board: BoardFacts | None = None
    """The board it was built for; None on the host."""
    calibration: Calibration | None = None
    """Of this one device; see `edge_agent.overlay`."""

    def __post_init__(self) -> None:
        self._check_budget()
        if self.calibration is not None:
            self.calibration.check_fits(self.input.channels)

    def _check_budget(self) -> None:
        """Refuse to pass over single windows of a model that carries state from one to the next."""
        if self.model.mode != "stateful":
            return
        for action in self.budget.actions:
            if action != "pause":
                raise ValueError(
                    f"`budget.on_exceed` has `{action}`, which passes windows over, but the model carries state from window "
                    'to window: only `"pause"` keeps its results right, which begins with fresh state'
                )
