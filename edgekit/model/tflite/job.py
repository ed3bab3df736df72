"""The job `tflite`: write the .tflite of the folder as ONNX."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgekit.errors import ModelError
from edgekit.model.tflite.importer import to_onnx
from edgekit.model.worker import step

if TYPE_CHECKING:
    from pathlib import Path


def job(folder: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """Read `model.tflite`, write `converted.onnx`; return what the file's inputs and outputs are, and notes."""
    step(folder, "reading the TensorFlow Lite model")
    try:
        model = to_onnx((folder / "model.tflite").read_bytes())
    except ModelError as error:
        raise ModelError(f"`{parameters['path']}` {error.message}", hint=error.hint) from error
    (folder / "converted.onnx").write_bytes(model.onnx)
    return {
        "notes": list(model.notes),
        "inputs": [asdict(tensor) for tensor in model.inputs],
        "outputs": [asdict(tensor) for tensor in model.outputs],
    }
