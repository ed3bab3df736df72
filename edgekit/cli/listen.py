"""`edgekit listen`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from edgekit.cli.invocation import Command, Invocation

if TYPE_CHECKING:
    from edgekit.listen import Listening

_SHOWN_CHANNELS = 8


@click.command(cls=Command)
@click.argument("port")
@click.option("--baud", type=click.IntRange(1, 4_000_000), help="Listen at this speed only.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), help="Stop by itself after so long."
)
@click.pass_obj
def command(call: Invocation, *, port: str, baud: int | None, seconds: float | None) -> int:
    """Show what a sensor on a serial port says, before there is a model.

    Speed, format, channels and rate are found out by listening; Ctrl-C ends it with the lines for edgekit.toml.
    """
    from edge_agent.stop import stop_on_signals
    from edgekit.listen import listen

    live = not call.as_json and not call.console.quiet
    last: Listening | None = None
    with stop_on_signals() as stop:
        shown_s = 0.0
        for now in listen(port, stop, baud=baud, seconds=seconds):
            last = now
            if live:
                shown_s = _show(now, shown_s)
    if live and sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    _report(call, last, port)
    return 0 if last is not None and last.heard is not None else 1


def _show(now: Listening, shown_s: float) -> float:
    """Show how things stand: one line that is written over, or one a second where there is no terminal."""
    import time

    text = _line(now)
    if sys.stderr.isatty():
        from edgekit.cli.console import columns, printable

        sys.stderr.write(f"\r\x1b[K{printable(text)[: columns() - 1]}")
        sys.stderr.flush()
        return shown_s
    now_s = time.monotonic()
    if now_s - shown_s < 1.0:
        return shown_s
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
    return now_s


def _line(now: Listening) -> str:
    if now.heard is None:
        return f"{now.baud} baud: {now.total_bytes} bytes" + (
            ", nothing that is known" if now.total_bytes else ""
        )
    rate = "…" if now.rate_hz is None else f"{now.rate_hz:.4g} Hz"
    values = "  ".join(
        f"{name} {value:.6g}"
        for name, value in zip(now.heard.channels, now.heard.last, strict=True)
        if now.heard.channels.index(name) < _SHOWN_CHANNELS
    )
    more = len(now.heard.channels) - _SHOWN_CHANNELS
    return f"{now.baud} baud, {now.heard.format}, {rate}: {values}" + (
        f"  and {more} more" if more > 0 else ""
    )


def _report(call: Invocation, last: Listening | None, port: str) -> None:
    from edgekit.cli.console import printable
    from edgekit.errors import DataError

    if call.as_json:
        call.console.json(_facts(last, port))
        return
    if last is None or last.heard is None:
        if last is None or not last.total_bytes:
            raise DataError(
                f"nothing came from `{port}`",
                hint="look whether the sensor's program sends at all, and whether another port is meant: `ls -l /dev/serial/by-id`",
            )
        raise DataError(
            f"{last.total_bytes} bytes came from `{port}`, and nothing that is known",
            hint="name the speed of the sensor's program with `--baud`; frames need a sync or COBS with a CRC: see docs/sources/serial.md",
        )
    call.console.say(printable(last.lines()))
    for note in last.heard.notes:
        call.console.note(f"note: {printable(note)}")


def _facts(last: Listening | None, port: str) -> dict[str, object]:
    heard = None if last is None else last.heard
    if last is None or heard is None:
        return {"port": port, "format": None, "bytes": 0 if last is None else last.total_bytes}
    return {
        "port": port,
        "baud": last.baud,
        "bytes": last.total_bytes,
        "format": heard.format,
        "frame": heard.frame,
        "sync": heard.sync,
        "crc": heard.crc,
        "channels": list(heard.channels),
        "named": heard.named,
        "time": heard.time,
        "rate_hz": last.rate_hz,
        "last": list(heard.last),
        "notes": list(heard.notes),
    }
