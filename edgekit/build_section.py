"""The section `[build]` of edgekit.toml: how the engine for a board is come by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edge_agent import config

ToolchainKind = Literal["zig", "gcc", "cross", "host"]
RustKind = Literal["rustup", "system"]


@dataclass(frozen=True, kw_only=True)
class BuildSection:
    """How the engine for a board is come by; a command line's options go before it."""

    __pydantic_config__ = config.STRICT

    toolchain: ToolchainKind | None = None
    """What links it; the board's own choice if not given."""
    rust: RustKind | None = None
    """Whose Rust compiles it: rustup's or the distribution's; the first that has the target if not given."""
    wheels: str | None = None
    """Folder, relative to edgekit.toml, or `https://` address of ready wheels, as `scripts/release` writes them."""
    wheels_sha256: str | None = None
    """Digest of the `index.json` there; an address needs it."""

    def __post_init__(self) -> None:
        pinned, source = self.wheels_sha256, self.wheels
        if pinned is not None and not re.fullmatch("[0-9a-f]{64}", pinned):
            raise ValueError(f"`wheels_sha256` is `{pinned}`: must be 64 hexadecimal digits")
        if pinned is not None and source is None:
            raise ValueError("`wheels_sha256` is given without `wheels`")
        if source is None:
            return
        if source.startswith("http://"):
            raise ValueError(f"`wheels` is `{source}`: must be an https:// address or a folder")
        if source.startswith("https://") and pinned is None:
            error = ValueError("`wheels` is an address, so `wheels_sha256` must say what is there")
            error.add_note("take the digest that `scripts/release` printed")
            raise error
