"""
`python -m edge_agent uplink AGENT_JSON --state DIR`: the uplink as a process.

The agent starts it (`start.py`) and starts it again when it ends; it may as well have a systemd unit of its own.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.errors import ConfigError, EdgeKitError
from edge_agent.logs import Log, is_journal
from edge_agent.overlay import read_settings
from edge_agent.schema import read_agent_config
from edge_agent.sinks.mqtt_client import MqttLink
from edge_agent.spool.files import DiskFiles
from edge_agent.spool.lock import FolderLock
from edge_agent.spool.place import spool_folders
from edge_agent.spool.reader import SpoolReader
from edge_agent.stop import StopSignal, stop_on_signals
from edge_agent.uplink.forwarder import Forwarder
from edge_agent.uplink.messages import Messages
from edge_agent.uplink.report import Report, read_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.config import MqttSink
    from edge_agent.overlay import Settings

LOOK_S = 1.0
END_S = 1.4
"""How long a stop waits for the connections; a name that is still looked up is left to itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, `uplink` and what follows it; return the exit code."""
    options = _parser().parse_args(arguments)
    report = Log(sys.stderr if options.log else None, journal=is_journal(os.environ, sys.stderr))
    try:
        agent = read_agent_config(options.config)
        settings = read_settings(agent, options.config, options.overlay)
        if options.state is None:
            raise ConfigError("there is no state folder", hint="name the agent's: `--state DIR`")
        with stop_on_signals() as stop:
            return Uplink(settings, options.state, options.status, report).run(
                stop, lifeline=sys.stdin.fileno() if options.with_parent else None
            )
    except EdgeKitError as error:
        if options.verbose:
            traceback.print_exc()
        if options.log:
            report.error("uplink-failed", error.message, hint=error.hint)
        else:
            sys.stderr.write(
                f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else "")
            )
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edge_agent", description="Send what waits in the spool."
    )
    parser.add_argument("command", choices=["uplink"], help=argparse.SUPPRESS)
    parser.add_argument(
        "config", type=Path, metavar="AGENT_JSON", help="the configuration that the agent runs"
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=os.environ.get("STATE_DIRECTORY"),
        metavar="DIR",
        help="the agent's state folder; by default $STATE_DIRECTORY",
    )
    parser.add_argument(
        "--status", type=Path, metavar="FILE", help="the agent's status, for the heartbeat"
    )
    parser.add_argument("--overlay", type=Path, metavar="FILE", help="the device's own settings")
    parser.add_argument("--log", action="store_true", help="write a line on what happens")
    parser.add_argument(
        "--with-parent", action="store_true", help="end when standard input is closed"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show where an error comes from"
    )
    return parser


@dataclass(frozen=True, slots=True)
class _Line:
    """One sink: its forwarder and the lock on its spool."""

    forwarder: Forwarder
    lock: FolderLock


class Uplink:
    """All mqtt sinks of one agent, each with a thread of its own."""

    def __init__(self, settings: Settings, state: Path, status: Path | None, log: Log) -> None:
        """Raise EdgeKitError if a spool cannot be opened, or another uplink reads it."""
        self._settings = settings
        self._status = status
        self._log = log
        self._failed = False
        folders = spool_folders(settings.agent, state)
        if not folders:
            raise ConfigError(
                "there is no mqtt sink, so nothing to send", hint="add a [[sink]] to edgekit.toml"
            )
        self._lines = {name: self._line(name, *each) for name, each in folders.items()}
        self._report = Report(state if status is None else status.parent)

    def run(self, stop: StopSignal, *, lifeline: int | None) -> int:
        """Send until a stop is requested, or `lifeline` ends; return the exit code."""
        threads = [
            threading.Thread(target=self._forward, args=(line, stop), name=name, daemon=True)
            for name, line in self._lines.items()
        ]
        for thread in threads:
            thread.start()
        waited = [stop.fileno()] if lifeline is None else [stop.fileno(), lifeline]
        while not stop.requested:
            readable, _, _ = select.select(waited, [], [], LOOK_S)
            if lifeline in readable and not os.read(lifeline or 0, 64):
                stop.request()  # the agent is gone
            self._report.write(self.facts, time.monotonic())
        until_s = time.monotonic() + END_S
        for thread in threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        self._report.write(self.facts, time.monotonic(), at_once=True)
        return 1 if self._failed else 0

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """How each sink's connection is."""
        return {name: line.forwarder.facts for name, line in self._lines.items()}

    def _line(self, name: str, sink: MqttSink, folder: Path) -> _Line:
        agent, device = self._settings.agent, self._settings.device
        messages = Messages(sink, name=agent.name, version=agent.version, device=device)
        try:
            files = DiskFiles(folder)
            lock = FolderLock(folder, "reader")
        except OSError as error:
            raise EdgeKitError(
                f"cannot open the spool `{folder}`: {error.strerror}",
                hint="name the state folder of the agent: `--state DIR`",
            ) from None

        def make_link() -> MqttLink:
            client_id = f"edgekit-{agent.name}-{device}-{name}"
            return MqttLink(
                sink,
                client_id=client_id,
                will=(messages.status_topic, messages.farewell("offline")),
            )

        def health(facts: dict[str, Any]) -> bytes:
            status, age_s = (None, None) if self._status is None else read_document(self._status)
            about = {"release": self._settings.release, "overlay": self._settings.overlay}
            return messages.heartbeat({**about, **(status or {})}, age_s, facts)

        make_link()  # without the library nothing will ever be sent: that is said now
        forwarder = Forwarder(
            SpoolReader(files),
            make_link,
            messages,
            heartbeat_s=sink.heartbeat_s,
            health=health,
            log=self._log,
            broker=f"{sink.broker.host}:{sink.broker.port}",
        )
        return _Line(forwarder, lock)

    def _forward(self, line: _Line, stop: StopSignal) -> None:
        try:
            line.forwarder.run(stop)
        except Exception as error:  # noqa: BLE001 (a thread that dies quietly would never send again)
            self._log.error("uplink-failed", f"{type(error).__name__}: {error}")
            self._failed = True
            stop.request()
