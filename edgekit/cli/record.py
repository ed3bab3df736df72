"""`edgekit record`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli.invocation import Command, Invocation

if TYPE_CHECKING:
    from edge_agent.config import Stream
    from edge_agent.sources import Source
    from edge_agent.stop import StopSignal
    from edgekit.record import Recorder

_SOUNDING_S = 20.0
"""Longest that a port without a project is listened to before it is recorded."""


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--label", metavar="NAME", help="What is being done: the label of these samples.")
@click.option("--port", metavar="PORT", help="A serial port, instead of the project's source.")
@click.option("--baud", type=click.IntRange(1, 4_000_000), help="The port's speed, if known.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), help="Stop by itself after so long."
)
@click.pass_obj
def command(  # noqa: PLR0913 (click gives each option by name)
    call: Invocation,
    *,
    file: Path,
    label: str | None,
    port: str | None,
    baud: int | None,
    seconds: float | None,
) -> int:
    """Write a sensor's samples to a file to train with, labelled.

    FILE is .csv, or .npz for NumPy; the samples are those of the project's source, or of a port. A file that is there is continued with another session; windows never span two. Ctrl-C ends a recording.
    """
    from edge_agent.stop import stop_on_signals
    from edgekit.record import Recorder

    rows = _rows_of(file)
    with stop_on_signals() as stop:
        if port is None:
            source, stream = _of_project(call)
        else:
            source, stream = _of_port(call, port, baud, stop)
        recorder = Recorder(rows, stream.channels, label)
        try:
            _record(call, source, recorder, stop, seconds)
        finally:
            recorder.close()
    if file != rows and recorder.samples:
        _export(rows, file, stream)
    _report(call, file, recorder, source)
    return stop.exit_code if not recorder.samples else 0


def _rows_of(file: Path) -> Path:
    """Return the CSV that is written to: the file itself, or one beside an NPZ, which cannot be continued in place."""
    from edgekit.errors import ConfigError

    kind = file.suffix.lower()
    if kind not in {".csv", ".npz"}:
        raise ConfigError(
            f"`{file}` is neither .csv nor .npz", hint=f"write to `{file.with_suffix('.csv')}`"
        )
    return file if kind == ".csv" else file.with_name(f"{file.name}.csv")


def _of_project(call: Invocation) -> tuple[Source, Stream]:
    """Return the project's source, and the stream of what the sensor itself says."""
    from dataclasses import fields

    from edge_agent import config
    from edge_agent.agent import source_of
    from edgekit.errors import ConfigError
    from edgekit.project import StreamInput

    opened = call.open_project()
    project = opened.project
    if not isinstance(project.input, StreamInput) or project.source is None:
        raise ConfigError(
            "the project has no [source] of samples to record",
            hint="name a port with `--port`, or add a [source] to edgekit.toml",
        )
    if isinstance(project.source, config.ReplaySource):
        raise ConfigError(
            "the project's source is a recording already",
            hint="name a port with `--port`, or another [source] in edgekit.toml",
        )
    # What is recorded is what the sensor says: nothing is dropped or mended but what is no number.
    # The first rows wait for a window until their clock is known: here that is as short as may be.
    free = {
        "window": 1,
        "min": None,
        "max": None,
        "stuck_samples": None,
        "hold_samples": None,
        "on_bad": "drop",
    }
    values = {item.name: getattr(project.input, item.name) for item in fields(config.Stream)}
    stream = config.Stream(**{**values, **free})
    return source_of(project.source, stream, opened.folder), stream


def _of_port(
    call: Invocation, port: str, baud: int | None, stop: StopSignal
) -> tuple[Source, Stream]:
    """Listen to a port until it is known what comes, as `edgekit listen` does; return it as a source."""
    from edge_agent import config
    from edge_agent.sources.serial import SerialSource
    from edgekit.errors import DataError
    from edgekit.listen import listen, round_rate

    with call.console.working(f"listening to {port}"):
        for now in listen(port, stop, baud=baud, seconds=_SOUNDING_S):
            heard, rate_hz = now.heard, now.rate_hz
            if heard is None or rate_hz is None:
                continue
            source = config.SerialSource(
                port=port,
                baud=now.baud,
                format=heard.format,
                frame=heard.frame,
                sync=heard.sync,
                crc="crc16-ccitt" if heard.crc == "crc16-ccitt" else "crc32",
                time=heard.time,
            )
            hop = max(1, round(rate_hz))
            stream = config.Stream(
                channels=heard.channels, rate_hz=round_rate(rate_hz), window=1, hop=hop
            )
            return SerialSource(stream, source, header=heard.header), stream
    raise DataError(
        f"nothing that is known came from `{port}`",
        hint=f"look closer with `edgekit listen {port}`",
    )


def _record(
    call: Invocation,
    source: Source,
    recorder: Recorder,
    stop: StopSignal,
    seconds: float | None,
) -> None:
    began_s = shown_s = time.monotonic()
    for block in source.blocks(stop):
        if block is not None:
            recorder.write(block)
        now_s = time.monotonic()
        if sys.stderr.isatty() and not call.console.quiet and now_s - shown_s > 0.25:  # noqa: PLR2004 (four times a second)
            shown_s = now_s
            sys.stderr.write(
                f"\r\x1b[K{source.state}: {recorder.samples} samples in {now_s - began_s:.0f} s"
            )
            sys.stderr.flush()
        if seconds is not None and now_s - began_s >= seconds:
            stop.request()
    if sys.stderr.isatty() and not call.console.quiet:
        sys.stderr.write("\r\x1b[K")


def _export(rows: Path, file: Path, stream: Stream) -> None:
    from edgekit.model.recording_arrays import export

    export(rows, file, stream.channels, stream.rate_hz)


def _report(call: Invocation, file: Path, recorder: Recorder, source: Source) -> None:
    from edgekit.cli.console import printable
    from edgekit.errors import DataError

    if call.as_json:
        call.console.json(
            {
                "file": str(file),
                "samples": recorder.samples,
                "segments": recorder.segments,
                "session": recorder.session,
                "rate_hz": source.rate_hz_measured,
                "dropped": dict(source.counts.dropped),
                "notes": list(source.notes),
            }
        )
    elif recorder.samples:
        rate = source.rate_hz_measured
        measured = "" if rate is None else f", {rate:.4g} Hz"
        call.console.say(
            f"{recorder.samples} samples{measured} in `{file}`, session {recorder.session}"
        )
        for note in source.notes:
            call.console.note(f"note: {printable(note)}")
    if not recorder.samples:
        raise DataError(
            "no sample came", hint=next(iter(source.notes), "look whether the sensor sends at all")
        )
