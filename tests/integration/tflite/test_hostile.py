"""Files that are damaged, forged or use what is not understood: each ends with a sentence."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.model.tflite import to_onnx

if TYPE_CHECKING:
    from tests.integration.tflite.conftest import Tflite


@pytest.fixture
def small(new_tflite: type[Tflite]) -> bytes:
    """Return a convolution and a dense layer of codes."""
    t, rng = new_tflite(), np.random.default_rng(0)
    x = t.tensor((1, 6, 5, 2), "int8", scale=0.02, zero=3)
    a = t.tensor((1, 6, 5, 4), "int8", scale=0.05, zero=-128)
    kernel = t.constant(rng.integers(-127, 128, (4, 3, 3, 2)), "int8", scale=[0.01] * 4)
    bias = t.constant(rng.integers(-99, 99, 4), "int32", scale=[0.0002] * 4)
    t.step(
        "CONV_2D",
        [x, kernel, bias],
        [a],
        "Conv2DOptions",
        StrideH=1,
        StrideW=1,
        FusedActivationFunction=1,
        version=3,
    )
    flat, y = (
        t.tensor((1, 120), "int8", scale=0.05, zero=-128),
        t.tensor((1, 3), "int8", scale=0.1, zero=0),
    )
    t.step("RESHAPE", [a, t.constant([1, 120], "int32")], [flat])
    weights = t.constant(rng.integers(-127, 128, (3, 120)), "int8", scale=0.01)
    t.step("FULLY_CONNECTED", [flat, weights, -1], [y], "FullyConnectedOptions", version=4)
    return t.finish([x], [y])


def _mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the file with bytes changed, cut off, or a word set to an odd number."""
    changed = bytearray(data)
    way = rng.integers(0, 4)
    if way == 0:
        return data[: int(rng.integers(0, len(data)))]
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(0, len(data) - 4))
        if way == 1:
            changed[place] = int(rng.integers(0, 256))
        elif way == 2:
            number = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, len(data), 0x80000000]))
            changed[place : place + 4] = struct.pack("<I", number)
        else:
            changed[place] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)


def _try_all(data: bytes, seeds: range) -> int:
    """Return how many mutations were refused; anything but ModelError ends the test."""
    errors = []
    for seed in seeds:
        try:
            to_onnx(_mutated(data, np.random.default_rng(seed)))
        except ModelError as error:
            errors.append(error)
    assert all(error.hint and error.message.isprintable() for error in errors)
    return len(errors)


@np.errstate(all="ignore")
def test_mutations_end_with_a_sentence(small: bytes) -> None:
    """Cut short, bytes and words changed: a model or a ModelError, nothing else."""
    assert _try_all(small, range(500)) > 100


@pytest.mark.slow
@np.errstate(all="ignore")
def test_many_mutations_end_with_a_sentence(small: bytes) -> None:
    """The same twenty thousand times."""
    assert _try_all(small, range(1000, 21000)) > 4000


def test_unknown_operators_are_named_at_once(new_tflite: type[Tflite]) -> None:
    """All that cannot be read, so that one look tells whether the model can be rebuilt."""
    t = new_tflite()
    x, a, y = (t.tensor((1, 4)) for _ in range(3))
    t.step("SVDF", [x], [a])
    t.step("TOPK_V2", [a], [y])

    with pytest.raises(ModelError, match="SVDF, TOPK_V2"):
        to_onnx(t.finish([x], [y]))


def test_without_the_reader_the_extra_is_named(
    small: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema's package is an extra; the hint is the line that installs it."""
    monkeypatch.setitem(sys.modules, "tflite", None)

    with pytest.raises(ModelError) as raised:
        to_onnx(small)

    assert 'pip install "edgekit[tflite]"' in str(raised.value.hint)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"shape": (3, 5)}, "bytes of data"),
        ({"scale": [0.1, 0.2]}, "2 scales"),
        ({"scale": float("nan")}, "a scale or a zero point"),
        ({"scale": 0.1, "zero": 2**40}, "a scale or a zero point"),
    ],
)
def test_tensors_that_cannot_be(about: dict[str, Any], said: str, new_tflite: type[Tflite]) -> None:
    """Data of another length than the shape, scales that are not one a channel, numbers that are none."""
    t = new_tflite()
    x, y = t.tensor((1, 4)), t.tensor((1, 3))
    given = {"shape": (3, 4), "scale": 0.1, **about}
    weights = t.tensor(dtype="int8", data=np.ones((3, 4)), **given)
    t.step("FULLY_CONNECTED", [x, weights, -1], [y], "FullyConnectedOptions")

    with pytest.raises(ModelError, match=said):
        to_onnx(t.finish([x], [y]))


def test_tensors_used_before_they_are_computed(new_tflite: type[Tflite]) -> None:
    """An operator that reads what comes later, as in a loop."""
    t = new_tflite()
    x, a, y = (t.tensor((1, 4)) for _ in range(3))
    t.step("ADD", [x, a], [y], "AddOptions")
    t.step("RELU", [y], [a])

    with pytest.raises(ModelError, match="before it is computed"):
        to_onnx(t.finish([x], [y]))


def test_names_that_are_taken_or_missing(new_tflite: type[Tflite]) -> None:
    """Tensors may share a name in a .tflite; inputs and outputs have one each all the same."""
    t = new_tflite()
    x, y = t.tensor((1, 4), name="same"), t.tensor((1, 4), name="same")
    z = t.tensor((1, 4), name="")
    t.step("RELU", [x], [y])
    t.step("RELU6", [x], [z])

    model = to_onnx(t.finish([x], [y, z]))

    assert [tensor.name for tensor in (*model.inputs, *model.outputs)] == [
        "same",
        "same_1",
        "tensor_2",
    ]
