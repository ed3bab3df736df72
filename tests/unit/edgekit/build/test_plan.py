"""Plans are values: the same inputs give the same commands, and each toolchain's are as they were tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.build.plan import BuildInputs, BuildPlan, Container, plan_wheel, rust_flags
from edgekit.build.rust import Rust
from edgekit.toolchain import find_toolchain

RUST = Rust(
    kind="system",
    cargo=Path("/usr/bin/cargo"),
    rustc=Path("/usr/bin/rustc"),
    version="rustc 1.96.0\nhost: x86_64-unknown-linux-gnu\nrelease: 1.96.0\n",
)
INPUTS = BuildInputs(
    target="aarch64-unknown-linux-gnu",
    cpu="cortex-a72",
    features=("crc",),
    toolchain=find_toolchain("zig"),
    rust=RUST,
    programs=Path("/cache/programs"),
    maturin=Path("/venv/bin/maturin"),
    python=Path("/venv/bin/python"),
    source=Path("/mein Projekt/runtime"),
    target_folder=Path("/cache/target"),
    output=Path("/out"),
    path="/usr/bin:/bin",
    cargo_home=Path("/home/ü/.cargo"),
)
CONTAINER = Container(engine="podman", name="edgekit-7", image="localhost/edgekit-cross:1")
COMMON = {
    "RUSTUP_AUTO_INSTALL": "0",
    "CARGO": "/usr/bin/cargo",
    "RUSTC": "/usr/bin/rustc",
    "PATH": "/cache/programs:/usr/bin:/bin",
    "CARGO_TARGET_DIR": "/cache/target",
    "CARGO_TERM_COLOR": "never",
    "SOURCE_DATE_EPOCH": "315532800",
}
REMAPPED = (
    "--remap-path-prefix=/home/ü/.cargo=/cargo",
    "--remap-path-prefix=/cache/target=/target",
    "--remap-path-prefix=/mein Projekt/runtime=/runtime",
)
EVERY_CRATE = ("-C", "llvm-args=-inline-threshold=25")
LINK_FLAGS = (
    "-inlinehint-threshold=60 -locally-hot-callsite-threshold=250 "
    "-hot-callsite-rel-freq=12 -unroll-runtime=false -unroll-threshold=40 -enable-epilogue-vectorization=false "
    "-force-vector-interleave=1 -enable-machine-outliner=always -outliner-benefit-threshold=48"
)
LINK_TIME = ("--", "-C", f"llvm-args={LINK_FLAGS}")
BUILD = ("/venv/bin/maturin", "build", "--profile", "device", "--target", INPUTS.target)


def _only(plan: BuildPlan) -> tuple[tuple[str, ...], dict[str, str]]:
    (command,) = plan.commands
    assert command.cwd == INPUTS.source
    return command.argv, dict(command.env)


def test_the_plan_with_zig() -> None:
    """No sysroot, no container; the tag of the wheel decides on the glibc."""
    argv, environment = _only(plan_wheel(INPUTS))

    flags = "\x1f".join(
        (
            *("-C", "target-cpu=cortex-a72", "-C", "target-feature=-aes,-sha2"),
            *EVERY_CRATE,
            *REMAPPED,
        )
    )
    compatibility = ("--zig", "--compatibility", "manylinux_2_17")
    assert argv == (*BUILD, *compatibility, "--out", "/out", "--locked", *LINK_TIME)
    assert environment == {
        **COMMON,
        "CARGO_ENCODED_RUSTFLAGS": flags,
        "CARGO_ZIGBUILD_PYTHON_PATH": "/venv/bin/python",
    }


def test_the_plan_with_gcc_for_a_cortex_a53() -> None:
    """The linker is told to work around the erratum of that CPU."""
    inputs = replace(INPUTS, toolchain=find_toolchain("gcc"), cpu="cortex-a53", offline=True)

    argv, environment = _only(plan_wheel(inputs))

    out = ("--out", "/out", "--locked", "--offline")
    assert argv == (*BUILD, "--compatibility", "linux", *out, *LINK_TIME)
    assert environment["CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"] == "aarch64-linux-gnu-gcc"
    assert rust_flags(inputs) == (
        *("-C", "target-cpu=cortex-a53", "-C", "target-feature=-aes,-sha2"),
        *("-C", "link-arg=-Wl,--fix-cortex-a53-843419"),
        *EVERY_CRATE,
        *REMAPPED,
    )
    assert "CARGO_ZIGBUILD_PYTHON_PATH" not in environment


def test_the_plan_with_cross() -> None:
    """It works in our image, without a network, and cannot ask the real rustup; its container can be ended by name."""
    inputs = replace(INPUTS, toolchain=find_toolchain("cross"), container=CONTAINER, offline=True)

    plan = plan_wheel(inputs)

    _, environment = _only(plan)
    assert environment["CARGO"] == "cross"
    assert environment["PATH"].startswith("/cache/programs:")
    assert environment["RUSTUP_HOME"] == "/cache/programs/no-rustup"
    assert environment["CROSS_CONTAINER_ENGINE"] == "podman"
    assert (
        environment["CROSS_TARGET_AARCH64_UNKNOWN_LINUX_GNU_IMAGE"] == "localhost/edgekit-cross:1"
    )
    assert environment["CROSS_CONTAINER_OPTS"] == (
        "--name edgekit-7 -v '/mein Projekt/runtime:/mein Projekt/runtime' "
        "-v /cache/target:/cache/target -e CARGO_TARGET_DIR=/cache/target "
        "-e LD_LIBRARY_PATH=/rust/lib/x86_64-linux-gnu --network none"
    )
    assert plan.cleanup[0].argv == ("podman", "rm", "--force", "edgekit-7")


def test_without_an_image_of_our_own_cross_chooses() -> None:
    """Where the network allows it, the stock image does."""
    container = replace(CONTAINER, image=None)
    inputs = replace(INPUTS, toolchain=find_toolchain("cross"), container=container)

    _, environment = _only(plan_wheel(inputs))

    assert not [name for name in environment if name.endswith("_IMAGE")]
    assert "--network" not in environment["CROSS_CONTAINER_OPTS"]


def test_the_plan_for_this_machine() -> None:
    """Its own linker, its own CPU, and no flags that are ARM's."""
    inputs = replace(
        INPUTS, toolchain=find_toolchain("host"), target="x86_64-unknown-linux-gnu", cpu="native"
    )

    assert rust_flags(inputs) == ("-C", "target-cpu=native", *REMAPPED)
    assert "--" not in _only(plan_wheel(inputs))[0]


@pytest.mark.parametrize(
    ("cpu", "features", "without"),
    [("cortex-a72", (), True), ("generic", (), False), ("cortex-a76", ("crypto",), False)],
)
def test_no_instructions_that_the_chip_lacks(
    cpu: str, features: tuple[str, ...], without: bool
) -> None:
    """The compiler takes AES for granted with a Cortex-A72, though the Raspberry Pi 4 has none; generic code has it never."""
    flags = rust_flags(replace(INPUTS, cpu=cpu, features=features))

    assert ("target-feature=-aes,-sha2" in flags) is without


def test_equal_inputs_are_equal_plans() -> None:
    """Comparing plans is comparing values."""
    assert plan_wheel(INPUTS) == plan_wheel(replace(INPUTS))
    assert plan_wheel(INPUTS) != plan_wheel(replace(INPUTS, cpu="generic"))


def test_a_plan_can_be_pasted_into_a_shell() -> None:
    """Spaces and separators are quoted, and no control character reaches the terminal."""
    text = str(plan_wheel(INPUTS))

    assert text.startswith("cd '/mein Projekt/runtime' && RUSTUP_AUTO_INSTALL=0 ")
    assert "CARGO_ENCODED_RUSTFLAGS=$'-C\\u001ftarget-cpu=cortex-a72\\u001f" in text
    assert text.isprintable()
