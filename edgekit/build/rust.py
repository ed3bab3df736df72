"""
Which Rust compiles the engine: rustup's default toolchain if it has the target, else the distribution's.

Cargo and rustc always come from one toolchain, by their full paths. Nothing is downloaded and nothing is updated:
rustup is asked for a path only, from a folder without a `rust-toolchain.toml`, with its own installing switched off.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import ToolError
from edgekit.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.build_section import RustKind

FLOOR = (1, 91)
"""The oldest Rust that the engine compiles with (`rust-version` in runtime/Cargo.toml)."""
NO_INSTALL = {"RUSTUP_AUTO_INSTALL": "0"}
_TIMEOUT_S = 60  # a cold disk
_ARM64 = {"aarch64": "arm64", "x86_64": "amd64"}


@dataclass(frozen=True, kw_only=True)
class Rust:
    """One Rust toolchain: a compiler and the cargo that goes with it."""

    kind: RustKind
    cargo: Path
    rustc: Path
    version: str
    """What `rustc --version --verbose` prints: it tells one compiler from another."""

    @property
    def number(self) -> str:
        """The version's number, such as `1.96.0`."""
        return _field(self.version, "release")

    @property
    def host(self) -> str:
        """Triple of the machine that it runs on."""
        return _field(self.version, "host")

    def __str__(self) -> str:
        whose = "rustup's" if self.kind == "rustup" else "the system's"
        return f"{whose} Rust {self.number}"


def find_rust(target: str, kind: RustKind | None = None) -> Rust:
    """
    Return the Rust that compiles for a target: of one kind if that is asked for, else the first that can.

    Raises ToolError with the command that installs what is missing.
    """
    found = list(installed(kind))
    for rust in found:
        if not too_old(rust) and has_target(rust, target):
            return rust
    raise _cannot(found, target, kind)


def installed(kind: RustKind | None = None) -> Iterator[Rust]:
    """Look at rustup's default toolchain, then at the distribution's, newest first."""
    if kind in (None, "rustup"):
        rust = _of_rustup()
        if rust is not None:
            yield rust
    if kind in (None, "system"):
        yield from _of_system()


def too_old(rust: Rust) -> bool:
    """Whether the engine does not compile with it."""
    return tuple(map(int, rust.number.split(".")[:2])) < FLOOR


def has_target(rust: Rust, target: str) -> bool:
    """Whether the target's standard library lies where this very compiler looks for it."""
    arguments = ("--print", "target-libdir", "--target", target)
    asked = Command((str(rust.rustc), *arguments), cwd=Path("/"))
    done = run(asked, timeout_s=_TIMEOUT_S)
    folder = Path(done.stdout.strip())
    return done.returncode == 0 and any(folder.glob("libstd-*"))


def how_to_add_target(rust: Rust, target: str) -> str:
    """Return the command that gives a Rust the target's standard library."""
    if rust.kind == "rustup":
        return f"rustup target add {target}"
    architecture = _ARM64.get(target.partition("-")[0], target.partition("-")[0])
    package = _package_of(rust.rustc).replace("rustc", "libstd-rust") + "-dev"
    return (
        f"sudo dpkg --add-architecture {architecture} && sudo apt-get update && "
        f"sudo apt-get install --no-install-recommends {package}:{architecture}"
    )


def _of_rustup() -> Rust | None:
    """Ask rustup where its default compiler is; the proxies in ~/.cargo/bin may install, the compiler itself does not."""
    asked = Command(("rustup", "which", "rustc"), env=NO_INSTALL, cwd=Path("/"))
    try:
        done = run(asked, timeout_s=_TIMEOUT_S)
    except ToolError:
        return None
    rustc = Path(done.stdout.strip())
    if done.returncode != 0 or not rustc.is_absolute():
        return None
    return _rust("rustup", rustc.with_name("cargo"), rustc)


def _of_system() -> Iterator[Rust]:
    """Look for pairs of cargo and rustc on PATH that are not rustup's: `rustc`, and Ubuntu's `rustc-1.91`."""
    seen = set()
    for folder in map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep)):
        for suffix in _suffixes(folder):
            pair = folder / f"cargo{suffix}", folder / f"rustc{suffix}"
            real = pair[1].resolve()
            if real in seen or real.name == "rustup" or not all(map(Path.is_file, pair)):
                continue
            seen.add(real)
            rust = _rust("system", *pair)
            if rust is not None:
                yield rust


def _suffixes(folder: Path) -> list[str]:
    """Return what stands behind `rustc` in the names of a folder's compilers: none, then the newest version first."""
    found = [re.fullmatch(r"rustc(-1\.(\d+))", path.name) for path in folder.glob("rustc-1.*")]
    versions = sorted((int(match[2]) for match in found if match), reverse=True)
    return ["", *(f"-1.{version}" for version in versions)]


def _rust(kind: RustKind, cargo: Path, rustc: Path) -> Rust | None:
    """Return a toolchain that works; None for one that does not start."""
    try:
        done = run(
            Command((str(rustc), "--version", "--verbose"), cwd=Path("/")), timeout_s=_TIMEOUT_S
        )
    except ToolError:
        return None
    if done.returncode != 0 or not cargo.is_file() or not _field(done.stdout, "host"):
        return None
    return Rust(kind=kind, cargo=cargo, rustc=rustc, version=done.stdout)


def _cannot(found: list[Rust], target: str, kind: RustKind | None) -> ToolError:
    """Say what is missing, and the one command that is the shortest way."""
    usable = [rust for rust in found if not too_old(rust)]
    floor = ".".join(map(str, FLOOR))
    if usable:
        names = " and ".join(f"{rust} (`{rust.rustc}`)" for rust in usable)
        return ToolError(
            f"no Rust here has the standard library of `{target}`: {names} {'has' if len(usable) == 1 else 'have'} not",
            hint=f"run `{how_to_add_target(usable[0], target)}`",
        )
    if found:
        return ToolError(
            f"{found[0]} (`{found[0].rustc}`) is too old: {floor} or newer is needed",
            hint=f"run `rustup update && rustup target add {target}`"
            if found[0].kind == "rustup"
            else f"install Rust from https://rustup.rs, then run `rustup target add {target}`",
        )
    nothing = {
        "rustup": "rustup has no Rust on this machine, or is not there",
        "system": "the system has no Rust",
        None: "there is no Rust on this machine",
    }[kind]
    return ToolError(
        f"{nothing}: {floor} or newer is needed to build the engine for `{target}`",
        hint=f"install Rust from https://rustup.rs, then run `rustup target add {target}`; "
        "or name a folder of ready wheels: `[build] wheels` in edgekit.toml",
    )


def _package_of(rustc: Path) -> str:
    """Return the distribution's package of a compiler, `rustc` where nothing says otherwise (Debian 12: `rustc-web`)."""
    try:
        done = run(Command(("dpkg-query", "--search", str(rustc.resolve()))), timeout_s=_TIMEOUT_S)
    except ToolError:
        return "rustc"
    found = re.match(r"(rustc[\w.-]*)(?::\w+)?:", done.stdout)
    return found[1] if found else "rustc"


def _field(version: str, name: str) -> str:
    found = re.search(rf"^{name}: (\S+)", version, re.MULTILINE)
    return found[1] if found else ""
