"""
Ready device wheels: a folder or an address with an `index.json`, as `scripts/release` writes them.

The index names each wheel's digest, target, CPU and the digest of the sources that it was built from; `[build]
wheels_sha256` pins the index. A wheel of other sources than this EdgeKit's is never taken.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent import schema
from edgekit.atomic import write_file
from edgekit.board import GENERIC_CPU
from edgekit.errors import ConfigError, ToolError, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.board import Board
    from edgekit.build.wheel_cache import WheelCache

INDEX_NAME = "index.json"
_LARGEST_BYTES = 64 << 20  # a wheel has 2 to 6 MB
_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True)
class ReadyWheel:
    """One wheel of an index."""

    file: str
    """Its name, beside the index."""
    sha256: str
    target: str
    """Rust target."""
    cpu: str
    """Rust target-cpu."""
    toolchain: str
    source: str
    """Digest of the sources that it was built from."""

    def __post_init__(self) -> None:
        if Path(self.file).name != self.file or not self.file.endswith(".whl"):
            raise ValueError(f"`file` is `{self.file}`: must be the name of a wheel")


@dataclass(frozen=True, kw_only=True)
class WheelIndex:
    """An `index.json`."""

    format: int
    """1."""
    wheels: tuple[ReadyWheel, ...]

    def __post_init__(self) -> None:
        if self.format != 1:
            raise ValueError(f"`format` is {self.format}: this EdgeKit reads 1")


@dataclass(frozen=True, kw_only=True)
class WheelSource:
    """Where ready wheels come from."""

    place: str
    """Folder or https:// address."""
    sha256: str | None = None
    """Digest that the index must have."""
    offline: bool = False
    """Whether an address is not to be asked."""

    @property
    def is_address(self) -> bool:
        """Whether it is no folder of this machine."""
        return self.place.startswith("https://")


def ready_wheel(
    source: WheelSource,
    board: Board,
    source_digest: str,
    cache: WheelCache,
    *,
    toolchain: str | None = None,
) -> tuple[ReadyWheel, Path] | None:
    """
    Return the ready wheel for a board, its own CPU's before a generic one, and where it is; None if there is none.

    With `toolchain` only those that it made.

    Raises VerificationFailed if something does not have its digest, ToolError if an address gives no answer,
    ConfigError if a folder has no index or if it cannot be read.
    """
    if source.is_address and source.offline:
        return None
    data = _read(source, INDEX_NAME)
    if source.sha256 is not None and hashlib.sha256(data).hexdigest() != source.sha256:
        raise VerificationFailed(
            f"`{source.place}/{INDEX_NAME}` does not have the digest that `build.wheels_sha256` names",
            hint="take the digest that `scripts/release` printed, if the wheels are the ones you mean",
        )
    for wheel in _suitable(_index(data, source), board, source_digest):
        if toolchain in (None, wheel.toolchain):
            return wheel, _fetched(wheel, source, cache)
    return None


def _suitable(index: WheelIndex, board: Board, source_digest: str) -> Iterator[ReadyWheel]:
    for cpu in (board.cpu, GENERIC_CPU):
        for wheel in index.wheels:
            if (wheel.target, wheel.cpu, wheel.source) == (board.target, cpu, source_digest):
                yield wheel


def _fetched(wheel: ReadyWheel, source: WheelSource, cache: WheelCache) -> Path:
    """Return a wheel out of the cache, or read it into there."""
    key = f"ready-{wheel.sha256}"
    known = cache.find(key)
    if known is not None:
        return known
    data = _read(source, wheel.file)
    if hashlib.sha256(data).hexdigest() != wheel.sha256:
        raise VerificationFailed(
            f"`{source.place}/{wheel.file}` does not have the digest that the index names",
            hint="it is damaged or another: get it again",
        )
    with cache.work_folder() as folder:
        path = folder / wheel.file
        write_file(path, data)
        return cache.keep(key, path)


def _index(data: bytes, source: WheelSource) -> WheelIndex:
    where = f"{source.place}/{INDEX_NAME}"
    return schema.from_json(WheelIndex, data.decode(errors="replace"), where=where)


def _read(source: WheelSource, name: str) -> bytes:
    if not source.is_address:
        path = Path(source.place) / name
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"cannot read `{path}`: {error.strerror}",
                hint="`build.wheels` must name a folder that `scripts/release` made",
            ) from error
    import urllib.request  # noqa: PLC0415 (it takes 40 ms, and most builds need it not)

    address = f"{source.place.rstrip('/')}/{name}"
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310 (https:// alone: `is_address`)
            data: bytes = answer.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise ToolError(
            f"cannot get `{address}`: {error}",
            hint="is the network there? with `--offline` the engine is compiled here",
        ) from error
    if len(data) > _LARGEST_BYTES:
        raise VerificationFailed(f"`{address}` has more than {_LARGEST_BYTES >> 20} MiB")
    return data
