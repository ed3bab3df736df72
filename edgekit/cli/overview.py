"""Bare `edgekit`: where this project stands and what to do next; outside of a project, how to begin."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from edgekit.cli.console import size
from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekit.cli.invocation import Invocation, OpenProject
    from edgekit.state import State


def overview(call: Invocation, help_text: Callable[[], str]) -> None:
    """Print where the project stands, from what earlier commands have left: nothing is computed here."""
    from edgekit.project import find_project

    try:
        find_project(call.directory)
    except ConfigError:
        call.console.say(help_text())
        call.console.say()
        call.console.say(
            "There is no project here. Make one with `edgekit init NAME --model FILE --data CSV`."
        )
        return
    opened = call.open_project()
    call.console.say(f"{opened.project.project.name} {opened.project.project.version}")
    rows, following = _standing(opened)
    call.console.facts(rows)
    call.console.say()
    call.console.say(f"next: {following}")


def _standing(opened: OpenProject) -> tuple[list[tuple[str, str]], str]:
    """Return what is known, and the next command."""
    from edgekit.state import State, check_fingerprint, eval_fingerprint

    project, folder = opened
    path = opened.resolve(project.model.path)
    if not path.is_file():
        return [("model", f"`{path}` is missing")], f"put the model at `{path}`"
    state = State(folder)
    proof = state.recall("check", check_fingerprint(project, folder))
    score = state.recall("eval", eval_fingerprint(project, folder))
    rows = [
        ("model", f"{path.name}, {size(path.stat().st_size)}"),
        ("proven", _said(proof, "not yet")),
        ("evaluated", _said(score, "not yet")),
        ("last run", _last_run(state)),
    ]
    labelled = project.test is not None and project.test.data is not None
    if proof is None or not proof.get("good"):
        return rows, "edgekit check"
    if labelled and score is None:
        return rows, "edgekit eval"
    return rows, "edgekit run" if project.source is not None else "edgekit run --replay FILE"


def _said(facts: dict[str, Any] | None, otherwise: str) -> str:
    return otherwise if facts is None else str(facts.get("summary", otherwise))


def _last_run(state: State) -> str:
    status = state.last_run()
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
