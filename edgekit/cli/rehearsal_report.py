"""What `edgekit test` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekit.cli.console import size

if TYPE_CHECKING:
    from edgekit.board import Board
    from edgekit.bundle import Bundle
    from edgekit.cli.console import Console
    from edgekit.emulator.rehearsal import Rehearsal


def _verdict(rehearsal: Rehearsal) -> str:
    return "failed" if rehearsal.problem else "proven on target"


def facts(board: Board, bundle: Bundle, rehearsal: Rehearsal) -> dict[str, Any]:
    """Return all that was found, for a program."""
    machine = rehearsal.machine
    return {
        "verdict": _verdict(rehearsal),
        "problem": rehearsal.problem,
        "target": board.id,
        "bundle": str(bundle.path),
        "release_id": bundle.release_id,
        "machine": machine.title,
        "emulated": machine.emulated,
        "doubt": machine.doubt,
        "kernels": {"chosen": rehearsal.report["kernels"]["chosen"], "intended": machine.kernels},
        "self_test": rehearsal.report,
        "recordings": [{"name": name, **same.to_json()} for name, same in rehearsal.played],
    }


def show(board: Board, rehearsal: Rehearsal, console: Console) -> None:
    """Print the verdict and what it stands on."""
    from edgekit.emulator.rehearsal import agreement_line, vectors_line

    report = rehearsal.report
    verdict = _verdict(rehearsal)
    colour = "red" if rehearsal.problem else "green"
    console.say(f"{board.id}: {console.style(verdict, colour)}")
    if console.quiet:
        return
    memory, streamed = report["memory"], report["stream_vs_batch"]
    wanted = rehearsal.machine.kernels
    chosen = report["kernels"]["chosen"]
    rows = [
        ("machine", rehearsal.machine.title),
        ("kernels", chosen if wanted in (None, chosen) else f"{chosen}, not {wanted}"),
        ("vectors", vectors_line(report)),
    ]
    if streamed is not None:
        blocks = ", ".join(map(str, streamed["blocks"]))
        rows.append(
            (
                "stream",
                f"{streamed['windows']} windows, in blocks of {blocks} samples, differ by {float(streamed['max_error']):.2g}",
            )
        )
    peak, planned = size(memory["peak_bytes"]), size(memory["plan_peak_bytes"])
    rows.append(("memory", f"{peak} at most in the engine, {planned} planned"))
    rows += [(name, agreement_line(same)) for name, same in rehearsal.played]
    if not rehearsal.played and not rehearsal.problem:
        rows.append(("recording", "none: the project names none that goes through an agent"))
    console.facts(rows)
