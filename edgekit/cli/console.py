"""
Output: results on stdout, everything else on stderr; colours and drawings only where they can be shown.

Colours: only in a terminal, and never with NO_COLOR (no-color.org). Where the encoding lacks the
characters that EdgeKit draws with, plain ones stand in.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PLAIN = str.maketrans(
    {
        "…": "...",
        "→": "->",
        "×": "x",  # noqa: RUF001 (what is drawn on purpose)
        "–": "-",  # noqa: RUF001 (as above)
        "—": "-",
        "·": "*",
        "≥": ">=",
        "≤": "<=",
        "−": "-",  # noqa: RUF001 (as above)
        "█": "#",
        "░": ".",
    }
)
_LEAST_COLUMNS = 24
"""Text is never broken into narrower columns than that."""
_COLOURS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


@dataclass
class Console:
    """The terminal, or whatever stands in its place."""

    quiet: bool = False
    verbose: bool = False

    def say(self, text: str = "") -> None:
        """Print a line of the result."""
        _write(sys.stdout, f"{text}\n")

    def note(self, text: str) -> None:
        """Print a line beside the result, unless the user wants quiet."""
        if not self.quiet:
            _write(sys.stderr, f"{text}\n")

    def error(self, text: str) -> None:
        """Print a line of an error."""
        _write(sys.stderr, f"{text}\n")

    def json(self, facts: Mapping[str, Any]) -> None:
        """Print facts for a program: one JSON object, which never holds NaN."""
        self.say(json.dumps(_finite(facts), indent=2, ensure_ascii=False, allow_nan=False))

    def style(self, text: str, colour: str, *, stream: TextIO | None = None) -> str:
        """Colour a text for stdout (or for another stream), if that shows colours."""
        shown = stream or sys.stdout
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not shown.isatty():
            return text
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"

    def facts(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print names and values in two columns; a value may have several lines, and long ones are broken."""
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            first, *more = _broken(printable(value), width + 4) or [""]
            self.say(f"  {name:<{width}}  {first}".rstrip())
            for line in more:
                self.say(f"  {'':<{width}}  {line}")

    def remark(self, word: str, colour: str, text: str) -> None:
        """Print `warning: …`, `hint: …` and the like; long ones are broken and aligned."""
        first, *more = _broken(printable(text), len(word) + 2) or [""]
        self.say(f"{self.style(f'{word}:', colour)} {first}".rstrip())
        for line in more:
            self.say(f"{'':<{len(word) + 1}} {line}")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table: first column left, all others right."""
        rows = [[printable(cell) for cell in row] for row in rows]
        widths = _widths(header, rows)
        for index, row in enumerate((header, *rows)):
            cells = [
                f"{cell:<{w}}" if at == 0 else f"{cell:>{w}}"
                for at, (cell, w) in enumerate(zip(row, widths, strict=True))
            ]
            line = "  " + "  ".join(cells).rstrip()
            self.say(self.style(line, "dim") if index == 0 else line)

    @contextlib.contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show what takes its time, in a terminal, until it is done."""
        self.draw(f"{what} …")
        try:
            yield
        finally:
            self.draw("")

    def draw(self, text: str) -> None:
        """Show a line that the next one replaces, in a terminal; an empty one only clears it."""
        if sys.stderr.isatty() and not self.quiet:
            _write(sys.stderr, f"\r\x1b[K{printable(text)[: columns() - 1]}")
            sys.stderr.flush()


def columns() -> int:
    """Return the width of the terminal: COLUMNS if that is set, 80 where there is no terminal."""
    return shutil.get_terminal_size().columns


def table_width(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return how many columns `Console.table` takes for a table."""
    widths = _widths(header, [[printable(cell) for cell in row] for row in rows])
    return sum(2 + width for width in widths)


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]


def _broken(text: str, indent: int) -> list[str]:
    """Break a text into lines for the columns right of `indent`; what is in backticks stays whole, to be copied."""
    width = max(_LEAST_COLUMNS, columns() - indent)
    whole = re.sub(r"`[^`\n]*`", lambda found: found[0].replace(" ", "\0"), text)
    return [
        line.replace("\0", " ")
        for paragraph in whole.splitlines()
        for line in textwrap.wrap(paragraph, width, break_long_words=False, break_on_hyphens=False)
        or [""]
    ]


def printable(text: str) -> str:
    """Show control characters instead of sending them: names out of a model's file must not steer the terminal."""
    return "".join(
        mark if (mark >= " " and mark != "\x7f") or mark in "\n\t" else f"\\x{ord(mark):02x}"
        for mark in text
    )


def bar(share: float, width: int = 20) -> str:
    """Draw a share of 0 to 1."""
    filled = round(max(0.0, min(1.0, share)) * width)
    return "█" * filled + "░" * (width - filled)


def size(count_bytes: float) -> str:
    """Return a size as people write it: `51 KiB`."""
    for unit in ("B", "KiB", "MiB"):
        if count_bytes < 1024:  # noqa: PLR2004 (a KiB)
            return f"{count_bytes:.0f} {unit}" if unit == "B" else f"{count_bytes:.3g} {unit}"
        count_bytes /= 1024
    return f"{count_bytes:.3g} GiB"


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
    stream.write(text)


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: `null` stands for both."""
    if isinstance(value, float):
        return value if abs(value) <= sys.float_info.max else None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
