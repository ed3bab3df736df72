"""Findings: what is probably wrong though nothing has failed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that the user should know."""

    severity: Literal["warning", "note"]
    """`warning`: results are probably wrong; `note`: worth knowing."""
    message: str
    """A sentence in lower case with the numbers that were measured."""
    hint: str | None = None
    """An edit to do now."""

    def to_json(self) -> dict[str, Any]:
        """Return the finding in JSON's types."""
        return asdict(self)
