"""Evaluate arrays: the Python API's `.evaluate(X, y)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from edgekit.errors import ConfigError, DataError
from edgekit.model.evaluation.evaluate_arrays import evaluate_arrays


@pytest.fixture
def windows() -> Any:
    """Three windows of two channels; the larger mean is left, right, left."""
    raw = np.zeros((3, 4, 2), np.float32)
    raw[0, :, 0] = raw[1, :, 1] = raw[2, :, 0] = 1
    return raw


@pytest.mark.parametrize(
    "truth",
    [
        ["left", "right", "right"],
        [0, 1, 1],
        np.array([0, 1, 1]),
        np.array(["left", "right", "right"]),
    ],
)
def test_labels_by_name_or_index(compiled: Any, windows: Any, truth: Any) -> None:
    """Two of three are right, whichever way the labels are given; each window stands for itself."""
    result = evaluate_arrays(compiled, windows, truth)

    assert (result.right, result.windows.judged, result.agreement.share) == (2, 3, 1.0)
    assert result.agreement.events is None
    assert result.to_json()["worst"][0]["time_s"] is None


def test_yes_or_no_by_number(compiled: Any, windows: Any) -> None:
    """The labels of a single output are 0 or False for no, 1 or True for yes."""

    def left(raw: Any) -> Any:
        return raw.mean(axis=1)[:, :1]

    binary = compiled.but(labels=("left",), model=left, reference_model=left)

    assert evaluate_arrays(binary, windows, [1, 0, 1]).right == 3
    assert evaluate_arrays(binary, windows, np.array([True, False, False])).right == 2


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        (["left"], "1 labels for 3 windows"),
        ([0, 1, 2], "label 2 is no index"),
        ([[1, 0], [0, 1], [1, 0]], "no plain list"),
        (["left", "right", "lift"], "`lift`"),
    ],
)
def test_labels_that_do_not_fit(compiled: Any, windows: Any, truth: Any, message: str) -> None:
    """Each is a sentence."""
    with pytest.raises(DataError, match=message):
        evaluate_arrays(compiled, windows, truth)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((3, 2, 4)), r"\[3, 2, 4\]"),
        (np.zeros((0, 4, 2)), "no windows"),
        ([[1, 2], [3]], "cannot be read"),
        (np.full((1, 4, 2), "x"), "must be numbers"),
    ],
)
def test_windows_that_do_not_fit(compiled: Any, samples: Any, message: str) -> None:
    """Each is a sentence."""
    with pytest.raises(DataError, match=message):
        evaluate_arrays(compiled, samples, ["left", "left", "left"])


@dataclass(frozen=True)
class TensorInfo:
    """An input of the engine."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Tensors:
    """A model of two named inputs that gives their sums, and an integer beside it."""

    spec = None
    labels = ("low", "high")
    inputs = (TensorInfo("x", "float32", (1, 2)), TensorInfo("bias", "float32", (1,)))

    def session(self) -> Tensors:
        """Return what knows the inputs."""
        return self

    reference = session

    def predict(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Run one frame."""
        assert {name: array.shape for name, array in frame.items()} == {"x": (1, 2), "bias": (1,)}
        return {"scores": frame["x"] + frame["bias"], "label": np.array([1])}

    def run(self, frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Run the reference."""
        return [self.predict(frame) for frame in frames]


def test_named_tensors() -> None:
    """Arrays by name, with or without the batch axis; the one float output is judged."""
    x = np.array([[0, 1], [1, 0]])

    result = evaluate_arrays(Tensors(), {"x": x, "bias": np.zeros(2)}, ["high", "high"])  # type: ignore[arg-type]

    assert (result.right, result.windows.judged) == (1, 2)


def test_named_tensors_that_do_not_fit() -> None:
    """A missing input, a wrong shape, and different counts are sentences."""
    for given, message in (
        ({"x": np.zeros((2, 2))}, "the model takes `x`, `bias`"),
        ({"x": np.zeros((2, 3)), "bias": np.zeros(2)}, r"`x` is \[2, 3\]"),
        ({"x": np.zeros((2, 2)), "bias": np.zeros(3)}, "different numbers of frames: 2, 3"),
    ):
        with pytest.raises(DataError, match=message):
            evaluate_arrays(Tensors(), given, ["high", "high"])  # type: ignore[arg-type]


def test_several_float_outputs_are_ambiguous() -> None:
    """Nothing is guessed."""

    class Two(Tensors):
        def predict(self, frame: dict[str, Any]) -> dict[str, Any]:
            return {"a": frame["x"], "b": frame["x"]}

    with pytest.raises(ConfigError, match="2 float outputs"):
        evaluate_arrays(Two(), {"x": np.zeros((1, 2)), "bias": np.zeros(1)}, ["high"])  # type: ignore[arg-type]
