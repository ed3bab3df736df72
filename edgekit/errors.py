"""Errors of the host: the one tree that `edge_agent.errors` draws, under the host's own name."""

from edge_agent.errors import (
    ConfigError,
    DataError,
    EdgeKitError,
    ModelError,
    NotProven,
    OverBudget,
    ToolError,
    VerificationFailed,
)

__all__ = [
    "ConfigError",
    "DataError",
    "EdgeKitError",
    "ModelError",
    "NotProven",
    "OverBudget",
    "ToolError",
    "VerificationFailed",
]
