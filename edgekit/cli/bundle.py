"""`edgekit bundle`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.console import size
from edgekit.cli.invocation import Command, Invocation

if TYPE_CHECKING:
    from edgekit.bundle import Bundle
    from edgekit.cli.console import Console


@click.command(cls=Command)
@click.argument("action", type=click.Choice(["show", "verify"]), metavar="show|verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def command(call: Invocation, action: str, file: Path) -> None:
    """Look into a bundle that `edgekit build` made.

    `show` says what it is, what it needs and how large its parts are; `verify` only whether it is whole. Both read all
    of it; exit code 5 if a file is not as the manifest says. Bundles are not signed yet: a sound one may be anybody's.
    """
    from edgekit.bundle import Bundle

    with call.console.working(f"reading {file}"):
        bundle = Bundle.open(file)
        bundle.verify()
    if call.as_json:
        call.console.json(_facts(bundle))
    elif action == "verify" or call.console.quiet:
        files = len(bundle.manifest.files)
        call.console.say(
            f"sound: release {bundle.release_id[:12]}, {files} files as in the manifest, unsigned"
        )
    else:
        _show(bundle, call.console)


def _facts(bundle: Bundle) -> dict[str, Any]:
    from edgekit.bundle import size_table

    return {
        "release_id": bundle.release_id,
        "size_bytes": bundle.size_bytes,
        "content_bytes": bundle.manifest.content_bytes,
        "signed": False,
        "parts": [asdict(row) for row in size_table(bundle.manifest.files)],
        "proof": json.loads(bundle.read("proof.json") or "null"),
        "manifest": bundle.manifest.to_json(),
    }


def _show(bundle: Bundle, console: Console) -> None:
    from edgekit.bundle import size_table

    manifest = bundle.manifest
    glibc = "" if manifest.glibc is None else f", glibc {manifest.glibc} or later"
    console.facts(
        [
            ("project", f"{manifest.name} {manifest.version}"),
            ("release", bundle.release_id),
            ("signed", "no"),
            ("board", f"{manifest.board} ({manifest.target}, {manifest.cpu})"),
            ("needs", f"Python {manifest.python} or later{glibc}"),
            ("engine", f"{manifest.engine} with {', '.join(manifest.registries)}"),
            ("made by", f"EdgeKit {manifest.edgekit}"),
            *sorted(manifest.about.items()),
        ]
    )
    console.say()
    rows = [[row.name, str(row.files), size(row.size_bytes)] for row in size_table(manifest.files)]
    rows.append(["all", str(len(manifest.files)), size(manifest.content_bytes)])
    console.table(["part", "files", "unpacked"], rows)
    console.say(f"  the file itself: {size(bundle.size_bytes)}")
    if console.verbose:
        console.say()
        console.table(
            ["file", "bytes", "sha256"],
            [[file.path, str(file.size), file.sha256[:12]] for file in manifest.files],
        )
