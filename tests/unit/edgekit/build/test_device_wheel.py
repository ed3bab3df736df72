"""The engine for a board: built once, kept, made again when damaged, and never half."""

from __future__ import annotations

import json
import os
import shlex
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgekit.board import find_board
from edgekit.build import device_wheel as module
from edgekit.build import tools
from edgekit.build.device_wheel import DeviceWheel, WheelOptions, device_wheel, plan, source_digest
from edgekit.build.ready_wheels import WheelSource
from edgekit.build.wheel_cache import sha256_of
from edgekit.errors import ConfigError, EdgeKitError, ToolError, VerificationFailed

if TYPE_CHECKING:
    from edgekit.board import Board
    from tests.unit.edgekit.build.conftest import Workshop

PI_4 = find_board("raspberry-pi-4", None)
PI_5 = find_board("raspberry-pi-5", None)
OWN_CPU = replace(PI_5, cpu="cortex-a76")
"""A board that wants code of its own."""


class Bench:
    """A workshop with a Rust and a maturin that counts its builds."""

    def __init__(self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workshop = workshop
        self.source = workshop.folder / "sources ä"
        self.source.mkdir()
        (self.source / "Cargo.toml").write_text("[workspace]\n")
        self.notes: list[str] = []
        self.progress: list[tuple[int, int | None, str]] = []
        workshop.rust()
        monkeypatch.setattr(tools, "find_maturin", lambda: workshop.path / "maturin")
        self.makes(workshop.wheel())

    @property
    def builds(self) -> int:
        """How often maturin was started."""
        return len(list(self.workshop.folder.glob("built.*")))

    def makes(self, wheel: Path, *, more: str = "") -> None:
        """Let maturin make a wheel, with `more` commands of the shell before that."""
        script = (
            f"touch {shlex.quote(str(self.workshop.folder))}/built.$$\n{more}\n"
            'echo "   Compiling libc v0.2.1" >&2\n'
            'while [ "$1" != --out ]; do shift; done\n'
            f'cp {shlex.quote(str(wheel))} "$2/"'
        )
        self.workshop.program("maturin", script)

    @property
    def wheels(self) -> WheelSource:
        """Where `ready` puts wheels."""
        return WheelSource(place=str(self.workshop.folder / "ready"))

    def ready(self, *, cpu: str, wheel: Path | None = None) -> None:
        """Put a ready wheel, by default the one that maturin would make, into a folder with an index."""
        folder = Path(self.wheels.place)
        folder.mkdir(exist_ok=True)
        path = folder / f"{cpu}.whl"
        path.write_bytes((wheel or self.workshop.wheel()).read_bytes())
        entry = {
            "file": path.name,
            "sha256": sha256_of(path),
            "target": PI_4.target,
            "cpu": cpu,
            "toolchain": "zig",
            "source": source_digest(self.source),
        }
        (folder / "index.json").write_text(json.dumps({"format": 1, "wheels": [entry]}))

    def options(self, **changes: object) -> WheelOptions:
        """Return the options that build these sources."""
        return replace(WheelOptions(source=self.source), **changes)  # type: ignore[arg-type]

    def build(self, board: Board = PI_4, **changes: object) -> DeviceWheel:
        """Get the wheel."""
        return device_wheel(
            board,
            self.options(**changes),
            progress=lambda *state: self.progress.append(state),
            note=self.notes.append,
        )

    def left_behind(self) -> list[str]:
        """Return what is in the cache besides entries and locks."""
        names = (path.name for path in (self.workshop.cache / "device-wheels").iterdir())
        return [name for name in names if name.startswith(".part")]


@pytest.fixture
def bench(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a bench whose builds succeed."""
    return Bench(workshop, monkeypatch)


def test_it_is_built_once(bench: Bench) -> None:
    """The second time it comes from the cache; progress is told while it is built."""
    first, second = bench.build(), bench.build()

    assert (first.origin, second.origin) == ("built", "cache")
    assert (first.sha256, first.path) == (second.sha256, second.path)
    assert (first.cpu, first.toolchain) == ("generic", "zig")
    assert bench.builds == 1
    assert bench.progress == [(1, None, "libc")]
    assert not bench.left_behind()


def test_boards_with_the_same_cpu_share_the_engine(bench: Bench) -> None:
    """It is compiled for the first and taken for the other, which has no features of its own in it."""
    first, second = bench.build(PI_4), bench.build(PI_5)

    assert PI_4.features != PI_5.features
    assert (second.origin, second.sha256) == ("cache", first.sha256)


@pytest.mark.parametrize("change", ["source", "compiler", "cpu", "toolchain"])
def test_what_makes_another_wheel(bench: Bench, change: str) -> None:
    """Sources, compiler, CPU and toolchain are part of the key."""
    bench.build()
    board, options = PI_4, {}
    match change:
        case "source":
            (bench.source / "lib.rs").write_text("// new\n")
        case "compiler":
            bench.workshop.rust(release="1.97.0")
        case "cpu":
            board = OWN_CPU
        case _:
            bench.workshop.program("aarch64-linux-gnu-gcc", "exit 1")
            options = {"toolchain": "gcc"}

    assert bench.build(board, **options).origin == "built"
    assert bench.builds == 2


def test_where_it_is_built_is_no_part_of_the_key(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder for cargo's files, or for its crates, compiles nothing again."""
    bench.build()
    monkeypatch.setenv("CARGO_TARGET_DIR", str(bench.workshop.folder / "elsewhere"))
    monkeypatch.setenv("CARGO_HOME", str(bench.workshop.folder / "crates"))

    assert bench.build().origin == "cache"


def test_what_builds_leave_behind_is_no_source(bench: Bench) -> None:
    """Caches and compiled files change nothing."""
    before = source_digest(bench.source)
    (bench.source / "target").mkdir()
    (bench.source / "target" / "x.rs").write_text("x")
    (bench.source / "_native.abi3.so").write_bytes(b"x")

    assert source_digest(bench.source) == before


def test_a_damaged_wheel_in_the_cache_is_built_again(bench: Bench) -> None:
    """Its digest gives it away."""
    path = bench.build().path
    path.write_bytes(path.read_bytes()[:-1])

    assert bench.build().origin == "built"
    assert bench.builds == 2


def test_two_builds_at_once(bench: Bench) -> None:
    """The second waits for the first, says so, and finds it made."""
    bench.makes(bench.workshop.folder / next(bench.workshop.folder.glob("*.whl")), more="sleep 1")
    found: list[DeviceWheel] = []
    threads = [threading.Thread(target=lambda: found.append(bench.build())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(wheel.origin for wheel in found) == ["built", "cache"]
    assert bench.builds == 1
    assert bench.notes.count("waiting for another build of the same engine") == 1


def test_a_build_that_fails(bench: Bench) -> None:
    """The first real error and the log's path; nothing is kept, and the next build is a new one."""
    bench.workshop.program("maturin", "echo 'error[E0425]: cannot find x' >&2; exit 101")

    with pytest.raises(EdgeKitError, match="cannot find x") as caught:
        bench.build()

    log = Path(str(caught.value.hint).split("`")[1])
    assert "error[E0425]" in log.read_text()
    assert log.read_text().startswith("$ cd ")
    assert not bench.left_behind()
    bench.makes(next(bench.workshop.folder.glob("*.whl")))
    assert bench.build().origin == "built"


def test_a_wheel_that_is_not_for_the_board_is_not_kept(bench: Bench) -> None:
    """Verified first, kept afterwards."""
    bench.makes(bench.workshop.wheel("x.whl", library=bench.workshop.library("x86_64")))

    for _ in range(2):
        with pytest.raises(VerificationFailed, match="built for x86_64"):
            bench.build()
    assert bench.builds == 2


def test_a_build_without_a_wheel(bench: Bench) -> None:
    """A maturin that says nothing and makes nothing."""
    bench.workshop.program("maturin", "exit 0")

    with pytest.raises(EdgeKitError, match="made 0 wheels"):
        bench.build()


def test_ctrl_c_kills_the_compiler(bench: Bench) -> None:
    """The compiler and its children are gone, and nothing half-made is left."""
    note = bench.workshop.folder / "pid"
    bench.workshop.program(
        "maturin", f"sleep 60 & echo $! > {shlex.quote(str(note))}; echo x; wait"
    )
    caller = threading.Thread(target=_interrupt_when, args=(note,))
    caller.start()

    with pytest.raises(KeyboardInterrupt):
        bench.build()

    caller.join()
    assert _is_gone(int(note.read_text()))
    assert not bench.left_behind()


def test_a_container_is_ended_as_well(bench: Bench) -> None:
    """What runs in a container is no child of ours: it is removed by its name."""
    called = bench.workshop.folder / "podman calls"
    bench.workshop.program("podman", f'echo "$*" >> {shlex.quote(str(called))}')
    bench.workshop.program("cross", "exit 1")
    bench.workshop.program("maturin", "echo 'error: no container'; exit 1")

    with pytest.raises(EdgeKitError, match="no container"):
        bench.build(toolchain="cross")

    assert called.read_text().splitlines()[-1] == f"rm --force edgekit-{os.getpid()}"


def test_a_ready_wheel_goes_before_the_compiler(bench: Bench) -> None:
    """For the board's own CPU, or for any if that suits; then nothing is compiled, and no Rust is needed."""
    bench.ready(cpu="generic")
    (bench.workshop.path / "rustc").unlink()

    wheel = bench.build(wheels=bench.wheels)

    assert (wheel.origin, wheel.cpu, wheel.toolchain) == ("ready", "generic", "zig")
    assert bench.builds == 0


def test_a_ready_wheel_that_does_not_suit_the_board(bench: Bench) -> None:
    """Code for any CPU may be wrong for this one: then it is compiled for it, and that is said."""
    small_pages = bench.workshop.wheel("x.whl", library=bench.workshop.library(page=4096))
    bench.ready(cpu="generic", wheel=small_pages)

    wheel = bench.build(OWN_CPU, wheels=bench.wheels)

    assert wheel.origin == "built"
    assert "not taken: the engine is aligned to pages of 4096 bytes" in bench.notes[0]
    bench.ready(cpu="cortex-a76", wheel=small_pages)
    with pytest.raises(VerificationFailed, match="pages of 4096 bytes"):
        bench.build(OWN_CPU, wheels=bench.wheels)


def test_no_ready_wheel_for_the_board(bench: Bench) -> None:
    """It is said, and compiled."""
    bench.ready(cpu="cortex-a53")

    assert bench.build(wheels=bench.wheels).origin == "built"
    assert "is for generic" in bench.notes[0]


def test_locked_wants_everything_pinned(bench: Bench) -> None:
    """An image that cross would fetch is not pinned."""
    bench.workshop.program("podman", "exit 1")
    bench.workshop.program("cross", "exit 1")

    with pytest.raises(ToolError, match="--locked") as caught:
        bench.build(toolchain="cross", locked=True)
    assert "scripts/cross-image" in str(caught.value.hint)


def test_a_tool_that_is_missing(bench: Bench) -> None:
    """Named with the command that installs it, before anything is done."""
    with pytest.raises(ToolError, match="toolchain `gcc` needs `aarch64-linux-gnu-gcc`") as caught:
        bench.build(toolchain="gcc")

    assert "gcc-aarch64-linux-gnu libc6-dev-arm64-cross" in str(caught.value.hint)
    assert bench.builds == 0


def test_zig_is_missing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of this Python, or a program on PATH."""
    monkeypatch.setattr(tools, "is_installed", lambda name: name != "ziglang")

    with pytest.raises(ToolError, match="needs `ziglang`") as caught:
        bench.build()
    assert "-m pip install ziglang" in str(caught.value.hint)
    bench.workshop.program("zig", "exit 1")
    assert bench.build().origin == "built"


def test_a_toolchain_that_cannot_do_it(bench: Bench) -> None:
    """This machine's own linker makes no code for a board."""
    with pytest.raises(ConfigError, match="toolchain `host` makes no code for `aarch64") as caught:
        bench.build(toolchain="host")
    assert "takes `zig`" in str(caught.value.hint)


def test_a_plan_does_nothing(bench: Bench) -> None:
    """`--dry-run` writes no file and starts no build."""
    text = str(plan(PI_4, bench.options()))

    assert "maturin" in text
    assert bench.builds == 0
    assert not bench.workshop.cache.exists()


def test_a_full_disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log cannot be written: a sentence, and no wheel."""

    def full(*_: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "follow", full)

    with pytest.raises(OSError, match="No space left"):
        bench.build()
    assert not bench.left_behind()


def _interrupt_when(note: Path) -> None:
    """Press Ctrl-C as soon as a file is there and has something in it."""
    for _ in range(600):
        if note.exists() and note.read_text().strip():
            os.kill(os.getpid(), signal.SIGINT)
            return
        time.sleep(0.05)


def _is_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
