"""The closing table of `edgekit build`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekit.cli.console import bar, size
from edgekit.cli.invocation import shortest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgekit.cli.console import Console

_ORIGINS = {
    "built": "compiled now",
    "cache": "compiled before",
    "ready": "a ready wheel",
}


def show(facts: dict[str, Any], output: Path, console: Console, *, fresh: bool) -> None:
    """Print what was built, or found up to date: its parts and sizes, and which systems it fits."""
    engine = facts["engine"]
    state = "up to date" if fresh else "built"
    console.say(
        f"{console.style(state, 'green')} {shortest(output)} ({size(facts['size_bytes'])}, "
        f"release {facts['release_id'][:12]}, {facts['verdict']} on this machine)"
    )
    if facts["unproven"]:
        console.remark("unproven", "red", f"it ships all the same: {facts['unproven']}")
    if console.quiet:
        return
    made = f"for {engine['cpu']}, linked by {engine['toolchain']}, {_ORIGINS[engine['origin']]}"
    needs = f"needs glibc {engine['glibc']} and Python {engine['python']} or newer"
    console.facts(
        [("board", f"{facts['title']} ({facts['board']})"), ("engine", f"{made}; {needs}")]
    )
    console.say()
    rows = [(part["name"], str(part["files"]), size(part["size_bytes"])) for part in facts["parts"]]
    total = sum(part["size_bytes"] for part in facts["parts"])
    count = sum(part["files"] for part in facts["parts"])
    rows.append(("all, unpacked", str(count), size(total)))
    console.table(("part", "files", "size"), rows)
    console.say()
    console.facts([("memory", _memory(facts["memory"]))])
    console.say()
    console.say("runs on")
    console.facts(list(_fits(facts, verbose=console.verbose)))
    for note in facts["notes"]:
        console.remark("note", "yellow", note)


def _memory(memory: dict[str, Any]) -> str:
    """Say how much the service will take, against its budget, else against what the board has."""
    needs, limit = memory["total_bytes"], memory["limit_bytes"]
    of = "the budget"
    if limit is None and memory["board_mib"] is not None:
        limit, of = memory["board_mib"] << 20, "the board; no `memory_mib` in [budget]"
    if limit is None:
        return f"{size(needs)}; no `memory_mib` in [budget]"
    return f"{bar(needs / limit)} {size(needs)} of {size(limit)}, {of}"


def _fits(facts: dict[str, Any], *, verbose: bool) -> Iterator[tuple[str, str]]:
    """Yield a row a board: its own board's systems by their titles, with what keeps it off others; the rest in short."""
    by_board: dict[str, list[dict[str, Any]]] = {facts["board"]: []}
    for fit in facts["fits"]:
        by_board.setdefault(fit["board"], []).append(fit)
    for board, found in by_board.items():
        if board == facts["board"] or verbose:
            said = [fit["title"] for fit in found if fit["runs"]]
            said += [f"not {fit['title']}: {fit['reason']}" for fit in found if not fit["runs"]]
            yield board, "\n".join(said)
        elif any(fit["runs"] for fit in found):
            yield board, ", ".join(fit["release"] for fit in found if fit["runs"])
