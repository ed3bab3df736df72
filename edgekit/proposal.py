"""
What a new edgekit.toml says: every key with its value, where that comes from, and whether it is a guess.

`edgekit.deduction` makes a proposal of what model and recording tell; here it becomes text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the file."""

    section: str
    key: str
    value: Any
    """None: to be filled in; the line is a comment with the example."""
    origin: str
    """Where the value comes from, or what to fill in."""
    guessed: bool = False
    needed: bool = True
    """False: a comment that shows what is possible."""
    example: Any = None

    @property
    def dotted(self) -> str:
        """Section and key, as errors name it."""
        return f"{self.section}.{self.key}"

    def line(self) -> str:
        """Return the line as it is written."""
        # a file's name may hold anything, a comment nothing that TOML would stumble over
        origin = "".join(mark if mark.isprintable() else " " for mark in self.origin)
        if self.value is None:
            return f"# {self.key} = {toml(self.example)}  # {origin}"
        guess = "guessed: " if self.guessed else ""
        comment = f"  # {guess}{origin}" if origin else ""
        return f"{self.key} = {toml(self.value)}{comment}"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A whole edgekit.toml."""

    entries: tuple[Entry, ...]

    @property
    def missing(self) -> tuple[Entry, ...]:
        """What nothing tells and the project needs."""
        return tuple(entry for entry in self.entries if entry.value is None and entry.needed)

    @property
    def guesses(self) -> tuple[Entry, ...]:
        """What is worth a look."""
        return tuple(entry for entry in self.entries if entry.guessed)

    def text(self, schema_name: str) -> str:
        """Return the file; its first line lets editors complete the keys."""
        lines = [f"#:schema ./{schema_name}"]
        section = ""
        for entry in self.entries:
            if entry.section != section:
                section = entry.section
                lines += ["", "[[sink]]" if section == "sink" else f"[{section}]"]
            lines.append(entry.line())
        return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """Write a value as TOML: JSON is TOML, but for tables and the characters that TOML wants escaped."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")
