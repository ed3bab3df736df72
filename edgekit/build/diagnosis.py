"""What went wrong in a build: the first real error among thousands of lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgekit.errors import EdgeKitError, ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LINKER = re.compile(
    r"(?:undefined (?:symbol|reference)|cannot find -l|multiple definition|relocation .* (?:out of range|truncated)|"
    r"unable to find library|unsupported linker arg|unrecognized (?:command-line )?option|"
    r"(?:collect2|ld|ld\.lld|lld|zig)\S*: (?:fatal )?error:)",
    re.IGNORECASE,
)
"""What linkers say when something is wrong; rustc passes it on in a note."""
_FROM_RUSTC = re.compile(r"^\s*(?:💥 maturin failed|error(?:\[E\d+\])?: )")
_SAYS_NOTHING = re.compile(
    r"error: (?:linking with|could not compile|aborting due to|process didn't exit)"
)
_LONGEST = 300  # characters of one line that a terminal should get


def build_failed(lines: Sequence[str], log: Path, command: str) -> EdgeKitError:
    """Return the error for a build that ended badly, with what it printed."""
    text = "\n".join(lines)
    where = f"all of it is in `{log}`"
    if "No space left on device" in text or "(os error 28)" in text:
        return EdgeKitError(
            "the disk is full: the engine was not built",
            hint=f"make room (about 1 GiB) and run the same again; {where}",
        )
    missing = re.search(r"linker `([^`]+)` not found", text)
    if missing is not None:
        return ToolError(f"linker `{missing[1]}` is not on PATH", hint="see `edgekit doctor`")
    if re.search(r"can't find crate for `(?:core|std)`", text):
        return ToolError(
            "the Rust that was taken lacks the target's standard library",
            hint="see `edgekit doctor`",
        )
    if re.search(
        r"--offline|without access to the network|failed to (?:download|fetch)|Could not resolve",
        text,
    ):
        return ToolError(
            f"the engine's crates are not all here: {first_error(lines)}",
            hint="run it once with a network, without `--offline`; cargo keeps them",
        )
    return EdgeKitError(f"`{command}` failed: {first_error(lines)}", hint=where)


def first_error(lines: Sequence[str]) -> str:
    """Return the first line that names the cause: a linker's before rustc's report that it failed."""
    linking = next((at for at, line in enumerate(lines) if "error: linking with" in line), None)
    if linking is not None:
        for line in lines[linking + 1 :]:
            said = line.strip().removeprefix("= note:").strip()
            if _LINKER.search(said):
                return said[:_LONGEST]
    errors = [line.strip() for line in lines if _FROM_RUSTC.match(line)]
    causes = [line for line in errors if not _SAYS_NOTHING.match(line)] or errors
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
    return (causes[0] if causes else last)[:_LONGEST]
