"""What may ship: a proven model, an approximate one where the project accepts it, any other only with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from edgekit.errors import ConfigError, NotProven

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.model.proof.proof import Proof

LONGEST_REASON: Final = 500
"""Characters: it stands in every event."""


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """What a project and its user accept."""

    accept: Literal["proven", "approximate"] = "proven"
    allow_unproven: str | None = None
    """Why a model is to ship that is not accepted; None: it is not to."""

    def __post_init__(self) -> None:
        why = self.allow_unproven
        if why is None:
            return
        if not why.strip() or not why.isprintable():
            raise ConfigError(
                f"`--allow-unproven` gives {why!r} as the reason: it is stamped on everything that the model says",
                hint='say in a line why it ships all the same: `--allow-unproven "bench test until the new export"`',
            )
        if len(why) > LONGEST_REASON:
            raise ConfigError(
                f"the reason of `--allow-unproven` has {len(why)} characters: at most {LONGEST_REASON}"
            )

    def stamp(self, path: Path, proof: Proof, rewrites: tuple[str, ...]) -> str:
        """Return what is stamped on a model that ships: nothing if it is accepted, else why it ships. Raises NotProven."""
        if proof.verdict in ("proven", self.accept):
            return ""
        if self.allow_unproven is not None:
            return self.allow_unproven.strip()
        raise not_proven(path, proof, rewrites)


def not_proven(path: Path, proof: Proof, rewrites: tuple[str, ...]) -> NotProven:
    """Return the error for a model that is not accepted."""
    if proof.verdict == "approximate":
        return NotProven(
            f"`{path}` is only approximate: {_with_suspect(proof)}{_agreement(proof)}",
            hint='accept that with `accept = "approximate"` in [proof]: `edgekit check` then says how its decisions agree',
            proof=proof,
            rewrites=rewrites,
        )
    return NotProven(
        f"`{path}` is refused: {_with_suspect(proof)}",
        hint=_hint(proof),
        proof=proof,
        rewrites=rewrites,
    )


def _with_suspect(proof: Proof) -> str:
    return proof.reason if proof.suspect is None else f"{proof.reason}; {proof.suspect}"


def _agreement(proof: Proof) -> str:
    if proof.argmax_agreement is None:
        return ""
    return f"; the largest value is the reference's on {proof.argmax_agreement:.1%} of inputs"


def _hint(proof: Proof) -> str:
    if proof.codes:
        return "export the model in float32, not quantised: then it can be proven"
    if proof.suspect is not None and proof.suspect.operator:
        return (
            f"export the model without {proof.suspect.chain}, which the engine computes differently"
        )
    return "do not use this model as it is: what was tried and what came of it is in `edgekit check --json`"
