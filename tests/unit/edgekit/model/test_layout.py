"""Laying samples over the model's input: found where the shape tells, asked for where it does not."""

from __future__ import annotations

import pytest

from edgekit.errors import ConfigError, ModelError
from edgekit.model.graph_spec import GraphSpec, Layout
from edgekit.model.layout import fit
from edgekit.model.source import TensorSpec

Shape = tuple[int | None, ...]


def _fit(
    shape: Shape | None, layout: Layout | None = None, window: int = 100, channels: int = 6
) -> tuple[Shape, str]:
    tensor = TensorSpec(name="x", dtype="float32", shape=shape)
    found = fit(tensor, GraphSpec(window=window, channels=channels, layout=layout))
    return found.shape, found.layout


@pytest.mark.parametrize(
    ("shape", "fixed", "layout"),
    [
        ((1, 100, 6), (1, 100, 6), "time-channel"),
        ((1, 6, 100), (1, 6, 100), "channel-time"),
        ((100, 6), (100, 6), "time-channel"),
        ((1, 100, 6, 1), (1, 100, 6, 1), "time-channel"),
        ((1, 1, 100, 6), (1, 1, 100, 6), "time-channel"),
        ((1, 6, 1, 100), (1, 6, 1, 100), "channel-time"),
        ((None, 100, 6), (1, 100, 6), "time-channel"),
        ((None, 6, 100), (1, 6, 100), "channel-time"),
        ((1, None, 6), (1, 100, 6), "time-channel"),
        ((1, 6, None), (1, 6, 100), "channel-time"),
        ((None, None, 6), (1, 100, 6), "time-channel"),
        ((None, 6), (100, 6), "time-channel"),
    ],
)
def test_the_shape_tells(shape: Shape, fixed: Shape, layout: str) -> None:
    """Axes of 1 carry nothing, open axes take what fits, the first one preferably a batch of 1."""
    assert _fit(shape) == (fixed, layout)


def test_one_channel_has_no_order() -> None:
    """A flat input is a window of one channel."""
    assert _fit((1, 100), channels=1) == ((1, 100), "time-channel")
    assert _fit((None, 100, 1), channels=1) == ((1, 100, 1), "time-channel")


def test_a_window_of_one_is_a_feature_vector() -> None:
    """One sample of many channels needs no order either."""
    assert _fit((None, 39), window=1, channels=39) == ((1, 39), "time-channel")


@pytest.mark.parametrize(
    ("shape", "window", "channels"),
    [((1, 600), 100, 6), ((1, 6, 6), 6, 6), ((1, None, None), 100, 6)],
)
def test_what_the_shape_does_not_tell_is_asked_for(
    shape: Shape, window: int, channels: int
) -> None:
    """Guessing wrong would be silently wrong."""
    with pytest.raises(ConfigError, match="whether time or channels come first") as caught:
        _fit(shape, window=window, channels=channels)

    assert 'layout = "time-channel"' in str(caught.value.hint)


def test_layout_says_it() -> None:
    """With `layout` the same shapes are clear."""
    assert _fit((1, 600), "channel-time") == ((1, 600), "channel-time")
    assert _fit((1, 6, 6), "time-channel", window=6) == ((1, 6, 6), "time-channel")


def test_a_model_of_features_is_told_from_one_of_samples() -> None:
    """What it takes, what it would get, and the key that could fit."""
    says = "the model takes \\[1, 39\\]: it expects 39 features and is given 6×100 raw samples"  # noqa: RUF001 (a product)
    with pytest.raises(ConfigError, match=says) as caught:
        _fit((1, 39))

    assert 'features = { kind = "statistics", frame = 100' in str(caught.value.hint)
    assert "a multiple of 6 values, which 39 is not" in str(caught.value.hint)


def test_a_mismatch_says_both_shapes() -> None:
    """A window of another length has nothing to do with features."""
    says = "the model takes \\[1, 128, 6\\], the project gives 6 channels × 100 samples"  # noqa: RUF001 (a product)
    with pytest.raises(ConfigError, match=says) as caught:
        _fit((1, 128, 6))

    assert "`window`" in str(caught.value.hint)
    assert "features" not in str(caught.value.hint)


def test_a_wrong_layout_is_told_apart() -> None:
    """The lengths fit, the order does not."""
    with pytest.raises(ConfigError) as caught:
        _fit((1, 6, 100), "time-channel")

    assert 'remove `layout = "time-channel"`' in str(caught.value.hint)


def test_an_input_without_shape_is_a_sentence() -> None:
    """Nothing can be laid over that."""
    with pytest.raises(ModelError, match="has no shape"):
        _fit(None)
