"""Features laid over the model's input, and what is said where they do not go together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.errors import ConfigError
from edgekit.features_section import (
    FeatureLayout,
    Features,
    LogMelFeatures,
    MfccFeatures,
    SpectrumFeatures,
    StatisticsFeatures,
)
from edgekit.model.graph_spec import GraphSpec
from edgekit.model.layout import fit
from edgekit.model.source import TensorSpec

Shape = tuple[int | None, ...]

MEL = LogMelFeatures(kind="log-mel", frame=400, step=160, bins=40)
SIX = StatisticsFeatures(
    kind="statistics", frame=100, step=100, values=("mean", "std", "min", "max", "rms", "range")
)


def _fit(
    shape: Shape, features: Features | None, window: int, channels: int
) -> tuple[Shape, str, tuple[int, ...]]:
    tensor = TensorSpec(name="x", dtype="float32", shape=shape)
    rate_hz = None if features is None else 16000.0
    spec = GraphSpec(window=window, channels=channels, features=features, rate_hz=rate_hz)
    found = fit(tensor, spec)
    return found.shape, found.layout, found.order


@pytest.mark.parametrize(
    ("shape", "fixed", "order"),
    [
        ((1, 98, 40), (1, 98, 40), (0, 1, 2)),
        ((None, 98, 1, 40), (1, 98, 1, 40), (0, 1, 2)),
        ((1, 1, 40, 98), (1, 1, 40, 98), (2, 0, 1)),
        ((1, None, 40), (1, 98, 40), (0, 1, 2)),
        ((None, None, 40), (1, 98, 40), (0, 1, 2)),
    ],
)
def test_one_channel_is_found_by_its_lengths(
    shape: Shape, fixed: Shape, order: tuple[int, ...]
) -> None:
    """98 frames of 40 bands can lie in two ways only; axes of 1 carry nothing."""
    found, _, axes = _fit(shape, MEL, 15920, 1)

    assert found == fixed
    assert [axis for axis in axes if axis != 1] == [axis for axis in order if axis != 1]


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((1, 98, 3, 40), "time-channel-value"),
        ((1, 3, 98, 40), "channel-time-value"),
        ((1, 40, 98, 3), "value-time-channel"),
        ((1, 294, 40), "ask"),
        ((1, 98, 120), "ask"),
        ((1, 98 * 120), "ask"),
    ],
)
def test_several_channels_are_found_or_asked_for(shape: Shape, layout: str) -> None:
    """Flattened axes hide which of them runs first: a guess could be silently wrong."""
    if layout != "ask":
        assert _fit(shape, MEL, 15920, 3)[1] == layout
        return
    with pytest.raises(ConfigError, match="98 frames × 3 channels × 40 log-mel values") as caught:  # noqa: RUF001 (a product)
        _fit(shape, MEL, 15920, 3)

    assert "inside `features`: `layout = " in str(caught.value.hint)


def test_one_vector_of_statistics_needs_its_order() -> None:
    """All values of a channel together, or all channels of a value: both have 36 numbers."""
    with pytest.raises(ConfigError, match="cannot be seen"):
        _fit((1, 36), SIX, 100, 6)

    layouts: tuple[FeatureLayout, ...] = ("time-channel-value", "time-value-channel")
    for layout in layouts:
        assert _fit((1, 36), replace(SIX, layout=layout), 100, 6)[1] == layout


@pytest.mark.parametrize(
    ("shape", "features", "window", "hint"),
    [
        ((1, 49, 40), MEL, 16000, "`window = 8080`"),
        ((1, 98, 64), MEL, 16000, "`bins = 64`"),
        (
            (1, 98, 13),
            MfccFeatures(kind="mfcc", frame=400, step=160),
            16000,
            "`coefficients = 13`",
        ),
        (
            (1, 98, 13),
            SpectrumFeatures(kind="spectrum", frame=400, step=160),
            16000,
            "so that 13 bins are left, not 201",
        ),
        ((1, 7), SIX, 100, "name 7 statistics in `values`"),
        ((1, 31, 77), MEL, 16000, "`frame` and `step`"),
    ],
)
def test_features_that_do_not_fit_name_the_key(
    shape: Shape, features: Features, window: int, hint: str
) -> None:
    """Frames are a matter of the window, values of the kind's own key."""
    with pytest.raises(ConfigError, match=r"the model takes \[1, .* the project gives") as caught:
        _fit(shape, features, window, 1)

    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("shape", "window", "channels", "hint"),
    [
        ((1, 39), 100, 6, "a multiple of 6 values, which 39 is not"),
        ((1, 36), 100, 6, 'values = ["mean", "std", "variance", "min", "max", "range"] }` gives 6'),
        ((1, 13), 512, 1, '"mfcc", frame = 512, step = 512, coefficients = 13'),
        ((1, 49, 40), 16000, 1, '"log-mel", bins = 40, frame = …, step = … }'),
        ((1, 49, 40), 16000, 1, "window = frame + 48 * step"),
    ],
)
def test_a_model_of_features_is_told_which_key_could_fit(
    shape: Shape, window: int, channels: int, hint: str
) -> None:
    """What it takes, what it would be given, and the line for edgekit.toml."""
    raw = f"features and is given {channels}×{window} raw samples"  # noqa: RUF001 (a product)
    with pytest.raises(ConfigError, match=raw) as caught:
        _fit(shape, None, window, channels)

    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("shape", "window", "channels"), [((1, 600), 90, 6), ((1, 600), 500, 1), ((1, 128, 6), 100, 1)]
)
def test_a_window_of_another_length_is_no_matter_of_features(
    shape: Shape, window: int, channels: int
) -> None:
    """Many numbers, a multiple of the channels: samples; few on one axis: sensors."""
    with pytest.raises(ConfigError, match="the project gives") as caught:
        _fit(shape, None, window, channels)

    assert "set `window` and `channels`" in str(caught.value.hint)
