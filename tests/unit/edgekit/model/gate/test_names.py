"""Names that no message could show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from edgekit.errors import ModelError
from edgekit.model import gate

Judge = Callable[[onnx.ModelProto | bytes], ModelError]


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "a\0b", "\u202e", "n" * 2000])
def test_names_that_cannot_be_shown(model: onnx.ModelProto, refused: Judge, name: str) -> None:
    """What steers a terminal, ends a C string, turns the line around, or is a page long."""
    model.graph.node[0].name = name

    message = refused(model).message

    assert "has a name" in message
    assert message.isprintable()
    assert len(message) < 200


def test_a_long_name_is_shortened(model: onnx.ModelProto, refused: Judge) -> None:
    """Converters join the names of all layers that they fused."""
    model.graph.node[0].name = "layer;" * 100
    del model.graph.node[0].input[1]

    message = refused(model).message

    assert "operator `MatMul` (`layer;layer;" in message
    assert len(message) < 200


def test_names_in_any_script_pass(model: onnx.ModelProto) -> None:
    """Also those of inputs."""
    model.graph.node[0].name = "層/畳み込み 1"

    gate.admit(model.SerializeToString(), Path("model.onnx"))
