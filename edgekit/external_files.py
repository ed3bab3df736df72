"""
The files beside a model that hold its weights, found without parsing the model: for what must not load `onnx`.

`edgekit.model.gate.external_data` reads them, after checking where they are.
"""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_BYTES: Final = 512 << 20  # as `edgekit.model.source` reads

_LOCATION: Final = re.compile(rb"\x0a\x08location\x12([\x80-\xff]*[\x00-\x7f])")
"""
An entry of TensorProto.external_data (onnx.proto3: StringStringEntryProto): key `location`, then the tag of its value
and the value's length in base 128, lowest digits first.
"""


def external_files(model: Path) -> tuple[Path, ...]:
    """Return where a model's external data would be, each file once; nothing if the model cannot be read."""
    if not is_regular(model) or model.stat().st_size > _LARGEST_BYTES:
        return ()
    try:
        data = model.read_bytes()
    except OSError:
        return ()
    found: dict[Path, None] = {}
    for match in _LOCATION.finditer(data):
        length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(match[1][:4]))
        name = data[match.end() : match.end() + length].decode(errors="replace")
        if "\0" not in name:
            found[model.parent / name] = None
    return tuple(found)


def is_regular(path: Path) -> bool:
    """Tell whether a path is a plain file: reading a named pipe or a device might never end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False
