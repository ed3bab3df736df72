"""
The bytes of an ONNX file, looked over before they are parsed: what would make the parser itself fail.

A protocol buffer is a row of fields: a tag (number and kind), then a number of up to 64 bits, or a length and as
many bytes, which may be a message themselves (protobuf.dev/programming-guides/encoding). Which they are is read from
ONNX's own schema. Counted are parts and nesting, so that what parsing takes in memory is known beforehand; and every
text is read once, because parsers disagree on those that are no UTF-8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import onnx

from edgekit.errors import ModelError
from edgekit.model.gate import caps

if TYPE_CHECKING:
    from pathlib import Path

_NUMBERS: Final = re.compile(
    rb"(?:[\x08\x10\x18\x20\x28\x30\x38\x40\x48\x50\x58\x60\x68\x70\x78][\x80-\xff]{0,9}+[\x00-\x7f]"
    rb"|[\x0d\x15\x1d\x25\x2d\x35\x3d\x45\x4d\x55\x5d\x65\x6d\x75\x7d].{4}"
    rb"|[\x09\x11\x19\x21\x29\x31\x39\x41\x49\x51\x59\x61\x69\x71\x79].{8})++",
    re.DOTALL,
)
"""A run of fields that are numbers, with tags of one byte: of trees there are millions, too many for a loop in Python."""

_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5
"""Kinds of fields on the wire; 3 and 4 (groups) ONNX does not have."""

_MESSAGE_BYTES: Final = 256
"""In memory, with its place in a list (measured: 153 of a NodeProto)."""
_TEXT_BYTES: Final = 32
_WIDEST_NUMBER_BYTES: Final = 8

_MESSAGE, _STRING, _PACKED = 11, 9, -1
_UNCHECKED: Final = ("doc_string",)
"""Texts that nothing reads: old exporters wrote anything into them."""


@dataclass(frozen=True)
class _Field:
    kind: int
    """`_MESSAGE`, `_STRING`, `_PACKED` (numbers in a row), or another one of the descriptor's types."""
    message: str = ""


_UNKNOWN: Final = _Field(0)
"""A field that ONNX does not have: kept as it is."""


def check(data: bytes, path: Path) -> None:
    """Raise ModelError if the bytes are no protocol buffer of ONNX's kind, or one that only harms whoever parses it."""
    try:
        _scan(data, path)
    except _MalformedError as error:
        raise ModelError(
            f"`{path}` is no ONNX model, or was cut short: {error} ({len(data):,} bytes)",
            hint="compare its size with the original, or export it again",
        ) from None


class _MalformedError(Exception):
    """The bytes are no protocol buffer."""


def _scan(data: bytes, path: Path) -> None:
    parts, memory = 0, len(data)
    ends = [len(data)]
    tables = [_fields(onnx.ModelProto.DESCRIPTOR.full_name)]
    at = 0
    while ends:
        numbers = _NUMBERS.match(data, at, ends[-1])
        if numbers is not None:
            at, start = numbers.end(), at
            memory += (at - start) * _WIDEST_NUMBER_BYTES // 2  # each takes two bytes or more
        if at == ends[-1]:
            ends.pop()
            tables.pop()
            continue
        tag, at = _varint(data, at, ends[-1])
        if tag & 7 != _BYTES:
            at = _skip_number(data, at, ends[-1], tag & 7)
            continue
        length, at = _varint(data, at, ends[-1])
        end = at + length
        if end > ends[-1]:
            raise _MalformedError("it cannot be parsed")
        parts += 1
        field = tables[-1].get(tag >> 3, _UNKNOWN)
        memory += _in_memory(field.kind, length)
        if parts > caps.MOST_PARTS or memory > caps.MOST_PARSED_BYTES:
            raise _too_many(path, parts, memory)
        if field.kind == _MESSAGE:
            if len(ends) >= caps.MOST_LEVELS:
                raise _too_deep(path)
            ends.append(end)
            tables.append(_fields(field.message))
            continue
        if field.kind == _STRING and not _is_text(data, at, end):
            raise _MalformedError("names in it are no UTF-8 text")
        at = end


def _in_memory(kind: int, length: int) -> int:
    """Return how many bytes a part takes when it is parsed, without those that are counted with the file itself."""
    if kind == _MESSAGE:
        return _MESSAGE_BYTES
    return _TEXT_BYTES + (length * _WIDEST_NUMBER_BYTES if kind == _PACKED else 0)


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 (the last byte has no high bit)
            return value, at
    raise _MalformedError("it cannot be parsed")


def _skip_number(data: bytes, at: int, end: int, wire: int) -> int:
    if wire == _VARINT:
        return _varint(data, at, end)[1]
    after = at + {_DOUBLE: 8, _FLOAT: 4}.get(wire, len(data))
    if after > end:
        raise _MalformedError("it cannot be parsed")
    return after


def _is_text(data: bytes, at: int, end: int) -> bool:
    try:
        data[at:end].decode()
    except UnicodeDecodeError:
        return False
    return True


@cache
def _fields(message: str) -> dict[int, _Field]:
    """Return the fields of a message that are more than a number, by their number."""
    fields = {}
    for field in _descriptors()[message].fields:
        if field.type == _MESSAGE:
            fields[field.number] = _Field(_MESSAGE, field.message_type.full_name)
        elif field.type != _STRING:
            fields[field.number] = _Field(field.type if field.type == field.TYPE_BYTES else _PACKED)
        elif field.name not in _UNCHECKED:
            fields[field.number] = _Field(_STRING)
    return fields


@cache
def _descriptors() -> dict[str, Any]:
    """Return the descriptors of all messages that a model can hold, by name."""
    found: dict[str, Any] = {}
    stack: list[Any] = [onnx.ModelProto.DESCRIPTOR]
    while stack:
        descriptor = stack.pop()
        if descriptor.full_name not in found:
            found[descriptor.full_name] = descriptor
            stack += [field.message_type for field in descriptor.fields if field.message_type]
    return found


def _too_many(path: Path, parts: int, memory: int) -> ModelError:
    what = (
        f"more than {caps.MOST_PARTS:,} parts"
        if parts > caps.MOST_PARTS
        else f"would take {memory >> 20:,} MiB of memory to read"
    )
    return ModelError(
        f"`{path}` is too large: it has {what}"
        if parts > caps.MOST_PARTS
        else f"`{path}` is too large: it {what}",
        hint="EdgeKit is for models that fit on a small board: export one with fewer operators, or trees",
    )


def _too_deep(path: Path) -> ModelError:
    return ModelError(
        f"`{path}` nests its parts more than {caps.MOST_LEVELS} deep",
        hint="export the model without branches and loops inside one another",
    )
