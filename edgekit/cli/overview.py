"""Bare `edgekit`: where this project stands and what to do next; outside of a project, how to begin."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from edgekit.cli.console import size
from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgekit.cli.invocation import Invocation, OpenProject

_BEGIN = "edgekit init NAME --model FILE --data CSV"


def overview(call: Invocation, help_text: Callable[[], str]) -> None:
    """Print where the project stands, from what earlier commands have left: nothing is computed here."""
    from edgekit.project import find_project

    try:
        find_project(call.directory)
    except ConfigError:
        if call.as_json:
            call.console.json({"project": None, "next": _BEGIN})
            return
        call.console.say(help_text())
        call.console.say()
        call.console.say(f"There is no project here. Make one with `{_BEGIN}`.")
        return
    opened = call.open_project()
    standing = _standing(opened)
    if call.as_json:
        call.console.json(_facts(opened, standing))
        return
    call.console.say(f"{opened.project.project.name} {opened.project.project.version}")
    call.console.facts(_rows(standing))
    call.console.say()
    call.console.say(f"next: {_next(opened, standing)}")


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """What is known of a project; None: nothing, or only of an older state of it."""

    model: Path
    check: dict[str, Any] | None
    score: dict[str, Any] | None
    last_run: tuple[dict[str, Any], float] | None

    @property
    def warnings(self) -> int:
        """How many warnings the last check had."""
        count = (self.check or {}).get("warnings", 0)
        return count if isinstance(count, int) else 0


def _standing(opened: OpenProject) -> _Standing:
    from edgekit.state import State, check_fingerprint, eval_fingerprint

    project, folder = opened
    state = State(folder)
    return _Standing(
        model=opened.resolve(project.model.path),
        check=state.recall("check", check_fingerprint(project, folder)),
        score=state.recall("eval", eval_fingerprint(project, folder)),
        last_run=state.last_run(),
    )


def _rows(standing: _Standing) -> list[tuple[str, str]]:
    path = standing.model
    if not path.is_file():
        return [("model", f"`{path}` is missing")]
    rows = [
        ("model", f"{path.name}, {size(path.stat().st_size)}"),
        ("proven", _said(standing.check, "not yet")),
        ("evaluated", _said(standing.score, "not yet")),
        ("last run", _last_run(standing.last_run)),
    ]
    if standing.warnings:
        rows.insert(2, ("warnings", f"{standing.warnings}, see `edgekit check`"))
    return rows


def _next(opened: OpenProject, standing: _Standing) -> str:
    """Return the command to give next, after what should be looked at before."""
    project = opened.project
    if not standing.model.is_file():
        return f"put the model at `{standing.model}`"
    if standing.check is None or not standing.check.get("good"):
        return "edgekit check"
    if project.test is not None and project.test.data is not None and standing.score is None:
        return "edgekit eval"
    run = "edgekit run" if project.source is not None else "edgekit run --replay FILE"
    if standing.warnings:
        return f"see to the warnings of `edgekit check`, then {run}"
    if standing.score is not None and not standing.score.get("good"):
        return f"see to what `edgekit eval` finds, then {run}"
    return run


def _facts(opened: OpenProject, standing: _Standing) -> dict[str, Any]:
    section, path = opened.project.project, standing.model
    last = standing.last_run
    return {
        "project": {"name": section.name, "version": section.version},
        "model": {
            "path": str(path),
            "size_bytes": path.stat().st_size if path.is_file() else None,
        },
        "check": standing.check,
        "eval": standing.score,
        "last_run": None if last is None else {**last[0], "reported_at": last[1]},
        "next": _next(opened, standing),
    }


def _said(facts: dict[str, Any] | None, otherwise: str) -> str:
    return otherwise if facts is None else str(facts.get("summary", otherwise))


def _last_run(status: tuple[dict[str, Any], float] | None) -> str:
    if status is None:
        return "never"
    facts, moment_s = status
    parts = [f"{facts.get('windows', 0)} windows", f"{facts.get('events', 0)} events"]
    parts += [f"failed: {facts['error']}"] if facts.get("error") else []
    return f"{', '.join(parts)}, {ago(moment_s)}"


def ago(then_s: float, now_s: float | None = None) -> str:
    """Say how long ago a moment (seconds since 1970) was, roughly."""
    passed = timedelta(seconds=max(0.0, (time.time() if now_s is None else now_s) - then_s))
    for unit, length in (
        ("day", timedelta(days=1)),
        ("hour", timedelta(hours=1)),
        ("minute", timedelta(minutes=1)),
    ):
        count = passed // length
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
