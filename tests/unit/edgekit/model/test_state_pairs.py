"""Which inputs are a model's state: recognised by name and shape, or declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from onnx import TensorProto, helper

from edgekit.errors import ConfigError
from edgekit.model.options import ModelOptions
from edgekit.model.source import SourceModel
from edgekit.model.state_pairs import state_pairs, without_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Load = Callable[..., SourceModel]

FLOAT = TensorProto.FLOAT
NONE = ModelOptions()


@pytest.fixture
def load(make_onnx: Callable[..., Path]) -> Load:
    """Return a function that makes a model of inputs and outputs by name, `[2, 1, 8]` unless said otherwise."""

    def make(
        inputs: Sequence[str], outputs: Sequence[str], shape: Sequence[int | str] = (2, 1, 8)
    ) -> SourceModel:
        nodes = [helper.make_node("Sum", list(inputs), ["all"])]
        nodes += [helper.make_node("Identity", ["all"], [name]) for name in outputs]
        path = make_onnx(
            nodes,
            inputs=[(name, FLOAT, shape) for name in inputs],
            outputs=[(name, FLOAT, shape) for name in outputs],
        )
        return SourceModel.load(path)

    return make


@pytest.mark.parametrize(
    ("given", "back"),
    [
        ("state", "stateN"),
        ("h0", "hn"),
        ("hx", "h_n"),
        ("c", "cn"),
        ("hidden_in", "hidden_out"),
        ("past_key_cache.0", "present_key_cache.0"),
        ("cache_1", "new_cache_1"),
        ("prev_state", "next_state"),
        ("lstmStateIn", "lstmStateOut"),
    ],
)
def test_the_usual_names_are_recognised(load: Load, given: str, back: str) -> None:
    """What PyTorch, Silero and others call the two ends of a state."""
    source = load(["input", given], ["output", back])

    assert state_pairs(source, NONE) == ((given, back),)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (["image", "mask"], ["image_out", "label"]),  # nothing that is called a state
        (["input", "state"], ["output", "label"]),  # never given back
        (["state"], ["state_out", "y"]),  # nothing would be left to give it
        (["x", "h"], ["hn"]),  # nothing would be left to tell
        (["x", "h_0", "h_1"], ["y", "h_1_out", "h_2_out"]),  # the number is part of the name
    ],
)
def test_what_only_looks_like_it_is_none(load: Load, inputs: list[str], outputs: list[str]) -> None:
    """A name alone, or a pair that leaves nothing else, is no state; `h_1` of three is, by its number."""
    found = state_pairs(load(inputs, outputs), NONE)

    assert found == ((("h_1", "h_1_out"),) if "h_1" in inputs else ())


def test_shapes_must_agree_as_far_as_they_are_known(
    load: Load, make_onnx: Callable[..., Path]
) -> None:
    """An open batch may be anything; another length is another tensor."""
    assert state_pairs(load(["x", "h"], ["y", "hn"], (2, "batch", 8)), NONE) == (("h", "hn"),)
    path = make_onnx(
        [
            helper.make_node("Add", ["x", "x"], ["y"]),
            helper.make_node("Concat", ["h", "h"], ["hn"], axis=0),
        ],
        inputs=[("x", FLOAT, [4]), ("h", FLOAT, [4])],
        outputs=[("y", FLOAT, [4]), ("hn", FLOAT, [8])],
    )
    assert state_pairs(SourceModel.load(path), NONE) == ()


def test_declared_pairs_are_taken_as_they_are(load: Load) -> None:
    """Whatever they are called; the rest is what a caller sees."""
    source = load(["x", "a", "b"], ["y", "p", "q"])
    pairs = state_pairs(source, ModelOptions(state=(("a", "q"), ("b", "p"))))
    seen = without_state(source, pairs)

    assert pairs == (("a", "q"), ("b", "p"))
    assert [tensor.name for tensor in (*seen.inputs, *seen.outputs)] == ["x", "y"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"stat": "p"}, "names the input `stat`, which the model does not have"),
        ({"a": "pp"}, "names the output `pp`, which the model does not have"),
        ({"a": "p", "b": "p"}, "takes the output `p` twice"),
        ({"x": "y", "a": "p", "b": "q"}, "leaves the model no input"),
    ],
)
def test_wrong_declarations_are_told(load: Load, state: dict[str, str], message: str) -> None:
    """An end that is not there, one output for two states, nothing left to compute."""
    source = load(["x", "a", "b"], ["y", "p", "q"])

    with pytest.raises(ConfigError, match=message):
        state_pairs(source, ModelOptions(state=tuple(state.items())))
