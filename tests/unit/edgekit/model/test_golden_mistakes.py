"""The usual mistakes: each, made on purpose, is named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgekit.model.golden.mistakes import Suspects, explain
from edgekit.model.graph_spec import GraphSpec
from edgekit.model.normalise import normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RANDOM = np.random.default_rng(4)
WEIGHTS = RANDOM.normal(size=(5 * 3, 3)).astype(np.float32)
RAW = RANDOM.normal(loc=200, scale=900, size=(12, 5, 3)).astype(np.float32)
SCALED = GraphSpec(window=5, channels=3, scale=(0.001,) * 3, offset=(0.1,) * 3)


def model(windows: Floats) -> Floats:
    """Return the outputs of a small net: every sample of every channel counts differently."""
    return np.asarray(np.tanh(windows.reshape(len(windows), -1) @ WEIGHTS / 4) * 3, np.float32)


def softmax(logits: Floats) -> Floats:
    """Return probabilities."""
    return np.asarray(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), np.float32)


def suspects(spec: GraphSpec = SCALED) -> Suspects:
    """Return what the search knows."""
    return Suspects(
        spec=spec,
        model=model,
        channels=("ax", "ay", "az"),
        labels=("a", "b", "c"),
        bound=1e-4,
        worst_window=0,
    )


def standardised(raw: Floats) -> Floats:
    """Return each window with mean 0 and deviation 1."""
    return np.asarray(
        (raw - raw.mean(axis=1, keepdims=True)) / raw.std(axis=1, keepdims=True), np.float32
    )


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (model(normalise(RAW[..., [2, 1, 0]], SCALED)), "channels in the order az, ay, ax"),
        (model(RAW), "without `scale` and `offset`"),
        (model(normalise(normalise(RAW, SCALED), SCALED)), "applied twice"),
        (
            model(normalise(RAW * np.float32(9.80665), SCALED)),
            "g in the recording|the recording in g, the model in m/s²",
        ),
        (model(standardised(RAW)), "each window normalised by its own mean"),
        (model(normalise(RAW[:, ::-1], SCALED)), "time reversed"),
        (
            model(normalise(RAW, SCALED).reshape(12, 3, 5).swapaxes(1, 2)),
            "time and channel swapped",
        ),
        (softmax(model(normalise(RAW, SCALED))), 'when `activation = "softmax"` is set'),
        (softmax(softmax(model(normalise(RAW, SCALED)))), "the golden record's own mistake"),
        (np.log(softmax(model(normalise(RAW, SCALED)))), "log-probabilities"),
        (model(normalise(RAW, SCALED))[:, [2, 0, 1]], "outputs in the order c, a, b"),
        (
            softmax(model(normalise(RAW[..., [0, 2, 1]], SCALED))),
            'order ax, az, ay and when `activation = "softmax"`',
        ),
        (model(normalise(RAW, SCALED)), "only the engine differs"),
    ],
)
def test_the_mistake_is_named(theirs: Any, said: str) -> None:
    """In words that say what to change."""
    found = explain(RAW, np.asarray(theirs, np.float32), suspects())

    assert found is not None
    assert any(part in found for part in said.split("|"))


def test_an_activation_too_many() -> None:
    """edgekit.toml adds sigmoid, the notebook has none."""
    spec = replace(SCALED, activation="sigmoid")

    found = explain(RAW, model(normalise(RAW, SCALED)), suspects(spec))

    assert found == 'when `activation = "none"` is set'


def test_mean_and_std_left_out() -> None:
    """The message names the keys of the project."""
    spec = GraphSpec(window=5, channels=3, mean=(200.0,) * 3, std=(900.0,) * 3)

    found = explain(RAW, model(RAW), suspects(spec))

    assert found is not None
    assert found.startswith("without `mean` and `std`")


def test_another_model_is_no_known_mistake() -> None:
    """Nothing is invented."""
    assert explain(RAW, RANDOM.normal(size=(12, 3)).astype(np.float32), suspects()) is None


@pytest.mark.parametrize(
    "order",
    [
        (3, 4, 5, 0, 1, 2),
        (5, 4, 3, 2, 1, 0),
        (0, 3, 1, 4, 2, 5),
        (0, 2, 4, 1, 3, 5),
        (0, 4, 2, 3, 1, 5),
    ],
)
def test_orders_of_six_channels(order: tuple[int, ...]) -> None:
    """Gyroscope before accelerometer, the two interleaved, reversed, or two channels swapped."""
    raw = RANDOM.normal(size=(12, 5, 6)).astype(np.float32)
    weights = RANDOM.normal(size=(30, 3)).astype(np.float32)
    names = ("ax", "ay", "az", "gx", "gy", "gz")
    six = Suspects(
        spec=GraphSpec(window=5, channels=6),
        model=lambda windows: windows.reshape(len(windows), -1) @ weights,
        channels=names,
        labels=(),
        bound=1e-4,
        worst_window=0,
    )

    found = explain(raw, six.model(raw[..., list(order)]), six)

    assert found == f"with channels in the order {', '.join(names[index] for index in order)}"


def test_large_windows_take_little_memory() -> None:
    """Of a hundred channels and long windows, a few windows are tried: 64 MiB together."""
    raw = RANDOM.normal(size=(20, 4000, 100)).astype(np.float32)
    sizes = []

    def model(windows: Floats) -> Floats:
        sizes.append(windows.nbytes)
        return np.asarray(windows[:, 0, :3], np.float32)

    spec = GraphSpec(window=4000, channels=100)
    hundred = Suspects(
        spec=spec,
        model=model,
        channels=tuple(map(str, range(100))),
        labels=(),
        bound=1e-4,
        worst_window=0,
    )

    assert explain(raw, raw[:, 0, :3] + 1, hundred) is None
    assert sizes[0] <= 64 << 20


def test_the_model_is_started_once() -> None:
    """Each start of ONNX Runtime takes a third of a second: all tries go in one call."""
    calls = []

    def counted(windows: Floats) -> Floats:
        calls.append(len(windows))
        return model(windows)

    explain(RAW, np.zeros((12, 3), np.float32), replace(suspects(), model=counted))

    assert len(calls) == 1


def test_one_window_that_differs_is_looked_at() -> None:
    """Of a thousand windows 64 are tried: that they match says nothing of the one that does not."""
    raw = RANDOM.normal(size=(1000, 5, 3)).astype(np.float32)
    theirs = model(normalise(raw, SCALED))
    theirs[500] += 1

    assert explain(raw, theirs, replace(suspects(), worst_window=500)) is None


def test_what_matches_the_tried_windows_must_match_all() -> None:
    """Two windows differ, and the worst of them by a mistake that is not the other's."""
    raw = RANDOM.normal(size=(1000, 5, 3)).astype(np.float32)
    theirs = model(normalise(raw, SCALED))
    theirs[500] += 1
    theirs[501] += 0.5
    calls = []

    def wrong_at_one(windows: Floats) -> Floats:
        calls.append(len(windows))
        logits = model(windows)
        logits[(windows == normalise(raw[500:501], SCALED)).all(axis=(1, 2))] += 1
        return logits

    worst = replace(suspects(), worst_window=500, model=wrong_at_one)

    assert explain(raw, theirs, worst) is None
    assert calls[1] == 1000


def test_time_of_two_windows_tells_nothing() -> None:
    """Too few to say that time is reversed."""
    reversed_time = model(normalise(RAW[:2, ::-1], SCALED))

    assert explain(RAW[:2], reversed_time, suspects()) is None


def test_softmax_over_probabilities_is_the_records_mistake() -> None:
    """The model has its softmax; `activation` would repeat the mistake."""
    own = replace(suspects(), model=lambda windows: softmax(model(windows)))

    found = explain(RAW, softmax(softmax(model(normalise(RAW, SCALED)))), own)

    assert found is not None
    assert "the golden record's own mistake" in found
    assert "activation" not in found
