"""A .tflite read in a child process: the ONNX that is made of it, and its inputs and outputs as the file names them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgekit.model.child import Job
from edgekit.model.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONVERTED = "converted.onnx"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was made of a .tflite."""

    onnx: bytes = field(repr=False)
    notes: tuple[str, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class _File:
    """A .tflite before anything is known of it."""

    path: Path
    files: Mapping[str, bytes]


def run(path: Path, data: bytes) -> Imported:
    """Read the bytes of a .tflite. Raises ModelError if it is damaged or has operators that cannot be read."""
    with Job("tflite", _File(path, {"model.tflite": data}), {}, {}) as job:
        result = job.result()
        return Imported(
            onnx=job.file(CONVERTED),
            notes=tuple(result["notes"]),
            inputs=tuple(map(_spec, result["inputs"])),
            outputs=tuple(map(_spec, result["outputs"])),
        )


def _spec(tensor: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(
        name=tensor["name"],
        dtype=tensor["dtype"],
        shape=tuple(tensor["shape"]),
        symbols=("",) * len(tensor["shape"]),
        scale=tensor["scale"],
        zero_point=tensor["zero_point"],
    )
