"""
What happened, a line each: `level=warning event=source-absent device=/dev/ttyUSB0 message="…"`.

Written to standard error, for the journal with its priorities (`<4>`, as in sd-daemon(3)). A kind of message that
comes often is held back and counted. Nothing here knows a secret: these stand in files that only sinks open.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = str | float | int | bool | None
Severity = Literal["error", "warning", "info"]
PRIORITIES: dict[Severity, int] = {"error": 3, "warning": 4, "info": 6}
"""As in syslog(3)."""

BURST = 5
"""So many lines of a kind may follow each other at once."""
REFILL_S = 60.0
"""After so long one more line of the kind may be written."""
LONGEST_VALUE = 400
_PLAIN = re.compile(r"[\w.,:;/@%+*~?!()\[\]<>|-]+")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]*@")
"""`user:password@` in an address: a place for secrets that people use in spite of everything."""


class Log:
    """
    Writes lines with at most `BURST` of a kind at once and one a minute after that.

    `output` None writes nothing; `journal` puts a priority before each line. A line that cannot be written is lost:
    no disk and no journal stops the measurements.
    """

    def __init__(
        self,
        output: TextIO | None,
        *,
        journal: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._output = output
        self._journal = journal
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    @property
    def active(self) -> bool:
        """Whether anything is written at all."""
        return self._output is not None

    def error(self, event: str, message: str = "", /, **values: Value) -> None:
        """Report what ends the run, or loses data."""
        self._write("error", event, message, values)

    def warning(self, event: str, message: str = "", /, **values: Value) -> None:
        """Report what somebody should look at."""
        self._write("warning", event, message, values)

    def info(self, event: str, message: str = "", /, **values: Value) -> None:
        """Report what is as it should be."""
        self._write("info", event, message, values)

    def _write(
        self, severity: Severity, event: str, message: str, values: Mapping[str, Value]
    ) -> None:
        if self._output is None:
            return
        kind = self._kinds.setdefault(event, _Kind())
        if not kind.admits(self._clock()):
            return
        suppressed = kind.take_suppressed()
        pairs: dict[str, Value] = {"level": severity, "event": event, **values}
        if suppressed:
            pairs["suppressed"] = suppressed
        if message:
            pairs["message"] = message
        prefix = f"<{PRIORITIES[severity]}>" if self._journal else ""
        line = " ".join(f"{name}={_shown(value)}" for name, value in pairs.items())
        try:
            self._output.write(f"{prefix}{line}\n")
            self._output.flush()
        except (OSError, ValueError):  # full, gone or closed: nowhere is left to say so
            return


class _Kind:
    """The allowance of one kind of message: a bucket of `BURST` that gets one more every `REFILL_S`."""

    __slots__ = ("_allowance", "_since_s", "_suppressed")

    def __init__(self) -> None:
        self._allowance = float(BURST)
        self._since_s: float | None = None
        self._suppressed = 0

    def admits(self, now_s: float) -> bool:
        if self._since_s is not None:
            self._allowance = min(BURST, self._allowance + (now_s - self._since_s) / REFILL_S)
        self._since_s = now_s
        if self._allowance < 1:
            self._suppressed += 1
            return False
        self._allowance -= 1
        return True

    def take_suppressed(self) -> int:
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed


def _shown(value: Value) -> str:
    """Return a value as one word, quoted where it is none; control characters cannot forge another line."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = _CREDENTIALS.sub("…@", str(value))
    if len(text) > LONGEST_VALUE:
        text = text[: LONGEST_VALUE - 1] + "…"
    if _PLAIN.fullmatch(text) and text.isascii():
        return text
    quoted = "".join(
        mark if mark.isprintable() and mark not in '"\\' else _escaped(mark) for mark in text
    )
    return f'"{quoted}"'


def _escaped(mark: str) -> str:
    return f"\\{mark}" if mark in '"\\' else ascii(mark)[1:-1]


def is_journal(environment: Mapping[str, str], output: TextIO | None) -> bool:
    """Return whether `output` goes to the journal: systemd names its device and inode (systemd.exec(5))."""
    try:
        found = os.fstat(output.fileno()) if output is not None else None
    except (OSError, ValueError):
        return False
    return (
        found is not None and environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
    )
