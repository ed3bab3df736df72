"""
The engine for a board: a ready wheel, one that was built before, or one built now. Verified in any case.

What is built is kept under a digest of all that goes into it (sources, compiler, toolchain, flags), so a change of the
model or of edgekit.toml compiles nothing.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from edgekit.build import tools
from edgekit.build.crates import CrateCounter, Progress, crate_total
from edgekit.build.diagnosis import build_failed
from edgekit.build.plan import (
    PROFILE,
    BuildInputs,
    BuildPlan,
    Container,
    link_time_flags,
    plan_wheel,
    rust_flags,
)
from edgekit.build.ready_wheels import WheelSource, ready_wheel
from edgekit.build.rust import find_rust
from edgekit.build.shield import put_programs
from edgekit.build.verify import WheelFacts, check_wheel, wheel_facts
from edgekit.build.wheel_cache import WheelCache, sha256_of
from edgekit.errors import ConfigError, EdgeKitError, OverBudget, ToolError, VerificationFailed
from edgekit.process import Command, follow, run
from edgekit.resources import cache_folder, data_folder
from edgekit.toolchain import find_toolchain

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekit.board import Board
    from edgekit.build_section import RustKind

_LEFT_BEHIND = {"target", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
_CLEANUP_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True)
class WheelOptions:
    """How a device wheel is to be come by."""

    toolchain: str | None = None
    """Kind; the board's own if not given."""
    rust: RustKind | None = None
    wheels: WheelSource | None = None
    """Where ready wheels are."""
    locked: bool = False
    """Refuse what no digest pins: a folder of ready wheels without `wheels_sha256`, an image that would be fetched."""
    offline: bool = False
    source: Path | None = None
    """Folder of the engine's sources; those that ship if not given."""


@dataclass(frozen=True, kw_only=True)
class DeviceWheel:
    """The engine for a board, as one wheel."""

    path: Path
    sha256: str
    target: str
    cpu: str
    """Rust target-cpu that it was built for: the board's, or `generic`."""
    toolchain: str
    origin: Literal["ready", "cache", "built"]
    facts: WheelFacts


def device_wheel(
    board: Board, options: WheelOptions, *, progress: Progress, note: Callable[[str], None]
) -> DeviceWheel:
    """
    Return the engine's wheel for a board, verified.

    `progress` is told of the crates, `note` of what else takes its time. Raises ToolError for what is missing,
    VerificationFailed or OverBudget if the wheel is not fit for the board, EdgeKitError if a build fails.
    """
    source = options.source or data_folder("runtime")
    cache = WheelCache.of_user()
    if options.wheels is not None:
        found = _ready(board, options, options.wheels, source_digest(source), cache, note)
        if found is not None:
            return found
    inputs, versions = prepare(board, options)
    key = _key(inputs, versions)
    with cache.lock(key, lambda: note("waiting for another build of the same engine")):
        known = cache.find(key)
        if known is not None:
            return _verified(known, board, inputs.toolchain.kind, "cache")
        note(f"compiling the engine for {board.cpu}: minutes, once")
        with cache.work_folder() as folder:
            made = _build(replace(inputs, output=folder), key, progress)
            _verified(made, board, inputs.toolchain.kind, "built")
            kept = cache.keep(key, made)
    return _verified(kept, board, inputs.toolchain.kind, "built")


def _ready(  # noqa: PLR0913, PLR0917 (for what, from where, by what, and who is told)
    board: Board,
    options: WheelOptions,
    source: WheelSource,
    sources: str,
    cache: WheelCache,
    note: Callable[[str], None],
) -> DeviceWheel | None:
    """Return the ready wheel for a board; None if there is none, or only one for any CPU that does not suit this one."""
    if options.locked and source.sha256 is None:
        raise ConfigError(
            "`--locked`: `build.wheels` is not pinned",
            hint="add `wheels_sha256` to [build], with the digest that `scripts/release` printed",
        )
    found = ready_wheel(source, board, sources, cache, toolchain=options.toolchain)
    if found is None:
        note(f"no ready wheel in `{source.place}` is for {board.cpu} and these sources")
        return None
    about, path = found
    try:
        return _verified(path, board, about.toolchain, "ready", cpu=about.cpu)
    except (VerificationFailed, OverBudget) as error:
        if about.cpu == board.cpu:
            raise
        note(f"the ready wheel for any CPU is not taken: {error.message}")
        return None


def prepare(board: Board, options: WheelOptions) -> tuple[BuildInputs, str]:
    """
    Find all that a build needs; return it with the versions of the tools.

    Raises ToolError with the command that installs what is missing, ConfigError for a toolchain that cannot do it.
    """
    toolchain = find_toolchain(options.toolchain or board.toolchain)
    rust = find_rust(board.target, options.rust)
    if not toolchain.links_for(board.target, rust.host):
        raise ConfigError(
            f"toolchain `{toolchain.kind}` makes no code for `{board.target}` on this machine",
            hint=f"leave `--toolchain` out: board `{board.id}` takes `{board.toolchain}`",
        )
    found = tools.require_tools(toolchain, board.target)
    maturin = tools.find_maturin()
    inputs = BuildInputs(
        target=board.target,
        cpu=board.cpu,
        features=board.features,
        toolchain=toolchain,
        rust=rust,
        programs=cache_folder() / "programs" / _digest(str(rust.rustc))[:16],
        maturin=maturin,
        python=Path(sys.executable),
        source=options.source or data_folder("runtime"),
        target_folder=_target_folder(toolchain.kind),
        output=Path("dist"),
        path=os.environ.get("PATH", os.defpath),
        cargo_home=Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo"),
        offline=options.offline,
        container=_container(found, toolchain.image, locked=options.locked),
    )
    return inputs, f"{tools.versions(found)}\n{tools.maturin_version(maturin)}"


def plan(board: Board, options: WheelOptions) -> BuildPlan:
    """Return the plan that a build would follow. Raises as `prepare`."""
    return plan_wheel(prepare(board, options)[0])


def source_digest(source: Path) -> str:
    """Return a digest of the engine's sources. Raises ConfigError if there are none."""
    digest = hashlib.sha256()
    files = sorted(path for path in source.rglob("*") if _is_source(path, source))
    if not files:
        raise ConfigError(f"there are no sources of the engine in `{source}`")
    for path in files:
        digest.update(f"{path.relative_to(source).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _is_source(path: Path, source: Path) -> bool:
    """Tell sources from what builds and checks leave behind."""
    parts = path.relative_to(source).parts
    is_left_behind = path.suffix in {".so", ".pyc"} or not _LEFT_BEHIND.isdisjoint(parts)
    return not is_left_behind and path.is_file()


def _key(inputs: BuildInputs, versions: str) -> str:
    """Return a digest of all that the wheel depends on; where it is built is none of it."""
    places = (inputs.source, inputs.target_folder, inputs.cargo_home)
    flags = [flag for flag in rust_flags(inputs) if not any(str(path) in flag for path in places)]
    parts = [source_digest(inputs.source), inputs.rust.version, versions, inputs.target, PROFILE]
    parts += [inputs.toolchain.kind, *inputs.toolchain.maturin, *flags, *link_time_flags(inputs)]
    if inputs.container is not None:
        parts.append(inputs.container.image or "")
    return _digest("\0".join(parts))


def _build(inputs: BuildInputs, key: str, progress: Progress) -> Path:
    """Build the wheel into the output folder. Raises EdgeKitError with the first real error and the log's path."""
    log = cache_folder() / "logs" / f"device-wheel-{key[:16]}.log"
    put_programs(inputs.programs, inputs.rust)
    plan = plan_wheel(inputs)
    counter = CrateCounter(crate_total(inputs), progress)
    try:
        for folder in (
            log.parent,
            inputs.target_folder,
        ):  # a container can mount only what is there
            folder.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as file:
            for command in plan.commands:
                _run_logged(command, file, counter, plan.cleanup)
    except BaseException:
        for command in plan.cleanup:  # what runs in a container is no child of this process
            run(command, timeout_s=_CLEANUP_TIMEOUT_S)
        raise
    wheels = list(inputs.output.glob("*.whl"))
    if len(wheels) != 1:
        raise EdgeKitError(f"the build made {len(wheels)} wheels: see `{log}`")
    return wheels[0]


def _run_logged(
    command: Command, log: TextIO, counter: CrateCounter, cleanup: tuple[Command, ...]
) -> None:
    lines: list[str] = []

    def take(line: str) -> None:
        log.write(f"{line}\n")
        lines.append(line)
        counter.line(line)

    log.write(f"$ {command}\n")
    if follow(command, take, cleanup=cleanup).returncode != 0:
        raise build_failed(lines, Path(log.name), Path(command.argv[0]).name)


def _verified(
    path: Path,
    board: Board,
    toolchain: str,
    origin: Literal["ready", "cache", "built"],
    *,
    cpu: str | None = None,
) -> DeviceWheel:
    facts = wheel_facts(path)
    check_wheel(facts, board)
    return DeviceWheel(
        path=path,
        sha256=sha256_of(path),
        target=board.target,
        cpu=cpu or board.cpu,
        toolchain=toolchain,
        origin=origin,
        facts=facts,
    )


def _target_folder(kind: str) -> Path:
    """Return cargo's folder; `cross` has its own, because its build scripts are made for the image's system."""
    given = os.environ.get("CARGO_TARGET_DIR")
    folder = Path(given).absolute() if given else cache_folder() / "device-target"
    return folder / "cross" if kind == "cross" else folder


def _container(found: list[tools.Tool], image: str | None, *, locked: bool) -> Container | None:
    engine = tools.container_engine(found)
    if engine is None:
        return None
    own = image if image is not None and tools.has_image(engine, image) else None
    if own is None and locked:
        raise ToolError(
            f"`--locked`: {engine} has no image `{image}`, and `cross` would fetch one that nothing pins",
            hint="run `scripts/cross-image`",
        )
    return Container(engine=engine, name=f"edgekit-{os.getpid()}", image=own)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
