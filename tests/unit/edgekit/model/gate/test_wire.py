"""Bytes that are judged before they are parsed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from edgekit.errors import ModelError
from edgekit.model import gate
from edgekit.model.gate import caps

Judge = Callable[[onnx.ModelProto | bytes], ModelError]

GRAPH, NODE, ATTRIBUTE, INNER, INITIALIZER = 7, 1, 5, 6, 5
"""Numbers of fields in onnx.proto."""


def _number(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def _field(number: int, content: bytes) -> bytes:
    return _number(number << 3 | 2) + _number(len(content)) + content


def test_a_file_of_empty_messages_is_refused(
    refused: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bytes in the file, a few hundred in memory: they are counted, not parsed."""
    nodes = _field(GRAPH, _field(NODE, b"") * 20_000)
    monkeypatch.setattr(onnx.ModelProto, "FromString", None)

    monkeypatch.setattr(caps, "MOST_PARTS", 10_000)
    assert "more than 10,000 parts" in refused(nodes).message
    monkeypatch.setattr(caps, "MOST_PARTS", 100_000)
    monkeypatch.setattr(caps, "MOST_PARSED_BYTES", 4_000_000)
    assert "would take 3 MiB of memory to read" in refused(nodes).message


def test_numbers_that_grow_in_memory_are_counted(
    refused: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packed number of one byte takes eight when it is parsed."""
    monkeypatch.setattr(caps, "MOST_PARSED_BYTES", 1 << 20)
    packed = _field(7, b"\x01" * (1 << 18))  # TensorProto.int64_data

    assert "MiB of memory" in refused(_field(GRAPH, _field(INITIALIZER, packed))).message


def test_graphs_inside_one_another_are_counted(refused: Judge) -> None:
    """Deep nesting is refused here, not by a parser's stack."""
    data = b""
    for _ in range(40):
        data = _field(NODE, _field(ATTRIBUTE, _field(INNER, data)))

    assert "more than 96 deep" in refused(_field(GRAPH, data)).message


@pytest.mark.parametrize(
    "data",
    [
        b"\x08" + b"\xff" * 11,  # a number that never ends
        b"\x3a\x05abc",  # longer than the file
        b"\x3b\x00\x3c",  # a group
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a length of 2^64
        b"\x3a\x02\x0a\x05\x00\x00\x00\x00\x00",  # longer than what it is in
        b"\x0d\x00",  # four bytes of which one is there
        b"\x08",
    ],
)
def test_what_is_no_protocol_buffer_is_a_sentence(refused: Judge, data: bytes) -> None:
    """Never an exception of a parser."""
    assert "was cut short" in refused(data).message


def test_a_description_may_hold_anything(model: onnx.ModelProto) -> None:
    """Nothing reads it, and old exporters wrote whatever a source file held."""
    data = model.SerializeToString() + _field(6, b"caf\xe9")

    gate.admit(data, Path("model.onnx"))


@pytest.mark.parametrize("name", [b"relu", b"MatMul", b"graph"])
def test_names_are_text(model: onnx.ModelProto, refused: Judge, name: bytes) -> None:
    """In nodes, operators and the graph itself."""
    data = model.SerializeToString().replace(name, b"\xff" * len(name))

    assert "no UTF-8" in refused(data).message


def test_every_field_is_known_to_be_a_text_or_not(model: onnx.ModelProto, refused: Judge) -> None:
    """Metadata too: `init` reads labels from there."""
    entry = _field(1, b"labels") + _field(2, b"\xc3\x28")

    assert "no UTF-8" in refused(model.SerializeToString() + _field(14, entry)).message
