"""Results for people: a live line in a terminal, a line an event elsewhere."""

from __future__ import annotations

import os
import shutil
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TextIO

from edge_agent.summary import megabytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_agent.latency import LatencyHistogram
    from edge_agent.records import Event, Prediction
    from edge_agent.session import Memory

REDRAW_S = 0.1
RATE_OVER_S = 1.0
BAR_WIDTH = 10
EPOCH_S = (1e9, 1e11)
"""Times from 2001 to 5138 as seconds since 1970; no recording's own clock runs for thirty years."""


class TerminalSink:
    """
    Writes events as lines and, in a terminal, one live line below them, redrawn ten times a second at most.

    Honours NO_COLOR, TERM=dumb, the width of the terminal and an output that is not UTF-8.
    """

    def __init__(
        self,
        output: TextIO,
        *,
        latency: LatencyHistogram,
        memory: Callable[[], Memory],
        clock: Callable[[], float] = time.monotonic,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._output = output
        self._latency = latency
        self._memory = memory
        self._clock = clock
        self._live = output.isatty() and environment.get("TERM") != "dumb"
        self.prompt = self._live
        """Somebody watches: predictions are wanted at once."""
        self._color = self._live and not environment.get("NO_COLOR")
        self._plain = not _can_encode(output, "█░µ→")
        self._dim, self._normal = ("\x1b[2m", "\x1b[0m") if self._color else ("", "")
        self._group: str | None = None
        self._date = ""
        """What the last separator said; the events below it share it."""
        self._last: Prediction | None = None
        self._label_width = 0
        self._drawn_s = -REDRAW_S
        self._line = ""
        """What the live line shows now."""
        self._rate = 0.0
        self._counted = 0
        self._counted_since_s = clock()

    def write(self, predictions: Sequence[Prediction], events: Sequence[Event]) -> None:
        """Show what a block brought."""
        self._counted += len(predictions)
        if predictions:
            self._last = predictions[-1]
        if events:
            self._erase()
            self._print("".join(map(self._event_text, events)))
        if self._live:
            self._draw(at_once=bool(events))
        elif events:
            self._output.flush()

    def close(self) -> None:
        """Leave the cursor on a fresh line."""
        if self._live and self._last is not None:
            self._draw(at_once=True)
            self._print("\n")
        self._output.flush()

    def _draw(self, *, at_once: bool) -> None:
        now_s = self._clock()
        if self._last is None or (now_s - self._drawn_s < REDRAW_S and not at_once):
            return
        passed_s = now_s - self._counted_since_s
        if passed_s >= RATE_OVER_S or not self._rate:
            self._rate = self._counted / passed_s if passed_s > 0 else 0.0
        if passed_s >= RATE_OVER_S:
            self._counted, self._counted_since_s = 0, now_s
        line = self._live_text(self._last, shutil.get_terminal_size().columns - 1)
        if self._color:
            label, _, rest = line.partition(" ")
            line = f"\x1b[1m{label}\x1b[0m {rest}"
        if line != self._line:
            self._print(f"\r{line}\x1b[K")
            self._line = line
        self._output.flush()
        self._drawn_s = now_s

    def _erase(self) -> None:
        if self._line:
            self._print("\r\x1b[K")
            self._line = ""

    def _live_text(self, prediction: Prediction, width: int) -> str:
        parts = [self._result_text(prediction), f"{self._rate:.1f} windows/s"]
        p99_s = self._latency.percentile_s(99)
        if p99_s is not None:
            parts.append(f"p99 {p99_s * 1e6:.0f} {'us' if self._plain else 'µs'}")
        parts.append(f"mem {megabytes(self._memory().live_bytes)}")
        line = "  ".join(parts)
        if len(line) > width:
            line = line.replace(" windows/s", "/s", 1)
        return line[:width]

    def _result_text(self, prediction: Prediction) -> str:
        label, score = prediction.label, prediction.score
        if label is None:
            return "  ".join(f"{value:.4g}" for value in prediction.values[:4])
        label = self._shown(label)
        self._label_width = max(self._label_width, len(label))
        if score is None:
            return f"{label:<{self._label_width}}"
        if not 0 <= score <= 1:  # no probability: a bar would mean nothing
            return f"{label:<{self._label_width}} {score:.4g}"
        full = round(score * BAR_WIDTH)
        filled, empty = "#-" if self._plain else "█░"
        return (
            f"{label:<{self._label_width}} {filled * full}{empty * (BAR_WIDTH - full)} {score:.2f}"
        )

    def _event_text(self, event: Event) -> str:
        """Return the line of an event, below a line with its recording and its date where these are new."""
        if event.kind == "level":
            level = self._shown(event.label)
            return f"{self._dim}level {level}: {event.reason}{self._normal}\n"
        date, time_text = _date_and_time(event.time_s)
        news = []
        if event.group != self._group and event.group is not None:
            news.append(self._shown(event.group or None))
        if date != self._date and date:
            news.append(date)
        self._group, self._date = event.group, date
        rule = "--" if self._plain else "──"
        above = f"{self._dim}{rule} {'  '.join(news)}{self._normal}\n" if news else ""
        arrow = "->" if self._plain else "→"
        states = f"{self._shown(event.previous)} {arrow} {self._shown(event.label)}"
        output = "" if event.output is None else f"{self._shown(event.output)}: "
        score = "" if event.score is None else f"  {event.score:.2f}"
        return f"{above}{time_text}  {output}{states}{score}\n"

    def _shown(self, label: str | None) -> str:
        """Return a label that cannot move the cursor or break the line."""
        if label is None:
            return "(none)"  # `none` may be a label
        return label if label.isprintable() else repr(label)

    def _print(self, text: str) -> None:
        encoding = self._output.encoding or "utf-8"
        self._output.write(text.encode(encoding, "replace").decode(encoding))


def _date_and_time(time_s: float) -> tuple[str, str]:
    """Return date and wall-clock time of an epoch time, here; of any other no date, and the seconds."""
    if not EPOCH_S[0] <= time_s < EPOCH_S[1]:
        return "", f"{time_s:10.2f} s"
    moment = datetime.fromtimestamp(time_s, timezone.utc).astimezone()
    clock = f"{moment:%H:%M:%S}.{moment.microsecond // 100_000}"
    return f"{moment:%Y-%m-%d}", f"{clock:>12}"


def _can_encode(output: TextIO, text: str) -> bool:
    try:
        text.encode(output.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
