"""Trying a bundle on a machine: its self-test, and a recording played through its agent."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from edge_agent import config, schema
from edgekit.atomic import write_file
from edgekit.errors import VerificationFailed
from edgekit.process import run

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.emulator.machine import Machine
    from edgekit.process import Finished

_TIMEOUT_S: Final = 3600
_SIGNALS_FROM: Final = 128
"""Exit codes above this are signals, as shells and QEMU tell them."""

RESULTS: Final = "results.jsonl"
"""What an agent writes in its `work` folder."""

Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Records:
    """What an agent wrote into its JSONL sink."""

    predictions: tuple[Record, ...]
    events: tuple[Record, ...]


def self_test(machine: Machine, folder: Path) -> Record:
    """
    Run the self-test of the bundle that lies unpacked in `folder`; return its report.

    Raises VerificationFailed if it could not be made: the report of one that failed says so itself.
    """
    arguments = ("-m", "edge_agent", "selftest", str(folder.absolute()), "--json")
    finished = run(machine.command(arguments, site=folder / "site"), timeout_s=_TIMEOUT_S)
    try:
        report = json.loads(finished.stdout)
    except ValueError:
        report = None
    if not isinstance(report, dict):
        raise _no_result(finished, f"the self-test on {machine.title}")
    return report


def play(
    machine: Machine,
    agent: config.AgentConfig,
    recording: config.ReplaySource,
    *,
    site: Path | None,
    work: Path,
) -> Records:
    """
    Run an agent over a recording as fast as it goes; return what it made of it.

    `agent.model.path` and the recording's path must be absolute; `work` is an empty folder for the agent's files.
    Raises VerificationFailed with the agent's own sentence if it fails.
    """
    results = work / RESULTS
    tried = replace(
        agent,
        source=recording,
        sinks=(config.JsonlSink(path=str(results.absolute())),),
    )
    write_file(work / "agent.json", schema.to_text(tried).encode())
    arguments = ("-m", "edge_agent", "run", str((work / "agent.json").absolute()))
    finished = run(
        machine.command((*arguments, "--speed", "max", "--json"), site=site), timeout_s=_TIMEOUT_S
    )
    if finished.returncode != 0:
        raise _no_result(finished, f"the agent on {machine.title}")
    return read_records(results.read_text(encoding="utf-8") if results.exists() else "")


def read_records(text: str) -> Records:
    """Read the lines of a JSONL sink. Raises ValueError for a line that is none of them."""
    documents = [json.loads(line) for line in text.splitlines() if line]
    return Records(
        predictions=tuple(item for item in documents if item["type"] == "prediction"),
        events=tuple(item for item in documents if item["type"] == "event"),
    )


def _no_result(finished: Finished, what: str) -> VerificationFailed:
    """Return the sentence about a program that gave no result: its own where it has one."""
    if finished.timed_out:
        return VerificationFailed(f"{what} took over {_TIMEOUT_S // 60} minutes")
    code = finished.returncode
    number = -code if code < 0 else code - _SIGNALS_FROM if code > _SIGNALS_FROM else 0
    if number in {signal.SIGILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGKILL}:
        name = signal.Signals(number).name
        hint = "see what it said with `-v`"
        if number == signal.SIGILL:
            hint = "the code is for a newer CPU than this one: build for the right board (`edgekit boards`)"
        return VerificationFailed(f"{what} crashed ({name})", hint=hint)
    lines = finished.stderr.strip().splitlines()
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
    reason = said[0] if said else (lines[-1] if lines else f"exit code {code}, not a word")
    return VerificationFailed(f"{what} failed: {reason}", hint=hints[0] if hints else None)
