"""`edgekit doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from edgekit.cli.invocation import Command, Invocation
from edgekit.errors import ConfigError, ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.cli.console import Console
    from edgekit.doctor import Check

_COLOURS = {"ok": "green", "missing": "red", "old": "red", "wrong": "red"}


@click.command(cls=Command)
@click.pass_obj
def command(call: Invocation) -> None:
    """Say what is missing on this machine, and how to get it.

    Exit code 6 if something is missing that EdgeKit needs, 2 if the project here cannot be read.
    """
    from edgekit.doctor import examine

    with call.console.working("looking"):
        checks = list(examine(call.directory))
    bad = [check for check in checks if check.bad]
    if call.as_json:
        facts = [{**asdict(check), "needed": check.needed} for check in checks]
        call.console.json({"ready": not bad, "checks": facts})
    else:
        _show(checks, call.console)
    if bad:
        kind = ConfigError if [check.name for check in bad] == ["project"] else ToolError
        names = ", ".join(f"`{check.name}`" for check in bad)
        raise kind(f"not ready: {names}", hint=bad[0].fix)


def _show(checks: Sequence[Check], console: Console) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        colour = _COLOURS[check.status] if check.needed or check.status == "ok" else "yellow"
        console.say(
            f"{console.style(f'{check.status:<7}', colour)} {check.name:<{width}}  {check.detail}"
        )
        if check.fix is not None:
            console.say(f"{'':7} {'':<{width}}  {console.style(f'fix: {check.fix}', 'dim')}")
