"""
Toolchains: how code for one Rust target is linked. One TOML file each in `toolchains/`, its keys in the README there.

A toolchain is data; what the four kinds need in the environment of a build is `edgekit/build/plan.py`'s matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from edge_agent import config
from edgekit.catalog import Catalog, nearest
from edgekit.errors import ConfigError
from edgekit.resources import data_folder

HOST_TARGET = "host"
_DEBIAN_ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that must be on this machine: a program, a Python package, or one of several container engines."""

    __pydantic_config__ = config.STRICT

    install: str
    """The command that brings it, with `{python}`, `{architecture}`, `{debian}` filled in."""
    program: str | None = None
    """Name on PATH; `{linker}` is the target's. Beside a `package`: does instead of it."""
    package: str | None = None
    """Name to import."""
    engine: tuple[str, ...] = ()
    """Container engines, of which one is enough; the first that is there is taken."""

    def __post_init__(self) -> None:
        if not (self.program or self.package or self.engine):
            raise ValueError("`program` is missing, and so are `package` and `engine`")

    @property
    def name(self) -> str:
        """What people call it."""
        return self.package or self.program or " or ".join(self.engine)


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """One way to make code for a target; `kind` is the name of its file."""

    __pydantic_config__ = config.STRICT

    kind: str = ""
    title: str
    """What it is, in a line."""
    glibc: str
    """The oldest glibc that what it makes can run on; a newer one where the machine or the image decides."""
    targets: tuple[str, ...]
    """Rust targets that it links for; `host` is this machine."""
    maturin: tuple[str, ...] = ()
    """Arguments of `maturin build`."""
    linker: dict[str, str] = field(default_factory=dict)
    """Linker of each target, where it is not the Rust compiler's own choice."""
    link_args: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Arguments of the linker for a `target-cpu`."""
    image: str | None = None
    """Container image."""
    needs: tuple[Need, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"2\.\d+", self.glibc):
            raise ValueError(f"`glibc` is `{self.glibc}`: must be a version such as `2.17`")

    def links_for(self, target: str, host: str) -> bool:
        """Whether it makes code for a target on a machine that is `host` itself."""
        return target in self.targets or (HOST_TARGET in self.targets and target == host)


def find_toolchain(kind: str) -> Toolchain:
    """Read the toolchain of a kind. Raises ConfigError, with the near name, for an unknown one."""
    known = Catalog(Toolchain, (data_folder("toolchains"),))
    if kind not in known.paths:
        near = nearest(kind, known.paths)
        hint = f"did you mean `{near}`?" if near else f"there are {', '.join(known.paths)}"
        raise ConfigError(f"there is no toolchain `{kind}`", hint=hint)
    return replace(known.read(kind), kind=kind)


def fill_in(text: str, *, target: str, linker: str, python: str) -> str:
    """Fill in the placeholders of a need: `{linker}`, `{python}`, `{target}`, `{architecture}`, `{debian}`."""
    architecture = target.partition("-")[0]
    words = {
        "linker": linker,
        "python": python,
        "target": target,
        "architecture": architecture,
        "debian": _DEBIAN_ARCHITECTURES.get(architecture, architecture),
    }
    return re.sub(r"\{(\w+)\}", lambda found: words[found[1]], text)
