"""
The plan of a device build: which commands, in which environment. A pure function of values, so plans can be compared.

One set of knobs for all toolchains: the profile `device` of runtime/Cargo.toml (optimisation by crate, link-time
optimisation, `overflow-checks`, `panic`), the board's `target-cpu`, what its linker must do for that CPU, and no path of
this machine in the result.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgekit.board import GENERIC_CPU
from edgekit.build.rust import NO_INSTALL
from edgekit.process import Command

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.build.rust import Rust
    from edgekit.toolchain import Toolchain

PROFILE = "device"
_FLAG_SEPARATOR = "\x1f"  # cargo's, for flags that may hold spaces
_EPOCH_S = "315532800"  # 1980-01-01: the first date that a zip file can hold
_EVERY_CRATE = ("-C", "llvm-args=-inline-threshold=25")
"""
What crates are compiled with: little is inlined but what its author has marked for it.

LLVM's own bound, 225, copies code that runs once a model into every place that names it.
"""
_LINK_TIME = (
    "-C",
    "llvm-args="
    + " ".join(
        (
            "-inlinehint-threshold=60",
            *("-locally-hot-callsite-threshold=250", "-hot-callsite-rel-freq=12"),
            *("-unroll-runtime=false", "-unroll-threshold=40"),
            *("-enable-epilogue-vectorization=false", "-force-vector-interleave=1"),
            *("-enable-machine-outliner=always", "-outliner-benefit-threshold=48"),
        )
    ),
)
"""
What the last crate is compiled with besides, whose link-time optimisation makes the code of all of them.

Loops are what a model's time goes into: there everything is inlined that fits, and elsewhere next to nothing. One vector
loop is made of a loop, without a second one for the rest. Sequences of instructions that are worth it become
functions, of which all callers share one (LLVM has that on by default for `opt-level = "z"` alone). Figures are in
runtime/Cargo.toml.
"""


@dataclass(frozen=True, kw_only=True)
class Container:
    """What the toolchain `cross` works in."""

    engine: str
    """Program: `podman` or `docker`."""
    name: str
    """Name of the container, by which it is ended when the build breaks off."""
    image: str | None = None
    """Image to work in; None: `cross` takes its own from the network."""


@dataclass(frozen=True, kw_only=True)
class BuildInputs:
    """All that a plan depends on."""

    target: str
    cpu: str
    features: tuple[str, ...] = ()
    """Features of the board's CPU."""
    toolchain: Toolchain
    rust: Rust
    programs: Path
    """Folder that comes first on PATH: this Rust under its plain names, and a rustup that does nothing (`shield.py`)."""
    maturin: Path
    python: Path
    """The Python that has ziglang."""
    source: Path
    """Folder of the engine's sources: a Cargo workspace whose pyproject.toml names the crate that becomes the wheel."""
    target_folder: Path
    """Where cargo keeps what it has compiled."""
    output: Path
    """Folder that gets the wheel."""
    path: str
    """The PATH to add to."""
    cargo_home: Path
    offline: bool = False
    container: Container | None = None
    """For `cross` alone."""


@dataclass(frozen=True)
class BuildPlan:
    """Commands in order, and those that clear up when one breaks off."""

    commands: tuple[Command, ...]
    cleanup: tuple[Command, ...] = field(default=())

    def __str__(self) -> str:
        return "\n".join(map(str, self.commands))


def plan_wheel(inputs: BuildInputs) -> BuildPlan:
    """Plan the wheel for a board."""
    arguments = ["build", "--profile", PROFILE, "--target", inputs.target]
    arguments += inputs.toolchain.maturin
    arguments += ["--out", str(inputs.output), "--locked"]
    arguments += ["--offline"] if inputs.offline else []
    link_time = link_time_flags(inputs)
    arguments += ["--", *link_time] if link_time else []
    command = Command(
        (str(inputs.maturin), *arguments), env=_environment(inputs), cwd=inputs.source
    )
    if inputs.container is None:
        return BuildPlan((command,))
    remove = Command((inputs.container.engine, "rm", "--force", inputs.container.name))
    return BuildPlan((command,), cleanup=(remove,))


def rust_flags(inputs: BuildInputs) -> tuple[str, ...]:
    """Return the flags of rustc for the target's code; build scripts and macros run here and get none."""
    flags = ["-C", f"target-cpu={inputs.cpu}"]
    is_arm = inputs.target.startswith("aarch64")
    if is_arm and inputs.cpu != GENERIC_CPU and "crypto" not in inputs.features:
        # rustc takes them for granted with cortex-a53 and cortex-a72; the chips of the Raspberry Pi 3 and 4 lack them
        flags += ["-C", "target-feature=-aes,-sha2"]
    for argument in inputs.toolchain.link_args.get(inputs.cpu, ()):
        flags += ["-C", f"link-arg={argument}"]
    flags += _EVERY_CRATE if is_arm else ()
    places = {inputs.cargo_home: "cargo", inputs.target_folder: "target", inputs.source: "runtime"}
    return (*flags, *(f"--remap-path-prefix={path}=/{name}" for path, name in places.items()))


def link_time_flags(inputs: BuildInputs) -> tuple[str, ...]:
    """Return the flags of rustc for the last crate alone; what they do to other CPUs' code is not measured."""
    return _LINK_TIME if inputs.target.startswith("aarch64") else ()


def _environment(inputs: BuildInputs) -> dict[str, str]:
    environment = {
        **NO_INSTALL,
        "CARGO": str(inputs.rust.cargo),
        "RUSTC": str(inputs.rust.rustc),
        "PATH": os.pathsep.join([str(inputs.programs), inputs.path]),
        "CARGO_ENCODED_RUSTFLAGS": _FLAG_SEPARATOR.join(rust_flags(inputs)),
        "CARGO_TARGET_DIR": str(inputs.target_folder),
        "CARGO_TERM_COLOR": "never",
        "SOURCE_DATE_EPOCH": _EPOCH_S,
    }
    linker = inputs.toolchain.linker.get(inputs.target)
    if linker is not None:
        environment[f"CARGO_TARGET_{_shell_name(inputs.target)}_LINKER"] = linker
    if "--zig" in inputs.toolchain.maturin:
        environment["CARGO_ZIGBUILD_PYTHON_PATH"] = str(inputs.python)
    if inputs.container is not None:
        environment |= _in_container(inputs, inputs.container)
    return environment


def _in_container(inputs: BuildInputs, container: Container) -> dict[str, str]:
    """
    Return what makes `cross` work offline, with the same paths inside and outside.

    cross mounts the compiler's folder at `/rust`; a distribution's rustc finds its own libraries there only with
    LD_LIBRARY_PATH. The engine's crate needs PYO3_BUILD_EXTENSION_MODULE, else it links a libpython.
    """
    mounts = (inputs.source, inputs.target_folder)
    options = ["--name", container.name]
    options += [part for path in mounts for part in ("-v", f"{path}:{path}")]
    options += ["-e", f"CARGO_TARGET_DIR={inputs.target_folder}"]
    options += ["-e", f"LD_LIBRARY_PATH=/rust/lib/{inputs.rust.host.partition('-')[0]}-linux-gnu"]
    options += ["--network", "none"] if inputs.offline else []
    passed = ("PYO3_BUILD_EXTENSION_MODULE", "CARGO_ENCODED_RUSTFLAGS", "SOURCE_DATE_EPOCH")
    found = {
        "CARGO": "cross",
        "CROSS_CONTAINER_ENGINE": container.engine,
        "CROSS_CUSTOM_TOOLCHAIN": "1",
        "CROSS_CONTAINER_OPTS": shlex.join(options),
        "CROSS_BUILD_ENV_PASSTHROUGH": " ".join(passed),
        "PYO3_BUILD_EXTENSION_MODULE": "1",
        "RUSTUP_HOME": str(inputs.programs / "no-rustup"),
        "XARGO_HOME": str(inputs.programs / "no-xargo"),
    }
    if container.image is not None:
        found[f"CROSS_TARGET_{_shell_name(inputs.target)}_IMAGE"] = container.image
    return found


def _shell_name(target: str) -> str:
    """Return a triple as cargo and cross write it in names of variables."""
    return target.upper().replace("-", "_")
