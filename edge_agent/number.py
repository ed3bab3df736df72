"""Numbers as loggers write them; Python reads more than these."""

from __future__ import annotations


def is_plain(text: str) -> bool:
    """Return whether Python reads nothing in a text as a number that no logger means as one: `1_0`, or the digits of another script."""
    return "_" not in text and text.strip().isascii()


def read_number(text: str) -> float:
    """Read a number; raise ValueError for everything else."""
    if not is_plain(text):
        raise ValueError(f"no number: {text[:40]!r}")
    return float(text)
