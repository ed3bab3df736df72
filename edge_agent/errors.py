"""
Errors: one tree for the host and the device.

    EdgeKitError                 1  it failed
    ├── ConfigError              2  edgekit.toml, agent.json or an option is wrong
    ├── DataError                2  a recording or a stream of samples cannot be used
    ├── ModelError               3  the model cannot be read, converted or run
    │   └── NotProven            3  it runs, but not equal to its reference
    ├── OverBudget               4  it needs more memory, time or power than it may have, or does not fit the board
    ├── VerificationFailed       5  a digest, an accuracy or a vector is not what it should be
    └── ToolError                6  a program or a package is missing

The number is the exit code. A message names the thing (in backticks) and the value; a hint is an edit or a
command that the user can do now.
"""

from __future__ import annotations

import sys
from typing import Any


class EdgeKitError(Exception):
    """Anything that ends a command with a sentence instead of a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint is not None and sys.version_info >= (3, 11):  # a traceback shows notes
            self.add_note(f"hint: {hint}")


class ConfigError(EdgeKitError):
    """The configuration or an option is wrong."""

    exit_code = 2


class DataError(EdgeKitError):
    """A recording or a stream of samples cannot be used."""

    exit_code = 2


class ModelError(EdgeKitError):
    """The model cannot be read, converted or run."""

    exit_code = 3


class NotProven(ModelError):  # noqa: N818 (the public name of the verdict)
    """
    The converted model is not equal to its reference.

    `proof` is the evidence (the host's `edgekit.model.proof.prove.Proof`), `rewrites` what was done to the model before.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        proof: Any = None,
        rewrites: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.proof = proof
        self.rewrites = rewrites


class OverBudget(EdgeKitError):  # noqa: N818 (reads as the sentence it is)
    """It needs more memory, time or power than it may have, or does not fit the board."""

    exit_code = 4


class VerificationFailed(EdgeKitError):  # noqa: N818 (reads as the sentence it is)
    """A digest, an accuracy or a vector is not what it should be."""

    exit_code = 5


class ToolError(EdgeKitError):
    """A program or a package is missing."""

    exit_code = 6
