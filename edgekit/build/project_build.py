"""
The whole build of a project for a board: model proven, engine at hand, bundle written; and what there is to say of it.

What is said is a plain JSON object, so that a build with nothing to do says the same without loading anything.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge_agent.config.budget import MIB
from edgekit.build.device_wheel import device_wheel
from edgekit.build.verify import fits
from edgekit.build.wheel_cache import sha256_of
from edgekit.bundle import check_can_write, size_table, write_bundle
from edgekit.bundle.assemble import assemble
from edgekit.errors import OverBudget
from edgekit.memory_plan import memory_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from edgekit.board import Board
    from edgekit.build.crates import Progress
    from edgekit.build.device_wheel import DeviceWheel
    from edgekit.build.target import BuildTarget
    from edgekit.build.verify import Fit
    from edgekit.bundle import Bundle, Contents
    from edgekit.memory_plan import MemoryPlan
    from edgekit.model.compile import CompiledModel
    from edgekit.model.recorded import RecordedWindows
    from edgekit.project import Project


def build_bundle(  # noqa: PLR0913 (what is built, for what, and who is told)
    project: Project,
    folder: Path,
    compiled: CompiledModel,
    target: BuildTarget,
    *,
    recorded: RecordedWindows | None,
    progress: Progress,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """
    Make the bundle of a proven model; return the facts of it.

    Raises OverBudget before anything is compiled, and what `device_wheel`, `assemble` and `write_bundle` raise; then there is no bundle, or the one from before.
    """
    check_can_write(target.output)
    plan = memory_plan(project, compiled.proof.memory, len(compiled.archive))
    plan.check()
    check_board_memory(plan, target.board)
    wheel = device_wheel(target.board, target.options, progress=progress, note=note)
    contents = assemble(
        project,
        folder,
        compiled,
        target.board,
        wheel.path,
        glibc=wheel.facts.library.glibc,
        recorded=None if recorded is None else recorded.raw,
        offline=target.options.offline,
    )
    bundle = write_bundle(contents, target.output)
    memory = {**plan.to_json(), "board_mib": target.board.memory_mib}
    return _facts(bundle, contents, wheel, target) | {"memory": memory}


def check_board_memory(plan: MemoryPlan, board: Board) -> None:
    """Raise OverBudget if the service needs more memory than a board has."""
    if board.memory_mib is not None and plan.total_bytes > board.memory_mib * MIB:
        raise OverBudget(
            f"the service needs {plan.total_bytes / MIB:.0f} MiB of memory: board `{board.id}` has {board.memory_mib}",
            hint="take a smaller model or a larger board: see `edgekit boards`",
        )


def _facts(
    bundle: Bundle, contents: Contents, wheel: DeviceWheel, target: BuildTarget
) -> dict[str, Any]:
    manifest, library = contents.manifest, wheel.facts.library
    found = fits(wheel.facts, wheel.target, wheel.cpu, target.others)
    return {
        "name": manifest.name,
        "version": manifest.version,
        "board": target.board.id,
        "title": target.board.title,
        "sha256": sha256_of(bundle.path),
        "size_bytes": bundle.size_bytes,
        "release_id": bundle.release_id,
        "verdict": manifest.about["verdict"],
        "mode": manifest.about["mode"],
        "unproven": manifest.about.get("unproven"),
        "engine": {
            "target": wheel.target,
            "cpu": wheel.cpu,
            "toolchain": wheel.toolchain,
            "origin": wheel.origin,
            "sha256": wheel.sha256,
            "python": wheel.facts.python,
            **asdict(library),
        },
        "parts": [asdict(row) for row in size_table(manifest.files)],
        "fits": list(_fit_facts(found)),
        "notes": list(contents.notes),
    }


def _fit_facts(found: Iterable[Fit]) -> Iterator[dict[str, Any]]:
    for fit in found:
        yield {
            "board": fit.board.id,
            "release": fit.release.id,
            "title": fit.release.title,
            "runs": fit.reason is None,
            "reason": fit.reason,
        }
