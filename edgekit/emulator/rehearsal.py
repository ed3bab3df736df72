"""The rehearsal of a bundle: its self-test and its recordings on one machine, and the verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edge_agent import config, model_facts
from edge_agent.schema import read_agent_config
from edgekit.emulator import agreement, trial
from edgekit.emulator.machine import own_site, this_machine
from edgekit.junit import Case

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edgekit.emulator.agreement import Agreement
    from edgekit.emulator.machine import Machine
    from edgekit.emulator.trial import Record, Records


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recording to be played through the agent, and what must come of it."""

    name: str
    source: config.ReplaySource
    """Its path is absolute."""
    expected: Records | None
    """None: what the same bundle gives on this machine."""


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What came of a bundle on one machine."""

    machine: Machine
    report: Record
    """The self-test's own report."""
    played: tuple[tuple[str, Agreement], ...]
    """Names of the recordings, and whether they gave the same."""

    @property
    def problem(self) -> str:
        """The first thing that is not as it should be; empty if all is."""
        return next((case.message for case in self.cases() if case.outcome == "failed"), "")

    def cases(self) -> Iterator[Case]:
        """Yield one verdict for each thing that was tried."""
        yield _case("self-test", str(self.report["problem"]), vectors_line(self.report))
        chosen = str(self.report["kernels"]["chosen"])
        wanted = self.machine.kernels
        if wanted is not None:
            problem = f"the engine chose the kernels `{chosen}`, `{wanted}` are meant to be tested"
            yield _case("kernels", "" if chosen == wanted else problem, chosen)
        for name, same in self.played:
            problem = f"recording `{name}`: {same.problem}" if same.problem else ""
            yield _case(f"recording {name}", problem, agreement_line(same))


def rehearse(
    machine: Machine, unpacked: Path, recordings: Sequence[Recording], *, work: Path
) -> Rehearsal:
    """
    Try the bundle that lies unpacked in a folder; `work` is an empty folder for what the agents write.

    Raises VerificationFailed where the self-test or an agent gives no result at all.
    """
    report = trial.self_test(machine, unpacked)
    played = []
    if report["verdict"] == "passed" and recordings:
        agent = bare_agent(unpacked)
        tolerance = float(agent_tolerance(unpacked))
        for number, recording in enumerate(recordings):
            expected = recording.expected
            if expected is None:
                folder = work / f"{number}-host"
                host = this_machine()
                expected = trial.play(host, agent, recording.source, site=own_site(), work=folder)
            folder = work / f"{number}-target"
            site = unpacked / "site"
            got = trial.play(machine, agent, recording.source, site=site, work=folder)
            played.append((recording.name, agreement.compare(expected, got, tolerance)))
    return Rehearsal(machine=machine, report=report, played=tuple(played))


def bare_agent(unpacked: Path) -> config.AgentConfig:
    """
    Return the bundle's agent without its budget: an emulator's time says nothing about the board's.

    The path of its archive is absolute.
    """
    agent = read_agent_config(unpacked / "agent.json")
    archive = replace(agent.model, path=str((unpacked / agent.model.path).absolute()))
    return replace(agent, model=archive, budget=config.Budget())


def agent_tolerance(unpacked: Path) -> float:
    """Return how far a prediction may be from the host's."""
    facts = model_facts.read_model_facts(unpacked / model_facts.FILE_NAME)
    return facts.outputs[0].tolerance


def vectors_line(report: Record) -> str:
    """Return what came of the vectors, as a line."""
    found: dict[str, Any] = report["vectors"]
    line = f"{found['count'] - found['bad']} of {found['count']} reproduced"
    if found["max_error"] is None:
        return line
    return (
        f"{line}, largest error {float(found['max_error']):.2g} ({found['tolerance']:.2g} allowed)"
    )


def agreement_line(same: Agreement) -> str:
    """Return how two runs of a recording agree, as a line."""
    if same.problem:
        return same.problem
    error = f"{same.max_error:.2g}" if math.isfinite(same.max_error) else "infinite"
    return (
        f"{same.predictions} predictions and {same.events} events as expected, "
        f"largest error {error} ({same.tolerance:.2g} allowed)"
    )


def _case(name: str, problem: str, detail: str) -> Case:
    if problem:
        return Case(name=name, outcome="failed", message=problem)
    return Case(name=name, outcome="passed", message=detail)
