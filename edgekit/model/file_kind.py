"""What a file is, told by its content: an ONNX or TensorFlow Lite model, or something else and how to export that."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from edgekit.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

_TF2ONNX: Final = "convert it on the machine that has TensorFlow: `python -m tf2onnx.convert"
_KERAS: Final = 'in Keras: `model.export("model.onnx", format="onnx")`'
_TORCH: Final = 'in PyTorch: `torch.onnx.export(model, (example,), "model.onnx")`'
_SKLEARN: Final = (
    'for scikit-learn: `skl2onnx.to_onnx(model, X[:1].astype("float32"), options={"zipmap": False})`, '
    "then write `.SerializeToString()` to a file"
)


@dataclass(frozen=True)
class ModelFile:
    """The bytes of a model file, and what they are."""

    kind: Literal["onnx", "tflite"]
    data: bytes = field(repr=False)


def read_model(path: Path, largest_bytes: int) -> ModelFile:
    """
    Return the bytes of what may be an ONNX or TensorFlow Lite file.

    Raises ModelError if there is no such file, if it is too large, or if it is plainly something else.
    """
    try:
        data = _read(path, largest_bytes)
    except FileNotFoundError:
        raise ModelError(
            f"there is no model at `{path}`",
            hint="check `path` in [model] of edgekit.toml: it is relative to the folder of edgekit.toml",
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ModelError(
            f"cannot read the model `{path}`: {error}",
            hint="give the path of an .onnx or .tflite file that you may read",
        ) from None
    if data[4:8] == b"TFL3":
        return ModelFile("tflite", data)
    other = _other_kind(data)
    if other is not None:
        kind, hint = other
        raise ModelError(f"`{path}` is {kind}, not an ONNX or TensorFlow Lite model", hint=hint)
    return ModelFile("onnx", data)


def _read(path: Path, largest_bytes: int) -> bytes:
    """Read a plain file; what was looked at is what is read, and no more of it than may be."""
    # without O_NONBLOCK, opening a named pipe would wait for someone who writes
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise _folder(path)
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"`{path}` is no regular file", hint="give the path of an .onnx file")
        data = b""
        if status.st_size <= largest_bytes:
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(largest_bytes + 1)
    finally:
        os.close(descriptor)
    size = max(len(data), status.st_size)  # it may grow while it is read
    if size > largest_bytes:
        raise ModelError(
            f"`{path}` has {size:,} bytes: the limit is {largest_bytes:,}",
            hint="EdgeKit is for models that fit on a small board; quantise or prune this one",
        )
    return data


def _folder(path: Path) -> ModelError:
    if (path / "saved_model.pb").is_file():
        return ModelError(
            f"`{path}` is a TensorFlow SavedModel, not an ONNX model",
            hint=f"{_TF2ONNX} --saved-model {path} --output model.onnx`",
        )
    return ModelError(
        f"`{path}` is a folder, not an ONNX model", hint="give the path of the .onnx file in it"
    )


def _other_kind(data: bytes) -> tuple[str, str] | None:  # noqa: PLR0911 (a line for each kind of file)
    """Return what the file is and how to get ONNX from it; None if it may be ONNX."""
    start = data[:8]
    if not data:
        return "empty", "copy or export it again"
    if start[4:] == b"ORTM":
        return "an ORT format model", "use the .onnx file that it was made from"
    if start == b"\x89HDF\r\n\x1a\n":
        return "a Keras (HDF5) model", _KERAS
    if start[:4] == b"PK\x03\x04":
        return _archive_kind(data)
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a Python pickle", f"{_TORCH}; {_SKLEARN}"
    if data.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer", "fetch the file itself: `git lfs pull`"
    if _is_text(data[:4096]):
        return "a text file", "give the path of the .onnx file"
    return None


def _archive_kind(data: bytes) -> tuple[str, str]:
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        names = []
    last_parts = {name.rsplit("/", 1)[-1] for name in names}
    if "data.pkl" in last_parts:
        return "a PyTorch file", _TORCH
    if "model.weights.h5" in last_parts:
        return "a Keras model", _KERAS
    return "a zip archive", "unpack it and give the path of the .onnx file"


def _is_text(start: bytes) -> bool:
    """Tell whether it reads as text: a protocol buffer has control characters in its first bytes."""
    text = start.decode("utf-8", errors="ignore")
    whole = len(text.encode()) >= len(start) - 3  # the cut may split one character
    return whole and all(character.isprintable() or character in "\t\n\r" for character in text)
