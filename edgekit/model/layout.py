"""Which axis of the model's input is time and which is channels, decided from its shape."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from edgekit.model.graph_spec import GraphSpec, Layout
    from edgekit.model.source import TensorSpec

_MOST_OPEN_AXES = 4


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How samples `[window, channels]` become the model's input."""

    shape: tuple[int, ...]
    """The model's own input shape, every axis fixed."""
    layout: Layout
    """`channel-time`: the samples are transposed before they are given the shape."""


def fit(tensor: TensorSpec, spec: GraphSpec) -> Fit:
    """
    Lay a window of samples over the model's input.

    Axes of length 1 carry nothing and are dropped; what is left must be (window, channels), (channels, window) or
    one axis of window·channels values. Open axes take what makes it match, the first one preferably 1 (a batch).
    Raises ConfigError if the shapes do not go together, or if the order of the axes is open and `layout` does not say it.
    """
    if tensor.shape is None:
        raise ModelError(
            f"input `{tensor.name}` of the model has no shape",
            hint="export the model with a fixed input shape",
        )
    fits = _fits(tensor.shape, spec)
    if not fits:
        raise _mismatch(tensor, spec)
    batched = [found for found in fits if found.shape[0] == 1]
    best = (batched or fits)[0]
    if any(found.layout != best.layout for found in batched or fits):
        raise ConfigError(
            f"input `{tensor.name}` of the model is {tensor.shape_text()}: whether time or channels come first cannot be "
            f"seen from {spec.channels} channels × {spec.window} samples",  # noqa: RUF001 (a product)
            hint='say it in edgekit.toml: [input] `layout = "time-channel"` or `layout = "channel-time"`',
        )
    return best


def _fits(shape: tuple[int | None, ...], spec: GraphSpec) -> list[Fit]:
    window, channels = spec.window, spec.channels
    if sum(length is None for length in shape) > _MOST_OPEN_AXES:
        return []
    one_axis = 1 in (window, channels)
    layouts: tuple[Layout, ...] = ("time-channel", "channel-time")
    if spec.layout is not None:
        layouts = (spec.layout,)
    elif one_axis:
        layouts = ("time-channel",)  # both mean the same
    choices = [
        (1, window, channels, window * channels) if length is None else (length,)
        for length in shape
    ]
    fits = []
    for lengths in dict.fromkeys(itertools.product(*choices)):
        kept = tuple(length for length in lengths if length != 1)
        for layout in layouts:
            axes = (window, channels) if layout == "time-channel" else (channels, window)
            if kept in (tuple(length for length in axes if length != 1), (window * channels,)):
                fits.append(Fit(shape=lengths, layout=layout))
    return fits


def _mismatch(tensor: TensorSpec, spec: GraphSpec) -> ConfigError:
    fixed = [length for length in tensor.shape or () if length is not None]
    hint = "set `window` and `channels` in [input] to what the model was trained on"
    if math.prod(fixed) == spec.window * spec.channels and spec.layout is not None:
        hint = f'remove `layout = "{spec.layout}"` from [input], or set the other one'
    elif len(fixed) == 1 or all(length == 1 for length in sorted(fixed)[:-1]):
        hint = (
            "if the model takes features instead of samples, compute them before EdgeKit; else "
            + hint
        )
    return ConfigError(
        f"the model takes {tensor.shape_text()}, the project gives {spec.channels} channels × {spec.window} samples",  # noqa: RUF001 (a product)
        hint=hint,
    )
