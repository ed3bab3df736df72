"""
`vectors.bin`: inputs and what the host's proven engine made of them.

    one line of text    a JSON object in one line    bytes of the inputs and outputs    SHA-256 of all before

A recorded input is kept as it is; all others are drawn anew from a digest (SHAKE-256), the same everywhere, so that a
camera frame costs a line. Of an output with many values every n-th is kept, and which one was the largest. Equal
vectors have equal bytes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import struct
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Union

from edge_agent.errors import ConfigError, VerificationFailed
from edge_agent.schema import from_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edge_agent.model_facts import Tensor

FILE_NAME = "vectors.bin"
LARGEST_BYTES = 16 << 20
"""Longer files are none of ours; `edgekit` writes less than 1 MiB."""

_MAGIC = b"edgekit vectors 1\n"
_DIGEST_BYTES = 32
_AGAIN = "copy the bundle again, or build it again"


@dataclass(frozen=True, kw_only=True)
class Given:
    """An input that is in the file."""

    kind: Literal["given"] = "given"
    size_bytes: int

    def __post_init__(self) -> None:
        if self.size_bytes < 1:
            raise ValueError("`size_bytes` must be positive")


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """An input that is drawn: each value is one of `levels` from low to high."""

    kind: Literal["drawn"] = "drawn"
    seed: int
    levels: int
    """1: always `low`; 2: `low` or `high`; at most 256."""
    low: tuple[float, ...]
    """One for each position along the last axis, or a single one."""
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= 256:  # noqa: PLR2004 (what a byte can tell apart)
            raise ValueError(f"`levels` is {self.levels}: must be 1 to 256")
        if not self.low or len(self.low) != len(self.high):
            raise ValueError("`low` and `high` must have the same number of values")


Input = Union[Given, Drawn]  # noqa: UP007 (evaluated on Python 3.10 as well)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is kept of an output."""

    step: int
    """Every how many values one is kept."""
    size_bytes: int
    argmax: int
    """Position of the largest of all its values."""
    margin: float | None
    """By how much it is larger than the second; None where a value is no finite number, or there is but one."""

    def __post_init__(self) -> None:
        if self.step < 1 or self.size_bytes < 1:
            raise ValueError("`step` and `size_bytes` must be positive")


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What the file says of one vector before the bytes."""

    kind: str
    """`recorded`, `random`, `extreme` or `constant`."""
    inputs: dict[str, Input]
    outputs: dict[str, Kept]


@dataclass(frozen=True, kw_only=True)
class _Header:
    model: str
    vectors: tuple[Outline, ...]


@dataclass(frozen=True, kw_only=True)
class Vector:
    """One call of the model: what to give, and what must come back."""

    outline: Outline
    given: Mapping[str, bytes]
    """Bytes of the inputs that are kept."""
    expected: Mapping[str, bytes]
    """Bytes of what is kept of each output."""

    def input(self, tensor: Tensor) -> bytes:
        """Return the bytes of one input. Raises VerificationFailed if the vector has none that fits."""
        source = self.outline.inputs.get(tensor.name)
        if isinstance(source, Drawn):
            return drawn(source, tensor)
        data = self.given.get(tensor.name, b"")
        if len(data) != tensor.count * struct.calcsize(f"<{tensor.code}"):
            raise VerificationFailed(
                f"a test vector has {len(data)} bytes for the input `{tensor.name}` {list(tensor.shape)}",
                hint=_AGAIN,
            )
        return data


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """All vectors of a model."""

    model: str
    """SHA-256 of the archive that they are about."""
    vectors: tuple[Vector, ...]


def drawn(source: Drawn, tensor: Tensor) -> bytes:
    """Return the values that a recipe stands for; integers are rounded half to even."""
    period = len(source.low)
    noise = hashlib.shake_256(f"edgekit {source.seed}".encode()).digest(tensor.count)
    tables = [
        _table(source, low, high, whole=tensor.code not in "efd")
        for low, high in zip(source.low, source.high, strict=True)
    ]
    values = [tables[at % period][byte] for at, byte in enumerate(noise)]
    if tensor.code == "?":
        values = [value != 0 for value in values]
    return struct.pack(f"<{tensor.count}{tensor.code}", *values)


def write_vectors(vectors: Vectors) -> bytes:
    """Return the bytes of `vectors.bin`."""
    header = {
        "model": vectors.model,
        "vectors": [asdict(vector.outline) for vector in vectors.vectors],
    }
    line = json.dumps(header, sort_keys=True, allow_nan=False, separators=(",", ":"))
    parts = [_MAGIC, line.encode(), b"\n"]
    for vector in vectors.vectors:
        parts += [vector.given[name] for name in sorted(vector.given)]
        parts += [vector.expected[name] for name in sorted(vector.expected)]
    data = b"".join(parts)
    return data + hashlib.sha256(data).digest()


def read_vectors(path: Path) -> Vectors:
    """Read `vectors.bin`. Raises ConfigError if it cannot be read, VerificationFailed if it is damaged."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise _damaged(path, f"it is larger than {LARGEST_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read `{path}`: {error.strerror}") from None
    content, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest or not content.startswith(_MAGIC):
        raise _damaged(path, "its bytes are not those that were written")
    line, _, blobs = content[len(_MAGIC) :].partition(b"\n")
    try:
        header = from_json(_Header, line.decode(), where=str(path))
    except (ConfigError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from None
    return Vectors(model=header.model, vectors=_cut(path, header, memoryview(blobs)))


def _cut(path: Path, header: _Header, blobs: memoryview) -> tuple[Vector, ...]:
    """Give each vector its bytes; they must be used up."""
    found, start = [], 0
    for outline in header.vectors:
        cut: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
        inputs, outputs = outline.inputs.items(), outline.outputs.items()
        sizes = (
            {name: item.size_bytes for name, item in inputs if isinstance(item, Given)},
            {name: item.size_bytes for name, item in outputs},
        )
        for into, parts in zip(cut, sizes, strict=True):
            for name in sorted(parts):
                end = start + parts[name]
                into[name] = bytes(blobs[start:end])
                start = end
        found.append(Vector(outline=outline, given=cut[0], expected=cut[1]))
    if start != len(blobs):
        raise _damaged(path, f"it holds {len(blobs)} bytes of numbers where {start} belong")
    return tuple(found)


def _table(source: Drawn, low: float, high: float, *, whole: bool) -> list[float | int]:
    """Return the value that each byte stands for."""
    steps = max(1, source.levels - 1)
    found: list[float | int] = [
        low + (high - low) * (byte % source.levels) / steps for byte in range(256)
    ]
    return [round(value) for value in found] if whole else found


def _damaged(path: Path, reason: str) -> VerificationFailed:
    return VerificationFailed(f"`{path}` is damaged: {reason}", hint=_AGAIN)


def unpacked(data: bytes, code: str) -> tuple[float, ...]:
    """Return the numbers of little-endian bytes."""
    return struct.unpack(f"<{len(data) // struct.calcsize('<' + code)}{code}", data)


def largest(values: tuple[float, ...]) -> tuple[int, float | None]:
    """Return the position of the largest value, and by how much it is larger than the second."""
    position = max(range(len(values)), key=values.__getitem__)
    if len(values) == 1 or not all(map(math.isfinite, values)):
        return position, None
    second = max(
        itertools.chain(
            itertools.islice(values, position), itertools.islice(values, position + 1, None)
        )
    )
    return position, float(values[position] - second)
