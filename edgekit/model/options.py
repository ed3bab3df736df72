"""What a project asks of the way its model is computed, whichever form it takes: mode, quantisation, state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from edgekit.project import Project

WantedMode = Literal["auto", "incremental", "window"]
Quantised = Literal["exact", "fold"]
Mode = Literal["incremental", "window", "stateful", "tensor"]
"""How an archive runs: see `docs/models.md`."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The part of `[model]` that decides how the graph is made, beside what `GraphSpec` says of the stream."""

    mode: WantedMode = "auto"
    """Streams: `auto` takes the cheaper of what can be proven."""
    quantized: Quantised = "exact"
    """`fold`: QuantizeLinear and DequantizeLinear are removed; the model is computed in float32."""
    state: tuple[tuple[str, str], ...] = ()
    """Inputs of the model that are its state, each with the output that gives it back; empty: found by themselves."""

    @classmethod
    def of(cls, project: Project) -> Self:
        """Return what a project asks for."""
        model = project.model
        return cls(mode=model.mode, quantized=model.quantized, state=tuple(model.state.items()))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `from_json` reads it back."""
        return {
            "mode": self.mode,
            "quantized": self.quantized,
            "state": [list(pair) for pair in self.state],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` gave."""
        pairs = tuple((str(given), str(back)) for given, back in value["state"])
        return cls(mode=value["mode"], quantized=value["quantized"], state=pairs)


DEFAULTS = ModelOptions()
"""What holds where a project says nothing."""
