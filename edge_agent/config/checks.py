"""What the dataclasses of the configuration have in common."""

from __future__ import annotations

import math
from typing import Any

STRICT: dict[str, Any] = {"extra": "forbid", "use_attribute_docstrings": True}
"""Read by pydantic on the host: an unknown key is an error, docstrings describe the keys."""


def check(good: bool, message: str) -> None:
    """Raise ValueError with the message if it is not good."""
    if not good:
        raise ValueError(message)


def check_finite(name: str, value: float | None) -> None:
    """Raise ValueError for what TOML can write and nothing compares with: nan and inf."""
    check(value is None or math.isfinite(value), f"`{name}` is {value}: must be finite")


def per_channel(
    name: str, value: float | tuple[float, ...] | None, count: int, default: float
) -> tuple[float, ...]:
    """Return one finite number for each of `count` channels. Raises ValueError if there are more or fewer."""
    if value is None:
        return (default,) * count
    values = value if isinstance(value, tuple) else (value,) * count
    check(len(values) == count, f"`{name}` has {len(values)} values for {count} channels")
    for each in values:
        check_finite(name, each)
    return values
