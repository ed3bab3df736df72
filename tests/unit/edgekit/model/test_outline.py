"""Outlines: what a model's file tells about window, outputs, labels and activation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.model.outline import Outline, outline
from edgekit.model.source import SourceModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Shape = list[int | str | None]


def _outline(  # noqa: PLR0913 (the parts of a model's face)
    folder: Path,
    shape: Shape,
    *,
    output: Shape | None = None,
    operators: Sequence[str] = ("Relu",),
    dtype: int = TensorProto.FLOAT,
    metadata: dict[str, str] | None = None,
) -> Outline:
    names = [f"t{index}" for index in range(len(operators))] + ["y"]
    nodes = [
        helper.make_node(operator, [names[index]], [names[index + 1]])
        for index, operator in enumerate(operators)
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("t0", dtype, shape)],
        [helper.make_tensor_value_info("y", dtype, output or [1, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, metadata or {})
    onnx.save(model, folder / "m.onnx")
    return outline(SourceModel.load(folder / "m.onnx"))


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ([1, 128, 6], (128, 6)),
        (["batch", 6, 128], (6, 128)),
        ([128, 6], (128, 6)),
        ([1, 1, 49, 10], (49, 10)),
        ([1, 768], (768,)),
        ([None, None, 6], (None, 6)),
        ([1, 1], (1,)),
        ([1, 3, 96, 96], None),
    ],
)
def test_the_axes_of_a_stream(
    tmp_path: Path, shape: Shape, axes: tuple[int | None, ...] | None
) -> None:
    """Batch and axes of one are nothing to choose from; more than two others are no stream."""
    assert _outline(tmp_path, shape).axes == axes


def test_whole_numbers_are_no_stream(tmp_path: Path) -> None:
    """A stream is float32."""
    assert _outline(tmp_path, [1, 128, 6], dtype=TensorProto.INT64).axes is None


def test_an_autoencoder_is_seen_by_its_shape(tmp_path: Path) -> None:
    """The output is as the input."""
    assert _outline(tmp_path, [1, 640], output=["n", 640]).reconstructs
    assert not _outline(tmp_path, [1, 640], output=[1, 3]).reconstructs


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('["a", "b", "c"]', ("a", "b", "c")),
        ("{0: 'a', 1: 'b', 2: 'c'}", ("a", "b", "c")),
        ('{"2": "c", "0": "a", "1": "b"}', ("a", "b", "c")),
        ("a, b, c", ("a", "b", "c")),
        ("a\nb\nc\n", ("a", "b", "c")),
        ("a, b", ()),
        ("a, a, b", ()),
        ("", ()),
        ("[" * 10_000, ()),
    ],
    ids=["JSON", "Python", "JSON object", "commas", "lines", "too few", "twice", "empty", "broken"],
)
def test_labels_in_the_metadata(tmp_path: Path, text: str, labels: tuple[str, ...]) -> None:
    """Exporters write them in many ways; what does not name every output is not used."""
    assert _outline(tmp_path, [1, 128, 6], metadata={"classes": text}).labels == labels
