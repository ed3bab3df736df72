"""Every operator of ONNX is allowed, or refused with a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.errors import ModelError
from edgekit.model import operator_support
from edgekit.model.operator_support import ALLOWED, ALLOWED_LEARNED, REFUSED, REFUSED_LEARNED
from edgekit.model.prepare import prepare
from edgekit.model.source import SourceModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeOnnx = Callable[..., Path]


@pytest.mark.parametrize(
    ("domain", "allowed", "refused"),
    [("", ALLOWED, REFUSED), ("ai.onnx.ml", ALLOWED_LEARNED, REFUSED_LEARNED)],
)
def test_every_operator_has_its_place(
    domain: str, allowed: frozenset[str], refused: dict[str, object]
) -> None:
    """A new version of ONNX brings operators: somebody decides about each."""
    standard = {
        schema.name
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.domain == domain
    }

    assert allowed | set(refused) == standard
    assert not allowed & set(refused)


@pytest.mark.parametrize("name", [*REFUSED, *REFUSED_LEARNED])
def test_a_refusal_is_a_sentence_with_a_way_out(name: str) -> None:
    """It names the operator, says why, and what to export instead."""
    domain = "" if name in REFUSED else "ai.onnx.ml"
    model = onnx.ModelProto()
    model.graph.node.append(helper.make_node(name, ["x"], ["y"], domain=domain))

    with pytest.raises(ModelError) as caught:
        operator_support.check(model, "model.onnx")  # type: ignore[arg-type] # only shown

    assert f"{domain}.{name}`" in caught.value.message or f"`{name}`" in caught.value.message
    assert caught.value.hint
    assert not caught.value.message.endswith(".")


def test_all_refused_operators_are_named_at_once(make_onnx: MakeOnnx) -> None:
    """One export less to try."""
    path = make_onnx(
        [
            helper.make_node("Det", ["x"], ["d"]),
            helper.make_node("LpPool", ["x"], ["p"], kernel_shape=[2]),
            helper.make_node("Add", ["d", "p"], ["y"]),
        ],
        inputs=[("x", TensorProto.FLOAT, [1, 4, 4])],
        outputs=[("y", TensorProto.FLOAT, None)],
    )

    with pytest.raises(
        ModelError, match=r"`Det` is missing in the engine; nor can it run `LpPool`"
    ):
        prepare(SourceModel.load(path), None)


def test_what_is_computed_of_constants_is_no_trouble(make_onnx: MakeOnnx) -> None:
    """An operator that is gone when the model is prepared was never needed."""
    path = make_onnx(
        [
            helper.make_node("Unique", ["w"], ["few"], sorted=1),
            helper.make_node("Add", ["x", "few"], ["y"]),
        ],
        {"w": np.array([3, 3, 3], np.float32)},
    )

    prepared = onnx.ModelProto.FromString(prepare(SourceModel.load(path), None).onnx)

    assert "Unique" not in [node.op_type for node in prepared.graph.node]
