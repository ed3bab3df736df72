"""`model.json`: what the archive of a bundle takes, gives and needs, and what its engine was proven with."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from edge_agent.config import Archive  # noqa: TC001 (read at run time by `schema`)
from edge_agent.errors import ConfigError
from edge_agent.schema import from_json

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "model.json"

CODES = {
    "float16": "e",
    "float32": "f",
    "float64": "d",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "bool": "?",
}
"""Element types of tensors, and how `struct` reads them."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One input or output of the archive."""

    name: str
    dtype: Literal[
        "float16",
        "float32",
        "float64",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "bool",
    ]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(size < 1 for size in self.shape):
            raise ValueError(f"`shape` of `{self.name}` is {list(self.shape)}: must be positive")

    @property
    def count(self) -> int:
        """Number of its values."""
        return math.prod(self.shape)

    @property
    def code(self) -> str:
        """How `struct` reads one value."""
        return CODES[self.dtype]


@dataclass(frozen=True, kw_only=True)
class OutputTensor(Tensor):
    """An output, and how far it may be from the host's."""

    tolerance: float
    """Largest allowed difference, in the output's own unit."""


@dataclass(frozen=True, kw_only=True)
class StreamFacts:
    """How the archive is called as a stream of samples."""

    window: int
    """Samples in a window."""
    hop: int
    """Samples from one window to the next."""
    channels: int
    """Values in a sample."""


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """Bytes that the engine's allocator counted on the host."""

    live_bytes: int
    """Of the loaded model."""
    peak_bytes: int
    """While it was loaded and ran."""


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """The whole of `model.json`."""

    format: Literal[1] = 1
    archive: Archive
    """`path` is relative to model.json."""
    inputs: tuple[Tensor, ...]
    outputs: tuple[OutputTensor, ...]
    stream: StreamFacts | None
    """None for a model that is called with named tensors."""
    plan: MemoryPlan


def read_model_facts(path: Path) -> ModelFacts:
    """Read model.json. Raises ConfigError that names the file and the dotted key."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read `{path}`: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"`{path}` is no UTF-8 text") from None
    return from_json(ModelFacts, text, where=str(path))


def to_text(facts: ModelFacts) -> str:
    """Return the facts as canonical JSON text: equal facts have equal bytes."""
    document = json.dumps(
        asdict(facts), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
    )
    return document + "\n"
