"""A workshop with stand-ins for the tools of a build: small scripts on a PATH of their own, and wheels around a tiny ELF file."""

from __future__ import annotations

import shlex
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

_MACHINES = {"aarch64": 183, "x86_64": 62}
_SHELL = ("sh", "cat", "touch", "sleep", "cp", "basename")


@dataclass(frozen=True)
class Workshop:
    """A folder in which a build finds nothing but what a test has put there."""

    folder: Path

    @property
    def path(self) -> Path:
        """The one folder of PATH; its name has a space and an umlaut."""
        return self.folder / "Prögramme hier"

    @property
    def cache(self) -> Path:
        """EdgeKit's cache."""
        return self.folder / "cache" / "edgekit"

    def program(self, name: str, script: str) -> Path:
        """Put a shell script on PATH."""
        path = self.path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def rust(self, *, suffix: str = "", release: str = "1.96.0", with_target: bool = True) -> Path:
        """Put a distribution's cargo and rustc on PATH; return the rustc."""
        self.program(f"cargo{suffix}", "exit 1")
        return self.program(f"rustc{suffix}", self.rustc_script(release, with_target=with_target))

    def rustc_script(self, release: str, *, with_target: bool) -> str:
        """Return a rustc that says its version, and where the library of the target would be."""
        library = self.folder / f"library {release}"
        library.mkdir(exist_ok=True)
        if with_target:
            (library / "libstd-1234.rlib").touch()
        version = f"rustc {release}\\nhost: x86_64-unknown-linux-gnu\\nrelease: {release}\\n"
        return (
            f"case $1 in --version) printf '{version}' ;;\n"
            f"--print) echo {shlex.quote(str(library))} ;; esac"
        )

    def rustup(self, *, release: str = "1.95.0", with_target: bool = True) -> Path:
        """Put a rustup on PATH that fails at all but `which`, and notes each call; return its toolchain's rustc."""
        folder = self.folder / "toolchain" / "bin"
        folder.mkdir(parents=True)
        rustc, cargo = folder / "rustc", folder / "cargo"
        rustc.write_text(f"#!/bin/sh\n{self.rustc_script(release, with_target=with_target)}\n")
        cargo.write_text("#!/bin/sh\nexit 1\n")
        for path in (rustc, cargo):
            path.chmod(0o755)
        note = shlex.quote(str(self.rustup_calls))
        self.program(
            "rustup",
            f'echo "$RUSTUP_AUTO_INSTALL $*" >> {note}\n'
            f'[ "$*" = "which rustc" ] && echo {shlex.quote(str(rustc))} || exit 1',
        )
        return rustc

    @property
    def rustup_calls(self) -> Path:
        """What rustup was asked, a line each, with RUSTUP_AUTO_INSTALL in front."""
        return self.folder / "rustup calls"

    def library(self, machine: str = "aarch64", *, page: int = 65536, code: bytes = b"") -> bytes:
        """Return the smallest ELF file that is a shared library: a header and one segment of code at address 0."""
        begins = 64 + 56
        ident = b"\x7fELF\x02\x01\x01"
        header = struct.pack(
            "<16s2HI3QI6H", ident, 3, _MACHINES[machine], 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0
        )
        size = begins + len(code)
        return header + struct.pack("<2I6Q", 1, 5, 0, 0, 0, size, size, page) + code

    def wheel(
        self,
        name: str = "edgekit_runtime-0.1.0-cp310-abi3-linux_aarch64.whl",
        *,
        library: bytes | None = None,
        tag: str = "cp310-abi3-manylinux_2_17_aarch64",
    ) -> Path:
        """Write a wheel of the engine around a library."""
        path = self.folder / name
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(
                "edgekit_runtime/_native.abi3.so", self.library() if library is None else library
            )
            archive.writestr("edgekit_runtime-0.1.0.dist-info/WHEEL", f"Tag: {tag}\n")
        return path


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Return an empty workshop: PATH has the shell's own tools, the cache is empty."""
    made = Workshop(tmp_path)
    made.path.mkdir()
    for name in _SHELL:
        (made.path / name).symlink_to(Path("/bin") / name)
    monkeypatch.setenv("PATH", str(made.path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(made.cache.parent))
    monkeypatch.delenv("CARGO_TARGET_DIR", raising=False)
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo home"))
    return made
