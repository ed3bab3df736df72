"""
The programs that a build finds first on PATH: one cargo and one rustc, and a stand-in for rustup.

maturin and `cross` look for `cargo` and `rustc` by their plain names, and on PATH another toolchain's may come first.
`cross` 0.2.5 also reads the answer of newer rustups wrongly, concludes that the toolchain is missing and runs
`rustup toolchain add`: that updates the user's Rust without asking, and no setting stops it. So whatever asks for rustup
meets a program that says what cross needs to hear and refuses everything else.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from edgekit.atomic import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.build.rust import Rust

_RUSTUP = """#!/bin/sh
case "$*" in
"toolchain list") basename "$({rustc} --print sysroot)" ;;
"component list "*) ;; # asked after a build that failed
*) echo "rustup is not asked to change anything; refused: rustup $*" >&2; exit 1 ;;
esac
"""
_SAME = """#!/bin/sh
exec {program} "$@"
"""


def put_programs(folder: Path, rust: Rust) -> None:
    """Put the programs into a folder. Raises EdgeKitError if it cannot be written."""
    scripts = {
        "rustup": _RUSTUP.format(rustc=shlex.quote(str(rust.rustc))),
        "cargo": _SAME.format(program=shlex.quote(str(rust.cargo))),
        "rustc": _SAME.format(program=shlex.quote(str(rust.rustc))),
    }
    for name in ("no-rustup", "no-xargo"):  # empty, in the place of the user's own
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, text in scripts.items():
        path = folder / name
        if not path.is_file() or path.read_text() != text:  # another build may be running it
            write_file(path, text.encode())
            path.chmod(0o755)
