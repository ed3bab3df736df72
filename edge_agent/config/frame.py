"""How one sample lies in a frame of bytes: a Python `struct` string, one field a channel."""

from __future__ import annotations

import re
import struct

from edge_agent.config.checks import check

LARGEST_FRAME_BYTES = 4096
"""More than any board sends as one sample."""
_FIELDS = "bBhHiIlLqQefd"
_FORMAT = re.compile(rf"[<>](?:\s*\d*[{_FIELDS}x])+\s*")


def frame_struct(frame: str) -> struct.Struct:
    """Return the compiled struct string. Raises ValueError that says what is wrong with it."""
    check(
        frame[:1] in {"<", ">"} and frame[:1] != "",
        f"`frame` is `{frame}`: must begin with `<` (little-endian, as Arduino sends) or `>` (big-endian)",
    )
    check(
        _FORMAT.fullmatch(frame) is not None,
        f"`frame` is `{frame}`: after `{frame[:1]}` come a struct's fields, such as `<3h`: "
        f"one of `{_FIELDS}` a channel, `x` for a byte that is not read",
    )
    check(
        all(int(count) <= LARGEST_FRAME_BYTES for count in re.findall(r"\d{1,9}", frame))
        and struct.calcsize(frame) <= LARGEST_FRAME_BYTES,
        f"`frame` is `{frame}`: longer than {LARGEST_FRAME_BYTES} bytes",
    )
    return struct.Struct(frame)


def count_fields(frame: str) -> int:
    """Return how many values the frame of a checked struct string holds."""
    layout = struct.Struct(frame)
    return len(layout.unpack(bytes(layout.size)))
