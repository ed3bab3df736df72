"""
The gate: what is looked at in a model file before a converter, a runtime or a checker sees it.

In order, because each step relies on those before: the bytes (`wire`), then the parsed message: its names, how much of it
there is (`contents`), types of numbers, shapes of constants, files beside it (`external_data`), the constants themselves,
the operators (`nodes`, `functions`), how values depend on one another (`scopes`), their types (`operand_types`), and what would grow (`growth`). All of
that is plain Python over a message whose size is known, so it is safe in the parent. What needs native code
(`activations`) runs in the child.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from edgekit.errors import ModelError
from edgekit.model import operators
from edgekit.model.gate import (
    constants,
    contents,
    element_types,
    external_data,
    functions,
    growth,
    names,
    nodes,
    operand_types,
    scopes,
    wire,
)

if TYPE_CHECKING:
    from pathlib import Path

OLDEST_OPSET: Final = 7
"""ONNX Runtime promises nothing for models older than that, so there would be no reference."""


def admit(data: bytes, path: Path) -> tuple[bytes, onnx.ModelProto]:
    """
    Return the bytes of an ONNX file, external data embedded, and the model in them, if it may be converted.

    Files beside it are looked for in the folder of `path`. Raises ModelError, with what to do, if it may not.
    """
    wire.check(data, path)
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise _broken(path, data, "it cannot be parsed") from error
    if not model.HasField("graph") or model.ir_version == 0:
        raise _broken(path, data, "it holds no graph")
    names.check(model, path)
    contents.check_size(model, path)
    nodes.check_versions(model, path)
    operators.check(model, path, OLDEST_OPSET)
    element_types.check(model, path)
    constants.check_shapes(model, path)
    if external_data.embed(model, path):
        data = model.SerializeToString(deterministic=True)
    constants.check_contents(model, path)
    functions.check(model, path)
    nodes.check(model, path)
    scopes.check(model, path)
    operand_types.check(model, path)
    growth.check(model, path)
    return data, model


def _broken(path: Path, data: bytes, why: str) -> ModelError:
    return ModelError(
        f"`{path}` is no ONNX model, or was cut short: {why} ({len(data):,} bytes)",
        hint="compare its size with the original, or export it again",
    )
